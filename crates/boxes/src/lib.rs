//! The box logic of two-stage detectors (methods.md 7.3), as detectron2 0.6 computes it.
//!
//! Which anchor is positive and which box survives hangs on exact comparisons of f32 values, so the order of operations
//! is part of every rule here; nothing is contracted or computed in another precision.

mod anchors;
mod coding;
mod detections;
mod iou;
mod levels;
mod masks;
mod matcher;
mod nms;
mod proposals;
mod rank;
mod sample;

pub use anchors::{anchors, cell_anchors};
pub use coding::{decode, encode};
pub use detections::{Detection, DetectionOptions, ScoredBoxes, detections, softmax};
pub use iou::{iou, iou_matrix};
pub use levels::{LevelOptions, level};
pub use masks::{mask_target, paste};
pub use matcher::{Match, Matcher};
pub use nms::{nms, nms_by_group, suppressors};
pub use proposals::{Candidates, NotFinite, Proposal, ProposalOptions, proposals};
pub use sample::{Sampled, key_order, sample};

/// x1, y1, x2, y2 in pixels from the image's upper left corner; continuous coordinates, so that a box from 0 to 1 is one
/// pixel wide.
pub type Corners = [f32; 4];

/// Height and width in pixels.
pub type Size = [u32; 2];

/// The box within an image.
pub fn clip(corners: Corners, [height, width]: Size) -> Corners {
    let (width, height) = (width as f32, height as f32);
    let [x1, y1, x2, y2] = corners;
    [
        x1.clamp(0.0, width),
        y1.clamp(0.0, height),
        x2.clamp(0.0, width),
        y2.clamp(0.0, height),
    ]
}

/// Whether both sides are longer than zero.
fn has_area([x1, y1, x2, y2]: Corners) -> bool {
    x2 - x1 > 0.0 && y2 - y1 > 0.0
}
