//! What can go wrong in a run.

use parallax_data::DataError;
use parallax_probes::ProbeError;
use parallax_weights::WeightsError;

/// A recipe that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// No TOML, an unknown key, a wrong type.
    #[error("{}", .0.to_string().trim_end())]
    Toml(toml::de::Error),
    /// An override without a section, a key or a value.
    #[error("'{0}' is no override; write section.key=value, for example optimizer.base_lr=0.06")]
    Override(String),
    /// A value that makes no sense.
    #[error("{key} {reason}")]
    Value {
        /// Section and key.
        key: String,
        /// What it must be.
        reason: String,
    },
    /// A value that TOML cannot hold.
    #[error("the recipe cannot be written: {0}")]
    Write(String),
}

/// A run that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// An example.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A view that could not be made.
    #[error("view of example {index}: {reason}")]
    View {
        /// Index in the source.
        index: u32,
        /// What is wrong.
        reason: String,
    },
    /// Weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// A probe.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// Fewer examples than a batch.
    #[error(
        "{examples} pictures are fewer than one batch of {batch}; \
         add pictures or lower the batch: --set run.batch_size={examples}"
    )]
    TooFew {
        /// How many there are.
        examples: usize,
        /// How many a step takes.
        batch: usize,
    },
    /// A loss that is no number. The step was not taken.
    #[error(
        "the loss became {loss} at step {step} (epoch {epoch:.2}, learning rate {lr:.3e}): training diverged; \
         {}. Start again with a lower optimizer.base_lr or a longer schedule.warmup_epochs",
        if *.whole { "the state before that step is whole" } else {
            "the weights are not finite any more, so only older checkpoints are of use"
        }
    )]
    Diverged {
        /// 1-based.
        step: u64,
        /// Passes over the data.
        epoch: f64,
        /// NaN or infinity.
        loss: f64,
        /// Learning rate that the step would have had.
        lr: f64,
        /// Whether the weights before the step are finite, so that the run can be saved.
        whole: bool,
    },
    /// A gradient that f16 cannot hold, whatever the loss is multiplied by. The step was not taken.
    #[error(
        "the gradients of step {step} (epoch {epoch:.2}, loss {loss:.4}) are not finite in {precision}, with any loss \
         scale; the state before that step is whole. Go on with --set run.precision=f32, or start again with a lower \
         optimizer.base_lr"
    )]
    Overflow {
        /// 1-based.
        step: u64,
        /// Passes over the data.
        epoch: f64,
        /// Finite.
        loss: f64,
        /// Of the run.
        precision: &'static str,
    },
    /// A checkpoint that is not whole or not of this run.
    #[error("{file}: {reason}")]
    Checkpoint {
        /// Name of the file.
        file: String,
        /// What is wrong.
        reason: String,
    },
    /// The device refused work.
    #[error("the device failed: {0}")]
    Device(String),
}
