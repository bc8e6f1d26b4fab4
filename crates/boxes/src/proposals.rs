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

/// The best boxes of all levels of one image, by objectness: of each level the best `pre_nms`, clipped to the image, without
/// those that have no area, NMS by level, the best `post_nms` of all. `levels` holds boxes and logits of each level.
///
/// # Errors
/// With `strict`, in training, when a chosen box or logit is not finite; else such boxes are left out.
pub fn proposals(
    levels: &[(&[Corners], &[f32])],
    options: &ProposalOptions,
    strict: bool,
) -> Result<Vec<Proposal>, NotFinite> {
    let (mut boxes, mut logits, mut groups) = (Vec::new(), Vec::new(), Vec::new());
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
                boxes.push(corners);
                logits.push(logit);
                groups.push(level);
            }
        }
    }
    let kept = nms_by_group(&boxes, &logits, &groups, options.threshold);
    let proposal = |place: usize| Proposal {
        corners: boxes[place],
        logit: logits[place],
    };
    let best = kept.into_iter().take(options.post_nms);
    Ok(best.map(proposal).collect())
}
