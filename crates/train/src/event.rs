//! The events of a run: one JSON line each in `events.jsonl`.

use parallax_probes::Metrics;
use serde::Serialize;

use crate::evaluate::Row;

/// One event.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A run began or was resumed.
    Start {
        /// Step it begins after; 0 for a new run.
        step: u64,
        /// Steps of the whole run.
        total_steps: u64,
        /// Training examples.
        examples: usize,
        /// Device and adapter.
        device: String,
    },
    /// One optimisation step.
    Step {
        /// 1-based.
        step: u64,
        /// Epochs so far.
        epoch: f64,
        /// Those of [`StepReport::metrics`](crate::StepReport::metrics), and the caller's of speed.
        #[serde(flatten)]
        metrics: Metrics,
    },
    /// An evaluation of the online backbone between steps.
    Probe {
        /// Steps taken.
        step: u64,
        /// Accuracy on held-out images.
        #[serde(flatten)]
        metrics: Metrics,
    },
    /// A whole checkpoint was written.
    Checkpoint {
        /// Steps taken.
        step: u64,
        /// Where, relative to the run's folder.
        path: String,
    },
    /// The run was stopped before its end.
    Stop {
        /// Steps taken.
        step: u64,
    },
    /// The run is over.
    Done {
        /// Steps taken.
        step: u64,
        /// Final comparison.
        table: Vec<Row>,
    },
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use parallax_probes::{EMBEDDING_STD, KNN, LINEAR};

    use super::*;
    use crate::evaluate::Encoder;
    use crate::report::{LOSS, ONLINE_ACCURACY};

    #[test]
    fn metrics_are_keys_of_the_line() {
        let line = |event: &Event| serde_json::to_string(event).unwrap();
        let metrics = Metrics::new()
            .with(&LOSS, 0.1)
            .with(&EMBEDDING_STD, f64::from(0.7f32))
            .with(&ONLINE_ACCURACY, f64::from(12.5f32));
        let step = Event::Step {
            step: 3,
            epoch: 0.5,
            metrics,
        };
        assert_eq!(
            line(&step),
            r#"{"event":"step","step":3,"epoch":0.5,"loss":0.1,"embedding_std":0.7,"online_accuracy":12.5}"#
        );
        let metrics = Metrics::new().with(&KNN, 37.2);
        let probe = Event::Probe { step: 3, metrics };
        assert_eq!(line(&probe), r#"{"event":"probe","step":3,"knn":37.2}"#);
        let row = Row {
            encoder: Encoder::Random,
            metrics: Metrics::new().with(&KNN, 24.0).with(&LINEAR, 31.5),
        };
        let done = Event::Done {
            step: 9,
            table: vec![row],
        };
        assert_eq!(
            line(&done),
            r#"{"event":"done","step":9,"table":[{"encoder":"random","knn":24.0,"linear":31.5}]}"#
        );
    }
}
