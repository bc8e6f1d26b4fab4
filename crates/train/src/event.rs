//! What a run tells the world: one JSON line each in `events.jsonl`.

use serde::{Deserialize, Serialize};

use crate::evaluate::Row;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
pub enum Event {
    /// A run began or went on.
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
    /// One optimiser step.
    Step {
        /// 1-based.
        step: u64,
        /// Passes over the data so far.
        epoch: f64,
        /// Loss of the step's batch.
        loss: f64,
        /// Learning rate.
        lr: f64,
        /// Target momentum, where there is a target.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        momentum: Option<f64>,
        /// Spread of the embeddings: 1 even, 0 collapsed.
        embedding_std: f32,
        /// Cross-entropy of the online classifier on the step's batch, where there is one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        online_loss: Option<f64>,
        /// Its right answers, percent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        online_accuracy: Option<f32>,
        /// Images a second since the step before.
        images_per_second: f64,
        /// Share of the step's time that was spent waiting for data.
        data_wait: f64,
    },
    /// A kNN probe of the online backbone.
    Probe {
        /// Steps taken.
        step: u64,
        /// Accuracy on held-out images, percent.
        knn: f64,
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
