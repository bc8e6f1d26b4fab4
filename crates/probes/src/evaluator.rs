//! The seam where evaluations of a representation plug in.

use serde::{Deserialize, Serialize};

use crate::features::{Features, ProbeError};
use crate::knn::Knn;
use crate::linear::Linear;
use crate::metric::Metrics;

/// An evaluation of frozen features: learned from those of labelled training images, measured on test images.
///
/// # How to add one
///
/// An evaluation of pooled features, kNN with another number of neighbours for example, is a file of this crate: the
/// [`Metric`](crate::Metric)s that it reports, a type that implements this trait, and a variant of [`EvaluatorKind`], by
/// which recipes name it in `probe.evaluators`. Event log, TensorBoard, tables and page write its metrics without a change.
///
/// What needs more than pooled features (linear evaluation on augmented images, detection, segmentation) belongs to a
/// crate that knows networks. It declares its metrics and returns [`Metrics`] in the same way; scores of logits, boxes or
/// masks are functions from those to `Metrics`.
pub trait Evaluator {
    /// Evaluates the features of one encoder.
    ///
    /// # Errors
    /// When one set is empty or the widths differ.
    fn evaluate(&self, train: &Features, test: &Features) -> Result<Metrics, ProbeError>;
}

/// The evaluators that a recipe can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluatorKind {
    /// Weighted nearest neighbours.
    Knn,
    /// Multinomial logistic regression.
    Linear,
}

impl EvaluatorKind {
    /// Every evaluator, in the order of tables.
    pub const ALL: [Self; 2] = [Self::Knn, Self::Linear];

    /// The evaluator with its default values.
    pub fn build(self) -> Box<dyn Evaluator> {
        match self {
            Self::Knn => Box::new(Knn::default()),
            Self::Linear => Box::new(Linear),
        }
    }
}

/// The metrics of several evaluators on the features of one encoder.
///
/// # Errors
/// As [`Evaluator::evaluate`].
pub fn evaluate(
    kinds: &[EvaluatorKind],
    train: &Features,
    test: &Features,
) -> Result<Metrics, ProbeError> {
    let mut metrics = Metrics::new();
    for kind in kinds {
        metrics.extend(kind.build().evaluate(train, test)?);
    }
    Ok(metrics)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn metrics_come_in_the_order_of_the_evaluators() {
        let values: Vec<f32> = (0..40).map(|at| ((at * 7) % 11) as f32).collect();
        let labels = (0..20).map(|row| row % 2).collect();
        let features = Features::new(values, labels, 2).unwrap();
        let keys = |kinds: &[EvaluatorKind]| -> Vec<&str> {
            let metrics = evaluate(kinds, &features, &features).unwrap();
            metrics.iter().map(|(metric, _)| metric.key).collect()
        };
        assert_eq!(keys(&EvaluatorKind::ALL), ["knn", "linear"]);
        assert_eq!(keys(&[EvaluatorKind::Linear]), ["linear"]);
    }
}
