//! Errors of evaluations.

use parallax_data::DataError;
use parallax_probes::ProbeError;
use parallax_train::RunError;
use parallax_weights::WeightsError;

/// Why an evaluation cannot start or continue.
#[derive(Debug, thiserror::Error)]
pub enum EvalError {
    /// A setting out of range.
    #[error("--{key} {reason}")]
    Value {
        /// The setting.
        key: &'static str,
        /// What it must be.
        reason: String,
    },
    /// Fewer training images than a batch.
    #[error(
        "{examples} training images are fewer than one batch of {batch}; \
         add images, or lower the batch: --batch-size {examples}"
    )]
    TooFew {
        /// How many there are.
        examples: usize,
        /// How many a step takes.
        batch: usize,
    },
    /// The same in a pre-training run.
    #[error(
        "{examples} training images are fewer than one batch of the linear evaluation, {batch}; \
         lower it: --set probe.linear_eval.batch_size={examples}"
    )]
    ProbeTooFew {
        /// How many there are.
        examples: usize,
        /// How many a step takes.
        batch: usize,
    },
    /// Features that do not belong to the evaluation.
    #[error("the features {0}")]
    Features(String),
    /// A NaN or infinite loss. The step was not taken.
    #[error(
        "the loss became {loss} at step {step} (learning rate {lr:.3e}): training diverged. \
         Start again with a lower --base-lr"
    )]
    Diverged {
        /// 1-based.
        step: u64,
        /// NaN or infinity.
        loss: f64,
        /// Learning rate that the step would have had.
        lr: f64,
    },
    /// A checkpoint that cannot be read.
    #[error("{file}: {reason}")]
    Checkpoint {
        /// Name of the file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// An example.
    #[error(transparent)]
    Data(#[from] DataError),
    /// Features.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The network, its device or its checkpoints.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl EvalError {
    /// Whether what was asked for is wrong, rather than that something failed.
    pub fn is_usage(&self) -> bool {
        matches!(
            self,
            Self::Value { .. }
                | Self::TooFew { .. }
                | Self::ProbeTooFew { .. }
                | Self::Run(RunError::Recipe(_) | RunError::TooLarge { .. })
        )
    }
}

/// The error of a file.
pub(crate) fn broken(file: &str, reason: impl ToString) -> EvalError {
    EvalError::Checkpoint {
        file: file.to_string(),
        reason: reason.to_string(),
    }
}
