//! The evaluators by name.

use parallax_ranks::Ranks;
use serde::{Deserialize, Serialize};

use crate::evaluator::Evaluator;
use crate::features::{Features, ProbeError};
use crate::knn::{KNN, Knn};
use crate::linear::Linear;
use crate::metric::Metrics;

/// The evaluators that a recipe can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EvaluatorKind {
    /// Weighted nearest neighbours.
    Knn,
    /// Multinomial logistic regression.
    Linear,
    /// The paper's linear evaluation, with the settings of `[probe.linear_eval]`. It trains on views of images, so that
    /// callers carry it out (parallax-eval).
    LinearEval,
}

impl EvaluatorKind {
    /// Every evaluator of features, in the order of tables.
    pub const ALL: [Self; 2] = [Self::Knn, Self::Linear];

    /// The evaluator with its default values; none for one that does not evaluate features.
    pub fn build(self) -> Option<Box<dyn Evaluator>> {
        match self {
            Self::Knn => Some(Box::new(Knn::default())),
            Self::Linear => Some(Box::new(Linear)),
            Self::LinearEval => None,
        }
    }
}

/// The metrics of several evaluators on the features of one encoder; those that do not evaluate features are left out.
///
/// # Errors
/// As [`Evaluator::evaluate`].
pub fn evaluate(
    kinds: &[EvaluatorKind],
    train: &Features,
    test: &Features,
) -> Result<Metrics, ProbeError> {
    let mut metrics = Metrics::new();
    for evaluator in kinds.iter().filter_map(|kind| kind.build()) {
        metrics.extend(evaluator.evaluate(train, test)?);
    }
    Ok(metrics)
}

/// [`evaluate`] where every rank has a part of the training features, in rank order, and all of `test`: the same on every rank.
///
/// kNN searches each part on its rank. Other evaluators take all features together.
///
/// # Errors
/// As [`evaluate`], and when another rank has ended.
pub fn evaluate_on(
    kinds: &[EvaluatorKind],
    part: Features,
    test: &Features,
    ranks: Ranks,
) -> Result<Metrics, ProbeError> {
    if ranks.is_one() {
        return evaluate(kinds, &part, test);
    }
    let mut metrics = Metrics::new();
    for &kind in kinds {
        metrics.extend(match kind {
            EvaluatorKind::Knn => {
                let found = Knn::default().accuracies_on(&part, test, ranks)?;
                Metrics::new().with(&KNN, found.top1)
            }
            other => match other.build() {
                Some(evaluator) => evaluator.evaluate(&part.clone().gathered(ranks)?, test)?,
                None => continue,
            },
        });
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
