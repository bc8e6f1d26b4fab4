//! What a step reports, and its metrics.

use parallax_probes::{EMBEDDING_STD, Format, Metric, Metrics};

use crate::norms::Norms;

/// Loss of the step's batch.
pub const LOSS: Metric = Metric {
    key: "loss",
    tag: "train/loss",
    label: "loss",
    format: Format::Decimals(4),
    single: false,
    rank: Some(0),
};

/// Learning rate of the step.
pub const LR: Metric = Metric {
    key: "lr",
    tag: "train/lr",
    label: "lr",
    format: Format::Scientific(2),
    single: false,
    rank: None,
};

/// Momentum of the target network's EMA update.
pub const TARGET_MOMENTUM: Metric = Metric {
    key: "momentum",
    tag: "train/target_momentum",
    label: "target momentum",
    format: Format::Decimals(4),
    single: false,
    rank: None,
};

/// Cross-entropy of the online classifier on the step's batch.
pub const ONLINE_LOSS: Metric = Metric {
    key: "online_loss",
    tag: "online/loss",
    label: "online loss",
    format: Format::Decimals(4),
    single: false,
    rank: None,
};

/// Top-1 accuracy of the online classifier on the step's batch.
pub const ONLINE_ACCURACY: Metric = Metric {
    key: "online_accuracy",
    tag: "online/accuracy",
    label: "online",
    format: Format::Percent(0),
    single: true,
    rank: Some(30),
};

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

impl StepReport {
    /// The step's metrics by name.
    pub fn metrics(&self) -> Metrics {
        let mut metrics = Metrics::new().with(&LOSS, self.loss).with(&LR, self.lr);
        if let Some(momentum) = self.momentum {
            metrics.push(&TARGET_MOMENTUM, momentum);
        }
        metrics.push(&EMBEDDING_STD, f64::from(self.embedding_std));
        if let Some(online) = self.online {
            metrics.push(&ONLINE_LOSS, online.loss);
            metrics.push(&ONLINE_ACCURACY, f64::from(online.accuracy));
        }
        metrics
    }
}

/// The online classifier on a step's batch, before it learned from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OnlineReport {
    /// Cross-entropy.
    pub loss: f64,
    /// Top-1 accuracy in percent.
    pub accuracy: f32,
}
