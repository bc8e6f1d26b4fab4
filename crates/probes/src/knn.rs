//! Weighted nearest neighbours by cosine similarity (Wu et al. 2018, section 3.4).

use crate::evaluator::Evaluator;
use crate::features::{Features, ProbeError, check};
use crate::metric::{Format, Metric, Metrics};

/// Top-1 accuracy of [`Knn`].
pub const KNN: Metric = Metric {
    key: "knn",
    tag: "probe/knn",
    label: "kNN",
    format: Format::Percent(1),
    single: false,
    rank: Some(20),
};

/// Test rows a block: bounds the memory of the similarities.
const BLOCK: usize = 512;

/// Weighted k-nearest-neighbour classifier by cosine similarity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knn {
    /// k, the neighbours that vote: at least 1; all training examples where those are fewer.
    pub neighbours: usize,
    /// tau, above 0: a neighbour of similarity s votes with exp(s / tau).
    pub temperature: f32,
}

impl Default for Knn {
    fn default() -> Self {
        Self {
            neighbours: 20,
            temperature: 0.07,
        }
    }
}

impl Knn {
    /// Top-1 accuracy on `test`, in percent.
    ///
    /// # Errors
    /// When one set is empty or the widths differ.
    pub fn accuracy(&self, train: &Features, test: &Features) -> Result<f64, ProbeError> {
        check(train, test)?;
        let (train, test) = (l2_normalised(train), l2_normalised(test));
        let classes = train.classes();
        let keys = train.tensor().transpose();
        let mut correct = 0;
        for start in (0..test.rows()).step_by(BLOCK) {
            let rows = start..(start + BLOCK).min(test.rows());
            let block = test.select(rows.clone()).tensor().matmul(keys.clone());
            let similarities = block.into_data().try_to_vec::<f32>().unwrap_or_default();
            for (row, similarities) in rows.zip(similarities.chunks_exact(train.rows())) {
                let label = self.vote(similarities, &train.labels, classes);
                correct += usize::from(label == test.labels[row]);
            }
        }
        Ok(100.0 * correct as f64 / test.rows() as f64)
    }

    /// The class with the most votes; the earlier example and the lower class win ties.
    fn vote(&self, similarities: &[f32], labels: &[u32], classes: usize) -> u32 {
        let neighbours = self.neighbours.clamp(1, similarities.len().max(1));
        let mut order: Vec<usize> = (0..similarities.len()).collect();
        let nearer =
            |&a: &usize, &b: &usize| similarities[b].total_cmp(&similarities[a]).then(a.cmp(&b));
        if neighbours < order.len() {
            order.select_nth_unstable_by(neighbours - 1, nearer);
            order.truncate(neighbours);
        }
        order.sort_unstable_by(nearer);
        let mut votes = vec![0.0f64; classes];
        for index in order {
            votes[labels[index] as usize] +=
                f64::from(similarities[index] / self.temperature).exp();
        }
        let best = votes
            .iter()
            .enumerate()
            .rev()
            .max_by(|a, b| a.1.total_cmp(b.1));
        best.map_or(0, |(class, _)| class as u32)
    }
}

impl Evaluator for Knn {
    fn evaluate(&self, train: &Features, test: &Features) -> Result<Metrics, ProbeError> {
        Ok(Metrics::new().with(&KNN, self.accuracy(train, test)?))
    }
}

/// Top-1 accuracy of [`Knn`] with its default values, in percent.
///
/// # Errors
/// When one set is empty or the widths differ.
///
/// ```
/// use parallax_probes::{Features, knn_accuracy};
///
/// let train = Features::new(vec![1.0, 0.0, 0.0, 1.0], vec![0, 1], 2)?; // two rows of two features
/// let test = Features::new(vec![0.9, 0.1], vec![0], 2)?;
/// assert_eq!(knn_accuracy(&train, &test)?, 100.0);
/// # Ok::<(), parallax_probes::ProbeError>(())
/// ```
pub fn knn_accuracy(train: &Features, test: &Features) -> Result<f64, ProbeError> {
    Knn::default().accuracy(train, test)
}

/// Every row divided by its L2 norm.
fn l2_normalised(features: &Features) -> Features {
    let mut features = features.clone();
    for row in features.values.chunks_exact_mut(features.columns) {
        let norm = row
            .iter()
            .map(|v| f64::from(*v).powi(2))
            .sum::<f64>()
            .sqrt()
            .max(1e-12) as f32;
        row.iter_mut().for_each(|value| *value /= norm);
    }
    features
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cloud(rows: usize, noise: f32) -> Features {
        let mut values = Vec::new();
        let labels: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
        for (row, &label) in labels.iter().enumerate() {
            for column in 0..3 {
                let wobble = ((row * 7 + column * 3) % 11) as f32 / 11.0 - 0.5;
                values.push(f32::from(column as u32 == label) + noise * wobble);
            }
        }
        Features::new(values, labels, 3).unwrap()
    }

    #[test]
    fn separate_classes_are_told_apart() {
        assert_eq!(
            knn_accuracy(&cloud(60, 0.2), &cloud(30, 0.3)).unwrap(),
            100.0
        );
    }

    #[test]
    fn one_neighbour_decides_by_itself() {
        // Two near examples of class 1 outvote the nearest, of class 0.
        let angles = [(0.0f32, 0), (0.2, 1), (0.25, 1)];
        let values = angles
            .iter()
            .flat_map(|(angle, _)| [angle.cos(), angle.sin()]);
        let labels = angles.iter().map(|(_, label)| *label).collect();
        let train = Features::new(values.collect(), labels, 2).unwrap();
        let test = Features::new(vec![1.0, 0.0], vec![0], 2).unwrap();
        let knn = |neighbours| Knn {
            neighbours,
            ..Knn::default()
        };
        assert_eq!(knn(1).accuracy(&train, &test).unwrap(), 100.0);
        assert_eq!(knn(3).accuracy(&train, &test).unwrap(), 0.0);
    }

    #[test]
    fn more_neighbours_than_examples_is_no_error() {
        assert_eq!(knn_accuracy(&cloud(3, 0.0), &cloud(6, 0.0)).unwrap(), 100.0);
    }

    #[test]
    fn widths_must_agree() {
        let narrow = Features::new(vec![1.0, 2.0], vec![0, 1], 1).unwrap();
        assert!(matches!(
            knn_accuracy(&cloud(3, 0.0), &narrow),
            Err(ProbeError::Width { .. })
        ));
    }

    #[test]
    fn a_nan_is_refused() {
        assert!(matches!(
            Features::new(vec![f32::NAN], vec![0], 1),
            Err(ProbeError::NotFinite)
        ));
    }
}
