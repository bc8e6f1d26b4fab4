//! The classes that a linear classifier predicts.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_probes::Features;
use parallax_train::{Classifier, RunError};

use crate::error::EvalError;
use crate::score::check;

/// The class with the highest score for each example. Of equal scores the lower class wins, as in [`score`](crate::score).
///
/// # Errors
/// When there are no features, they are of another width than the classifier's, a label is no class, or the device fails.
pub async fn predict(
    classifier: &Classifier,
    features: &Features,
    device: &Device,
) -> Result<Vec<u32>, EvalError> {
    let [classes, width] = classifier.weight.dims();
    check(features, width, classes)?;
    let data = TensorData::new(features.values().to_vec(), [features.rows(), width]);
    let logits = classifier.logits(Tensor::from_data(data, device));
    let data = logits.into_data_async().await;
    let data = data.map_err(|error| RunError::Device(format!("{error:?}")))?;
    let logits: Vec<f32> = data.iter::<f32>().collect();
    let best = |scores: &[f32]| {
        let scores = scores.iter().enumerate().rev();
        let best = scores.max_by(|a, b| a.1.total_cmp(b.1));
        best.map_or(0, |(class, _)| class as u32)
    };
    Ok(logits.chunks_exact(classes).map(best).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use parallax_train::Sgd;

    use super::*;
    use crate::score;

    #[test]
    fn predictions_are_those_that_the_score_counts() {
        let device = Device::flex();
        let classifier = Classifier::new(4, 3, Sgd::CLASSIFIER, 7, &device);
        let values: Vec<f32> = (0..160).map(|at| ((at * 37) % 23) as f32 - 11.0).collect();
        let labels = (0..40).map(|row| row % 3).collect();
        let features = Features::new(values, labels, 4).unwrap();
        let predicted = pollster::block_on(predict(&classifier, &features, &device)).unwrap();
        let pairs = predicted.iter().zip(features.labels());
        let correct = pairs.filter(|(a, b)| a == b).count();
        let scores = pollster::block_on(score(&classifier, &features, &device)).unwrap();
        assert!(correct > 0 && correct < 40);
        assert!((scores.top1 - 100.0 * correct as f64 / 40.0).abs() < 1e-9);
    }

    #[test]
    fn the_lower_of_equal_classes_wins() {
        let device = Device::flex();
        let mut classifier = Classifier::new(2, 3, Sgd::CLASSIFIER, 0, &device);
        classifier.weight = Tensor::zeros([3, 2], &device);
        classifier.bias = Tensor::from_data(TensorData::from([0.0f32, 1.0, 1.0]), &device);
        let features = Features::new(vec![0.5; 2], vec![0], 2).unwrap();
        let predicted = pollster::block_on(predict(&classifier, &features, &device)).unwrap();
        assert_eq!(predicted, [1]);
    }
}
