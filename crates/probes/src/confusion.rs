//! Confusion matrices.

/// Why a confusion matrix cannot be counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfusionError {
    /// Labels and predictions that do not belong together.
    #[error("{labels} labels do not belong to {predictions} predictions")]
    Length {
        /// How many labels.
        labels: usize,
        /// How many predictions.
        predictions: usize,
    },
    /// A class out of range.
    #[error("example {index} has the class {class}, there are {classes}")]
    Class {
        /// The example.
        index: usize,
        /// Its label or prediction.
        class: u32,
        /// How many classes there are.
        classes: usize,
    },
}

/// How often examples of each class were taken for each class.
///
/// ```
/// use parallax_probes::Confusion;
///
/// // Of two cats (0) one was taken for a dog (1).
/// let confusion = Confusion::new(&[0, 0, 1], &[0, 1, 1], 2)?;
/// assert_eq!(confusion.counts(), [1, 1, 0, 1]);
/// assert_eq!(confusion.recall(0), Some(50.0));
/// # Ok::<(), parallax_probes::ConfusionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u32>,
}

impl Confusion {
    /// Counts the predictions of examples with these labels; both are classes from 0 to `classes` - 1.
    ///
    /// # Errors
    /// When the lengths differ, or a label or prediction is no class.
    pub fn new(
        labels: &[u32],
        predictions: &[u32],
        classes: usize,
    ) -> Result<Self, ConfusionError> {
        if labels.len() != predictions.len() {
            return Err(ConfusionError::Length {
                labels: labels.len(),
                predictions: predictions.len(),
            });
        }
        let mut counts = vec![0; classes * classes];
        for (index, (&label, &prediction)) in labels.iter().zip(predictions).enumerate() {
            for class in [label, prediction] {
                if class as usize >= classes {
                    return Err(ConfusionError::Class {
                        index,
                        class,
                        classes,
                    });
                }
            }
            counts[label as usize * classes + prediction as usize] += 1;
        }
        Ok(Self { classes, counts })
    }

    /// How many classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Counts row by row: a row for each label, a column for each prediction.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// The predictions of the examples of a class.
    fn row(&self, class: usize) -> &[u32] {
        &self.counts[class * self.classes..(class + 1) * self.classes]
    }

    /// Fraction of the examples of a class that were predicted to be of it, in percent; none where there are no examples,
    /// or no such class.
    pub fn recall(&self, class: usize) -> Option<f64> {
        let row = (class < self.classes).then(|| self.row(class))?;
        let all: u32 = row.iter().sum();
        (all > 0).then(|| 100.0 * f64::from(row[class]) / f64::from(all))
    }

    /// Fraction of all examples whose class was predicted, in percent; 0 without examples.
    pub fn accuracy(&self) -> f64 {
        let correct: u32 = (0..self.classes).map(|class| self.row(class)[class]).sum();
        let all: u32 = self.counts.iter().sum();
        100.0 * f64::from(correct) / f64::from(all.max(1))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The example in the documentation of scikit-learn's `confusion_matrix`.
    #[test]
    fn rows_are_labels_and_columns_predictions() {
        let labels = [2, 0, 2, 2, 0, 1];
        let predictions = [0, 0, 2, 2, 0, 2];
        let confusion = Confusion::new(&labels, &predictions, 3).unwrap();
        assert_eq!(confusion.counts(), [2, 0, 0, 0, 0, 1, 1, 0, 2]);
        let recalls: Vec<Option<f64>> = (0..4).map(|class| confusion.recall(class)).collect();
        assert_eq!(recalls, [Some(100.0), Some(0.0), Some(200.0 / 3.0), None]);
        assert!((confusion.accuracy() - 400.0 / 6.0).abs() < 1e-12);
    }

    #[test]
    fn a_class_without_examples_has_no_recall() {
        let confusion = Confusion::new(&[0], &[1], 2).unwrap();
        assert_eq!(
            (confusion.recall(0), confusion.recall(1)),
            (Some(0.0), None)
        );
        assert_eq!(Confusion::new(&[], &[], 2).unwrap().accuracy(), 0.0);
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let error = Confusion::new(&[0, 1], &[0], 2).unwrap_err();
        assert_eq!(error.to_string(), "2 labels do not belong to 1 predictions");
        for (labels, predictions) in [([0, 3], [0, 0]), ([0, 0], [0, 3])] {
            let error = Confusion::new(&labels, &predictions, 3).unwrap_err();
            let class = ConfusionError::Class {
                index: 1,
                class: 3,
                classes: 3,
            };
            assert_eq!(error, class);
        }
    }
}
