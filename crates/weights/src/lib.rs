//! Names and files of parameters.
//!
//! A weight file of this project is safetensors with PyTorch's names and shapes; its metadata carries the recipe of the
//! run, so that a file alone says which network it belongs to. Files of other tools come in through [`Import`] and go
//! out through [`Export`].

mod element;
mod error;
mod export;
mod file;
mod import;
mod layout;
mod names;
mod network;
mod numpy;
mod pickle;
mod rescale;
mod structure;
mod torch;
mod view;

pub use error::WeightsError;
pub use export::{Branch, Export, Names};
pub use file::{NamedTensor, WeightFile};
pub use import::{Import, Packing, Unused};
pub use layout::Layout;
pub use names::{ONLINE, TARGET};
pub use network::{LoadReport, collect, copy, load};
pub use rescale::{Anchor, RescaleReport, Scope, norm_rescale};
pub use structure::Structure;
