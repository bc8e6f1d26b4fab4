//! What runs of detection and segmentation share: arguments, recipes, data, training, results.

mod arguments;
pub mod draw;
mod evaluate;
mod kind;
mod metrics;
mod network;
mod precise;
mod recipe;
mod scored;
mod settings;
mod task;
mod train;

pub use arguments::{Evaluated, Shown, Trained};
pub use evaluate::evaluate_given;
pub use kind::{Evaluation, Kind, Stream, Watch};
pub use network::{Network, Weights};
pub use recipe::read as read_recipe;
pub use scored::Scored;
pub use settings::SETTINGS;
pub use train::train;

use parallax_data::DataError;
use parallax_views::{Image, OpError};

/// The error of an image to which operations cannot be applied.
pub fn unfit(name: &str, error: &OpError) -> DataError {
    DataError::Annotation {
        name: name.to_string(),
        reason: error.to_string(),
    }
}

/// A picture for people, with its name.
pub type Picture = (String, Image);
