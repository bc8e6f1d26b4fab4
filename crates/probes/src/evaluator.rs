//! The seam where evaluations of a representation plug in.

use crate::features::{Features, ProbeError};
use crate::metric::Metrics;

/// An evaluation of frozen features: learned from those of labelled training images, measured on test images.
///
/// # How to add one
///
/// An evaluation of pooled features, kNN with another number of neighbours for example, is a file of this crate: the
/// [`Metric`](crate::Metric)s that it reports and a type that implements this trait. A variant of
/// [`EvaluatorKind`](crate::EvaluatorKind) gives it the name by which recipes choose it in `probe.evaluators`. Event log,
/// TensorBoard, tables and page write its metrics without a change.
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
