//! The evaluations of a run so far.

use parallax_probes::Metrics;
use serde::{Deserialize, Serialize};

use crate::error::{EvalError, broken};
use crate::metrics::{BEST_TOP1, TOP1, TOP5};
use crate::score::Scores;

/// The evaluations so far in a checkpoint.
pub const HISTORY_FILE: &str = "history.json";

/// One evaluation. Accuracies are in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Steps taken.
    pub step: u64,
    /// Passes over the training images.
    pub epoch: f64,
    /// Top-1 accuracy on the test images.
    pub top1: f64,
    /// Top-5 accuracy on the test images.
    pub top5: f64,
}

/// Evaluations in the order of their steps.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct History {
    /// At most one a step.
    pub points: Vec<Point>,
}

impl History {
    /// Adds an evaluation; one of the same step is replaced.
    pub fn push(&mut self, step: u64, epoch: f64, scores: &Scores) {
        let (top1, top5) = (scores.top1, scores.top5);
        self.points.retain(|point| point.step < step);
        self.points.push(Point {
            step,
            epoch,
            top1,
            top5,
        });
    }

    /// The evaluation with the highest top-1 accuracy; the first of several.
    pub fn best(&self) -> Option<&Point> {
        let points = self.points.iter().rev();
        points.max_by(|a, b| a.top1.total_cmp(&b.top1))
    }

    /// As [`HISTORY_FILE`].
    ///
    /// # Errors
    /// When an accuracy is not finite.
    pub fn to_bytes(&self) -> Result<Vec<u8>, EvalError> {
        serde_json::to_vec(self).map_err(|error| broken(HISTORY_FILE, error))
    }

    /// From [`HISTORY_FILE`].
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, EvalError> {
        serde_json::from_slice(bytes).map_err(|error| broken(HISTORY_FILE, error))
    }

    /// Those of the last evaluation, and the best top-1 accuracy.
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new();
        if let (Some(last), Some(best)) = (self.points.last(), self.best()) {
            metrics.push(&TOP1, last.top1);
            metrics.push(&TOP5, last.top5);
            metrics.push(&BEST_TOP1, best.top1);
        }
        metrics
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_the_best_is_the_best() {
        let mut history = History::default();
        for (step, top1) in [(1, 10.0), (2, 30.0), (3, 30.0), (4, 20.0), (4, 25.0)] {
            let scores = Scores {
                top1,
                top5: 50.0,
                per_class: vec![],
                confusion: vec![],
            };
            history.push(step, step as f64, &scores);
        }
        assert_eq!(history.points.len(), 4);
        assert_eq!(history.best().map(|best| best.step), Some(2));
        assert_eq!(history.metrics().get(&TOP1), Some(25.0));
        assert_eq!(history.metrics().get(&BEST_TOP1), Some(30.0));
    }
}
