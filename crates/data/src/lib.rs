//! What an example is: sources, order, class subsets.
//!
//! Nothing here opens a file: callers hand in bytes. A [`Source`] is a set of labelled images, [`Order`] says which
//! one comes at which position of a run, [`Subset`] is a part of a source, [`sample`] is the small data set that is
//! always there.

pub mod decode;
mod error;
mod holdout;
mod jpeg;
pub mod order;
pub mod sample;
pub mod source;
pub mod sprite;
pub mod subset;

pub use decode::decode;
pub use error::DataError;
pub use holdout::hold_out;
pub use order::{Order, Visit};
pub use source::{Memory, Source};
pub use subset::{Subset, chosen_classes};
