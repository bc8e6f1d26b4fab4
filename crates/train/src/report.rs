//! What a step reports.

use crate::norms::Norms;

/// What one step was like.
#[derive(Clone, Debug, PartialEq)]
pub struct StepReport {
    /// 1-based.
    pub step: u64,
    /// Epochs so far.
    pub epoch: f64,
    /// Loss of the step's batch.
    pub loss: f64,
    /// Learning rate of the step.
    pub lr: f64,
    /// Momentum of the step's EMA update; `None` without a target.
    pub momentum: Option<f64>,
    /// Standard deviation of the L2-normalised embeddings, times the root of their width: 1 evenly spread, 0 collapsed.
    pub embedding_std: f32,
    /// The online classifier on the step's batch, where there is one.
    pub online: Option<OnlineReport>,
    /// Norms, where [`Run::measure_norms`](crate::Run::measure_norms) asked for them.
    pub norms: Option<Norms>,
    /// Loss scale of the backward pass; 1 in f32 and bf16.
    pub loss_scale: f64,
}

/// The online classifier on a step's batch, before it learned from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnlineReport {
    /// Cross-entropy.
    pub loss: f64,
    /// Top-1 accuracy in percent.
    pub accuracy: f32,
}
