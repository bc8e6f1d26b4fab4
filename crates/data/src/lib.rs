//! Data sets: sources of annotated images, the order of a run, subsets, image decoding.
//!
//! A [`Source`] is a set of images with annotations, [`Order`] the shuffled order in which a run visits them, [`Subset`] a
//! part of a source, [`sample`] the embedded data set. No function opens a file: callers pass bytes.

mod annotation;
pub mod coco;
pub mod decode;
mod error;
mod holdout;
mod jpeg;
mod label_map;
pub mod order;
pub mod sample;
pub mod source;
pub mod sprite;
pub mod subset;
pub mod voc;

pub use annotation::Annotation;
pub use decode::decode;
pub use error::DataError;
pub use holdout::hold_out;
pub use label_map::LabelMap;
pub use order::{Order, SampleIndex};
pub use source::{Memory, Source};
pub use subset::{Subset, chosen_classes};
