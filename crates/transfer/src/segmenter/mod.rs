//! Semantic segmentation with DeepLabV3 (methods.md 7.9).

mod aspp;
mod deeplab;
mod labelled;

pub use aspp::Aspp;
pub use deeplab::{SegmentationHead, Segmenter, SegmenterPass, SegmenterPlan};
pub use labelled::{IGNORE, Labelled};
