//! An image on its way to detections.

use burn::tensor::Tensor;
use parallax_boxes::{
    Candidates, Corners, Detection, DetectionOptions, ScoredBoxes, Size, detections, softmax,
    suppressors,
};
use parallax_kernels::{RoiAxis, roi_align};
use parallax_train::read;

use crate::detector::DetectorPlan;
use crate::detector::heads::{BOX_SIDE, C4_SIDE, Maps};
use crate::detector::host::PROPOSAL_NMS;
use crate::detector::region_losses::BOX_CODE;
use crate::detector::regions::rois;
use crate::error::TransferError;
use crate::recipe::HeadKind;

/// IoU of the NMS of a class.
pub const CLASS_NMS: f32 = 0.5;

/// What both stages of a detector compute for an image, up to the boxes that detections are chosen from.
pub struct Examined {
    pub(crate) plan: DetectorPlan,
    /// Height and width of the image as the network saw it, without padding.
    pub size: Size,
    /// Feature maps `[1, height, width, channels]`, the finest first.
    pub(crate) maps: Vec<Tensor<4>>,
    /// Of each level.
    pub(crate) anchors: Vec<Vec<Corners>>,
    /// The boxes that go into the proposals' NMS.
    pub candidates: Candidates,
    /// The places of those that it leaves, the proposals, best first.
    pub proposals: Vec<usize>,
    /// Of each proposal the classes' values, the background last.
    pub(crate) logits: Vec<f32>,
    /// Of each proposal four values a class.
    pub(crate) deltas: Vec<f32>,
}

/// A proposal under RoIAlign.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// Where its columns and rows are sampled, in pixels of the network's image.
    pub axes: [RoiAxis; 2],
    /// Pixels of the image between neighbours of the feature map.
    pub stride: u32,
    /// Height and width of the result.
    pub side: usize,
    /// The result, row by row, the channels of a bin in a row.
    pub values: Vec<f32>,
}

impl Examined {
    /// Where the proposals are.
    pub(crate) fn corners(&self) -> Vec<Corners> {
        let places = self.proposals.iter();
        places.map(|&place| self.candidates.boxes[place]).collect()
    }

    /// The maps that regions are pooled from.
    pub(crate) fn maps(&self) -> Maps<'_> {
        self.plan.pooled(&self.maps)
    }

    /// The number of anchors.
    pub fn anchors(&self) -> usize {
        self.anchors.iter().map(Vec::len).sum()
    }

    /// The anchor that a candidate was predicted from.
    pub fn anchor(&self, candidate: usize) -> Corners {
        let Candidates { levels, places, .. } = &self.candidates;
        self.anchors[levels[candidate]][places[candidate]]
    }

    /// For each candidate the one that suppresses it in the proposals' NMS; none for those that survive.
    pub fn suppressed_candidates(&self) -> Vec<Option<usize>> {
        let Candidates {
            boxes,
            logits,
            levels,
            ..
        } = &self.candidates;
        suppressors(boxes, logits, levels, PROPOSAL_NMS)
    }

    /// For each box of a class the one that suppresses it in the NMS by class; none for those that survive.
    pub fn suppressed_boxes(&self, scored: &ScoredBoxes) -> Vec<Option<usize>> {
        suppressors(&scored.boxes, &scored.scores, &scored.classes, CLASS_NMS)
    }

    fn options(&self, output: Size) -> DetectionOptions {
        let section = &self.plan.section;
        DetectionOptions {
            image: self.size,
            output,
            score: section.score_threshold,
            nms: CLASS_NMS,
            top: section.detections,
            weights: BOX_CODE,
        }
    }

    /// Of each proposal the probability of each class, the background last.
    pub fn probabilities(&self) -> Vec<f32> {
        let classes = self.plan.recipe.model.classes + 1;
        self.logits
            .chunks_exact(classes)
            .flat_map(softmax)
            .collect()
    }

    /// The boxes that go into the NMS by class, in pixels of the network's image, and the places of those that become
    /// detections in an image of the size `output`.
    pub fn scored(&self, output: Size) -> (ScoredBoxes, Vec<usize>) {
        let options = self.options(output);
        let scored = ScoredBoxes::of(&self.corners(), &self.logits, &self.deltas, &options);
        let kept = scored.kept(&options);
        (scored, kept)
    }

    /// The detections, by descending score, for an image of the size `output`.
    pub fn detections(&self, output: Size) -> Vec<Detection> {
        let options = self.options(output);
        detections(&self.corners(), &self.logits, &self.deltas, &options)
    }

    /// What the second stage reads of a proposal.
    ///
    /// # Errors
    /// When there is no such proposal, or the device fails.
    pub async fn pooled(&self, proposal: usize) -> Result<Pooled, TransferError> {
        let Some(&place) = self.proposals.get(proposal) else {
            let proposals = self.proposals.len();
            return Err(TransferError::NoProposal {
                proposal,
                proposals,
            });
        };
        let corners = self.candidates.boxes[place];
        let side = match self.plan.section.head {
            HeadKind::C4 => C4_SIDE,
            HeadKind::Fpn => BOX_SIDE,
        };
        let (map, align) = self.maps().of(corners, side);
        let rois: Vec<_> = rois(0, &[corners]).collect();
        Ok(Pooled {
            axes: align.axes(corners),
            stride: (1.0 / align.scale).round() as u32,
            side,
            values: read(roi_align(map, &rois, align)).await?,
        })
    }
}
