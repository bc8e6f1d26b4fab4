//! Data sets: sources of annotated images, the order of a run, subsets, image decoding.
//!
//! A [`Source`] is a set of images with annotations, [`Order`] the shuffled order in which a run visits them, [`Subset`] a
//! part of a source, [`List`] a part of a data set as a text file, [`taxonomy`] groups of classes, [`sample`]
//! the embedded data set. [`DetectionSet`] and [`segmentation`] are for images with objects and label maps, which become
//! [`DetectionExample`] and [`SegmentationExample`]. No function opens a file: callers pass bytes.

mod annotation;
pub mod coco;
pub mod decode;
pub mod detection;
mod error;
mod grouped_order;
mod holdout;
mod jpeg;
mod label_map;
#[cfg(libjpeg)]
mod libjpeg;
pub mod list;
pub mod order;
pub mod parquet;
pub mod sample;
pub mod segmentation;
pub mod source;
pub mod sprite;
mod subsample;
pub mod subset;
pub mod taxonomy;
mod transfer_example;
mod upright;
pub mod voc;
pub mod webdataset;

pub use annotation::Annotation;
pub use decode::decode;
pub use detection::DetectionSet;
pub use error::DataError;
pub use grouped_order::GroupedOrder;
pub use holdout::hold_out;
pub use label_map::LabelMap;
#[cfg(libjpeg)]
pub use libjpeg::encode_jpeg;
pub use list::List;
pub use order::{Order, SampleIndex};
pub use source::{Memory, Source};
pub use subsample::{chosen_classes, chosen_images};
pub use subset::Subset;
pub use transfer_example::{DetectionExample, SegmentationExample};
pub use upright::{decode_upright, upright_dimensions};
