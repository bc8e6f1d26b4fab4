//! Transfer of a backbone to detection and segmentation (methods.md 7).
//!
//! [`Detector`] is Faster R-CNN or Mask R-CNN, with the last stage of the backbone as its head (C4) or with a feature pyramid
//! (FPN); [`Segmenter`] is DeepLabV3. A [`TransferRecipe`] describes a run, [`TransferRun`] takes its steps, [`precise_bn`] ends it.
//!
//! Box logic is the CPU's everywhere: a step copies the proposal network's output from the device, and sends back which regions
//! to pool and what they should become. Everything with gradients stays on the device.
//!
//! [`weights`] reads backbones of any layout and whole models of detectron2; tensors have detectron2's names in files.

pub mod detector;
mod error;
mod images;
mod loss;
mod names;
mod precise_bn;
mod recipe;
mod run;
mod sampling;
mod schedule;
pub mod segmenter;
pub mod weights;

pub use detector::{Detector, Example};
pub use error::TransferError;
pub use images::{Images, PIXEL_MEAN, PIXEL_STD};
pub use names::to_detectron2;
pub use precise_bn::PreciseBn;
pub use recipe::{
    AugmentSection, BnKind, CheckpointSection, DetectorSection, HeadKind, ModelSection,
    OptimizerSection, PoolKind, PreciseBnSection, RunSection, ScheduleSection, SegmenterSection,
    TransferRecipe,
};
pub use run::{Loss, Losses, TransferModel, TransferReport, TransferRun};
pub use sampling::Ranking;
pub use schedule::TransferSchedule;
pub use segmenter::{Labelled, Segmenter};
