//! Proposals of the region proposal network.

use thiserror::Error;

use crate::nms::nms_by_group;
use crate::rank::highest;
use crate::{Corners, Size, clip, has_area};

/// How many boxes are kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ProposalOptions {
    /// The image without padding.
    pub image: Size,
    /// Boxes of a level that go into NMS.
    pub pre_nms: usize,
    /// Boxes of all levels that are kept.
    pub post_nms: usize,
    /// IoU of NMS.
    pub threshold: f32,
}

/// A proposal.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Proposal {
    /// Where it is.
    pub corners: Corners,
    /// Its objectness.
    pub logit: f32,
}

/// A box or a logit that is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "a box or a logit of the region proposal network is NaN or infinite: training has diverged"
)]
pub struct NotFinite;

/// The boxes of one image that go into NMS, level by level, in a level by objectness.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Candidates {
    /// Within the image.
    pub boxes: Vec<Corners>,
    /// Objectness.
    pub logits: Vec<f32>,
    /// The level of each.
    pub levels: Vec<usize>,
    /// The place of each among the boxes of its level: its anchor's.
    pub places: Vec<usize>,
}

impl Candidates {
    /// Of each level the best `pre_nms`, clipped to the image, without those that have no area. `levels` holds boxes and
    /// logits of each level.
    ///
    /// # Errors
    /// With `strict`, in training, when a chosen box or logit is not finite; else such boxes are left out.
    pub fn of(
        levels: &[(&[Corners], &[f32])],
        options: &ProposalOptions,
        strict: bool,
    ) -> Result<Self, NotFinite> {
        let mut found = Self::default();
        for (level, (level_boxes, level_logits)) in levels.iter().enumerate() {
            for place in highest(level_logits, options.pre_nms) {
                let (corners, logit) = (level_boxes[place], level_logits[place]);
                if !logit.is_finite() || corners.iter().any(|value| !value.is_finite()) {
                    match strict {
                        true => return Err(NotFinite),
                        false => continue,
                    }
                }
                let corners = clip(corners, options.image);
                if has_area(corners) {
                    found.boxes.push(corners);
                    found.logits.push(logit);
                    found.levels.push(level);
                    found.places.push(place);
                }
            }
        }
        Ok(found)
    }

    /// NMS by level: the places of the best `post_nms` of all that are left, best first.
    pub fn kept(&self, options: &ProposalOptions) -> Vec<usize> {
        let (threshold, most) = (options.threshold, options.post_nms);
        nms_by_group(&self.boxes, &self.logits, &self.levels, threshold, most)
    }

    /// The candidate at a place as a proposal.
    pub fn proposal(&self, place: usize) -> Proposal {
        Proposal {
            corners: self.boxes[place],
            logit: self.logits[place],
        }
    }
}

/// The best boxes of all levels of one image, by objectness: those of its [`Candidates`] that NMS leaves.
///
/// # Errors
/// As [`Candidates::of`].
pub fn proposals(
    levels: &[(&[Corners], &[f32])],
    options: &ProposalOptions,
    strict: bool,
) -> Result<Vec<Proposal>, NotFinite> {
    let candidates = Candidates::of(levels, options, strict)?;
    let kept = candidates.kept(options).into_iter();
    Ok(kept.map(|place| candidates.proposal(place)).collect())
}
