//! Names and files of parameters.
//!
//! A weight file is safetensors with PyTorch's names and shapes; its metadata carries the recipe of the
//! run, so that a file alone says which network it belongs to.

mod error;
mod file;
mod network;

pub use error::WeightsError;
pub use file::{NamedTensor, WeightFile};
pub use network::{LoadReport, collect, copy, load};
