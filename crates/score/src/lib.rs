//! Scores of detection and segmentation, equal to the tools that define them.
//!
//! [`voc`]: AP of PASCAL VOC 2007. [`coco`]: AP and AR of COCO, for boxes and masks. [`cityscapes`]: IoU of classes and
//! categories. [`Rle`] is a mask as run lengths; [`polygon`] turns polygons into one.

pub mod cityscapes;
pub mod coco;
mod error;
pub mod polygon;
mod rle;
pub mod voc;

pub use error::ScoreError;
pub use rle::{Rle, mask};

/// The mean, `None` of nothing.
fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values
        .into_iter()
        .fold((0.0, 0usize), |(sum, count), value| {
            (sum + value, count + 1)
        });
    (count > 0).then(|| sum / count as f64)
}
