//! Weight files: names and formats of parameters.
//!
//! A weight file of this project is safetensors with PyTorch's names and shapes; its metadata holds the recipe of the
//! run, which describes the network. [`Import`] reads and [`Export`] writes the files of other tools. [`collect`], [`load`]
//! and [`copy`] work on any module of Burn.

mod dtype;
mod error;
mod export;
mod file;
mod import;
mod layout;
mod names;
mod network;
mod norms;
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
pub use names::{ONLINE, TARGET, to_detectron2};
pub use network::{LoadReport, collect, copy, fill, load, load_as};
pub use norms::{LayerNorm, layer_norms};
pub use rescale::{Anchor, RescaleReport, Scope, norm_rescale};
pub use structure::Structure;
