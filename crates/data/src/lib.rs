//! Data sets: sources of annotated images, the order of a run, subsets, image decoding.
//!
//! A [`Source`] is a set of images with annotations, [`Order`] the shuffled order in which a run visits them, [`Subset`] a
//! part of a source, [`sample`] the embedded data set. No function opens a file: callers pass bytes.

mod annotation;
pub mod decode;
mod error;
mod holdout;
mod jpeg;
pub mod order;
pub mod sample;
pub mod source;
pub mod sprite;
pub mod subset;

pub use annotation::Annotation;
pub use decode::decode;
pub use error::DataError;
pub use holdout::hold_out;
pub use order::{Order, SampleIndex};
pub use source::{Memory, Source};
pub use subset::{Subset, chosen_classes};
