//! Top-1, top-5 and per-class accuracy of a linear classifier on features.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_probes::Features;
use parallax_train::Classifier;

use crate::error::EvalError;

/// Scores a block holds at most: bounds the memory of the logits.
const BLOCK: usize = 4 << 20;

/// Accuracies in percent.
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    /// Examples whose class has the highest score.
    pub top1: f64,
    /// Examples whose class is among the five with the highest scores.
    pub top5: f64,
    /// Top-1 accuracy of the examples of each class; `None` where there are none.
    pub per_class: Vec<Option<f64>>,
    /// Examples of each class (rows) by the class with the highest score; empty with more than 100 classes.
    pub confusion: Vec<Vec<u32>>,
}

/// The most classes of which a confusion matrix is counted: of more it is neither read nor drawn.
const CONFUSED: usize = 100;

/// How many examples of each class there are, and how often its score was the highest or among the five highest.
#[derive(Clone, Copy, Default)]
struct Count {
    examples: usize,
    first: usize,
    five: usize,
}

/// Scores a classifier on features. Of equal scores the lower class comes first, as in PyTorch's `argmax`.
///
/// # Errors
/// When there are no features, they are of another width than the classifier's, a label is no class, or the device fails.
pub async fn score(
    classifier: &Classifier,
    features: &Features,
    device: &Device,
) -> Result<Scores, EvalError> {
    let [classes, width] = classifier.weight.dims();
    check(features, width, classes)?;
    let mut counts = vec![Count::default(); classes];
    let confused = if classes > CONFUSED { 0 } else { classes };
    let mut confusion = vec![vec![0; confused]; confused];
    let block = (BLOCK / classes.max(width)).max(1);
    let rows = features.values().chunks(block * width);
    for (values, labels) in rows.zip(features.labels().chunks(block)) {
        let data = TensorData::new(values.to_vec(), [labels.len(), width]);
        let logits = classifier.logits(Tensor::from_data(data, device));
        let data = logits.into_data_async().await;
        let data = data.map_err(|error| parallax_train::RunError::Device(format!("{error:?}")))?;
        let logits: Vec<f32> = data.iter::<f32>().collect();
        for (logits, &label) in logits.chunks_exact(classes).zip(labels) {
            let rank = rank(logits, label as usize);
            let count = &mut counts[label as usize];
            count.examples += 1;
            count.first += usize::from(rank == 0);
            count.five += usize::from(rank < 5);
            if let Some(row) = confusion.get_mut(label as usize) {
                row[highest(logits)] += 1;
            }
        }
    }
    let percent = |hits: usize, of: usize| 100.0 * hits as f64 / of as f64;
    let all = features.rows();
    Ok(Scores {
        top1: percent(counts.iter().map(|count| count.first).sum(), all),
        top5: percent(counts.iter().map(|count| count.five).sum(), all),
        per_class: counts
            .iter()
            .map(|count| (count.examples > 0).then(|| percent(count.first, count.examples)))
            .collect(),
        confusion,
    })
}

/// The class with the highest score, the lowest of equal ones.
fn highest(logits: &[f32]) -> usize {
    let higher = |best: usize, class: usize| match logits[class] > logits[best] {
        true => class,
        false => best,
    };
    (1..logits.len()).fold(0, higher)
}

/// Refuses features that a classifier cannot take.
pub(crate) fn check(features: &Features, width: usize, classes: usize) -> Result<(), EvalError> {
    if features.rows() == 0 {
        return Err(EvalError::Features("are of no images".to_string()));
    }
    if features.columns() != width {
        let found = features.columns();
        let reason = format!("have {found} columns, the classifier takes {width}");
        return Err(EvalError::Features(reason));
    }
    let strange = |label: &&u32| **label as usize >= classes;
    if let Some(label) = features.labels().iter().find(strange) {
        let reason = format!("have the label {label}, there are {classes} classes");
        return Err(EvalError::Features(reason));
    }
    Ok(())
}

/// Number of classes whose score is above the label's, or equal and of a lower class. A score that is not a number is
/// above all.
fn rank(logits: &[f32], label: usize) -> usize {
    let own = logits[label];
    let before = |(class, &score): (usize, &f32)| {
        let above = score > own || score.is_nan() || own.is_nan();
        class != label && (above || (score == own && class < label))
    };
    logits
        .iter()
        .copied()
        .enumerate()
        .filter(|&(class, score)| before((class, &score)))
        .count()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use parallax_train::Sgd;

    use super::*;

    #[test]
    fn ranks_follow_argmax() {
        assert_eq!(rank(&[1.0, 3.0, 2.0], 1), 0);
        assert_eq!(rank(&[1.0, 3.0, 2.0], 0), 2);
        assert_eq!((rank(&[2.0, 2.0], 0), rank(&[2.0, 2.0], 1)), (0, 1));
        assert_eq!(
            (rank(&[f32::NAN, 2.0], 0), rank(&[f32::NAN, 2.0], 1)),
            (1, 1)
        );
    }

    #[test]
    fn accuracies_are_counted_by_class() {
        let device = Device::flex();
        let mut classifier = Classifier::new(7, 7, Sgd::CLASSIFIER, 0, &device);
        classifier.weight = Tensor::eye(7, &device);
        classifier.bias = Tensor::zeros([7], &device);
        // The scores are the features: class 6 is right once, and once behind all others; class 2 is third.
        let values = [
            [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0],
            [6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 0.0],
            [9.0, 8.0, 7.0, 0.0, 0.0, 0.0, 0.0],
        ];
        let features = Features::new(values.concat(), vec![6, 6, 2], 7).unwrap();
        let scores = pollster::block_on(score(&classifier, &features, &device)).unwrap();
        assert!((scores.top1 - 100.0 / 3.0).abs() < 1e-9);
        assert!((scores.top5 - 200.0 / 3.0).abs() < 1e-9);
        let mut per_class = vec![None; 7];
        (per_class[6], per_class[2]) = (Some(50.0), Some(0.0));
        assert_eq!(scores.per_class, per_class);
        let taken = |label: usize, class: usize| scores.confusion[label][class];
        assert_eq!((taken(6, 6), taken(6, 0), taken(2, 0)), (1, 1, 1));
        let all: u32 = scores.confusion.iter().flatten().sum();
        assert_eq!(all, 3);
        let strange = Features::new(vec![0.0; 7], vec![7], 7).unwrap();
        let error = pollster::block_on(score(&classifier, &strange, &device)).unwrap_err();
        assert!(error.to_string().contains("label 7"), "{error}");
    }
}
