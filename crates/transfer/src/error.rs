//! What can go wrong in a transfer run.

use parallax_boxes::NotFinite;
use parallax_train::{RecipeError, RunError};
use parallax_weights::WeightsError;

/// Why a model cannot be built, loaded or trained.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// The recipe.
    #[error(transparent)]
    Recipe(#[from] RecipeError),
    /// The device.
    #[error(transparent)]
    Run(#[from] RunError),
    /// Weights.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The proposal network.
    #[error(transparent)]
    NotFinite(#[from] NotFinite),
    /// An example that does not fit the model.
    #[error("image {image} of the batch: {reason}")]
    Example {
        /// Its place in the batch, from 0.
        image: usize,
        /// What is wrong.
        reason: String,
    },
    /// A proposal that an image does not have.
    #[error("there is no proposal {proposal}: the image has {proposals}")]
    NoProposal {
        /// The one that was asked for, from 0.
        proposal: usize,
        /// How many there are.
        proposals: usize,
    },
    /// Sizes of a segmenter that do not fit together.
    #[error("{0}")]
    Size(String),
    /// A NaN or infinite loss. The step was not taken.
    #[error(
        "{name} became {value} at step {step} (learning rate {rate:.3e}): training diverged. Start again with a lower \
         optimizer.base_lr or a longer schedule.warmup_steps"
    )]
    Diverged {
        /// Which loss.
        name: &'static str,
        /// NaN or infinity.
        value: f64,
        /// 1-based.
        step: u64,
        /// Learning rate that the step would have had.
        rate: f64,
    },
}
