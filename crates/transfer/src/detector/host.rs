//! What a step copies from the device: the proposal network's output, from which proposals are made.

use burn::tensor::Tensor;
use parallax_boxes::{Candidates, Corners, Proposal, ProposalOptions, Size, decode};
use parallax_train::{RunError, read};

use crate::detector::rpn::{CODE, RpnOutput};
use crate::error::TransferError;

/// IoU of the proposals' NMS.
pub const PROPOSAL_NMS: f32 = 0.7;

/// The proposal network's output in host memory.
pub(crate) struct HostOutput {
    logits: Vec<f32>,
    deltas: Vec<f32>,
    anchors: usize,
}

impl HostOutput {
    pub(crate) async fn read(output: &RpnOutput) -> Result<Self, RunError> {
        let [images, anchors] = output.logits.dims();
        let count = images * anchors;
        let logits = output.logits.clone().without_autodiff().reshape([count]);
        let deltas = output
            .deltas
            .clone()
            .without_autodiff()
            .reshape([4 * count]);
        let mut values = read(Tensor::cat(vec![logits, deltas], 0)).await?;
        let deltas = values.split_off(count);
        Ok(Self {
            logits: values,
            deltas,
            anchors,
        })
    }

    /// The proposals of image number `image`, at most `limits` of a level before NMS and of all after it.
    pub(crate) fn proposals(
        &self,
        image: usize,
        levels: &[Vec<Corners>],
        size: Size,
        limits: [usize; 2],
        strict: bool,
    ) -> Result<Vec<Proposal>, TransferError> {
        let options = options(size, limits);
        let candidates = self.candidates(image, levels, &options, strict)?;
        let kept = candidates.kept(&options).into_iter();
        Ok(kept.map(|place| candidates.proposal(place)).collect())
    }

    /// The boxes of image number `image` that go into the proposals' NMS.
    pub(crate) fn candidates(
        &self,
        image: usize,
        levels: &[Vec<Corners>],
        options: &ProposalOptions,
        strict: bool,
    ) -> Result<Candidates, TransferError> {
        let mut at = image * self.anchors;
        let mut boxes: Vec<(Vec<Corners>, &[f32])> = Vec::with_capacity(levels.len());
        for anchors in levels {
            let deltas = self.deltas[4 * at..].chunks_exact(4);
            let decoded = anchors.iter().zip(deltas).map(|(&anchor, delta)| {
                decode(anchor, [delta[0], delta[1], delta[2], delta[3]], CODE)
            });
            boxes.push((decoded.collect(), &self.logits[at..at + anchors.len()]));
            at += anchors.len();
        }
        let levels: Vec<_> = boxes
            .iter()
            .map(|(boxes, logits)| (&boxes[..], *logits))
            .collect();
        Ok(Candidates::of(&levels, options, strict)?)
    }
}

/// Of an image of `size`, with at most `limits` boxes of a level before NMS and of all after it.
pub(crate) fn options(size: Size, [pre_nms, post_nms]: [usize; 2]) -> ProposalOptions {
    ProposalOptions {
        image: size,
        pre_nms,
        post_nms,
        threshold: PROPOSAL_NMS,
    }
}
