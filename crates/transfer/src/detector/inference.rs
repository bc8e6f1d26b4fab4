//! Detections of an image (methods.md 7.3).

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor};
use parallax_boxes::{Corners, Detection, Size, paste};
use parallax_kernels::Roi;
use parallax_nets::Mode;
use parallax_train::read;
use parallax_views::Image;

use crate::detector::examined::Examined;
use crate::detector::heads::Maps;
use crate::detector::host::{self, HostOutput};
use crate::detector::pass::sizes_of;
use crate::detector::regions::rois;
use crate::detector::{Detector, DetectorPlan};
use crate::error::TransferError;
use crate::images::Images;

/// A pixel is in a mask from this probability on.
const MASK: f32 = 0.5;
/// Regions that go through the second stage at once, so that memory does not grow with their number.
const CHUNK: usize = 128;

/// An object in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Box, class and score.
    pub detection: Detection,
    /// Where the detector has masks: 1 inside and 0 outside, row by row, of the size of the result.
    pub mask: Option<Vec<u8>>,
}

impl Detector {
    /// The objects in an image, by descending score, with boxes and masks for an image of the size `output`. `self` is a
    /// detector without graph.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn detect(
        &mut self,
        plan: &DetectorPlan,
        image: &Image,
        output: Size,
        device: &Device,
    ) -> Result<Vec<Found>, TransferError> {
        let examined = self.examine(plan, image, device).await?;
        let found = examined.detections(output);
        let maps = examined.maps();
        let mut masks = self.masks(&maps, &found, output, device).await?.into_iter();
        let found = found.into_iter().map(|detection| Found {
            detection,
            mask: masks.next(),
        });
        Ok(found.collect())
    }

    /// Both stages, up to what detections are chosen from. `self` is a detector without graph.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn examine(
        &mut self,
        plan: &DetectorPlan,
        image: &Image,
        device: &Device,
    ) -> Result<Examined, TransferError> {
        let DetectorPlan {
            recipe, section, ..
        } = plan;
        let images = Images::of(&[image], plan.multiple(), device);
        let size = [image.height, image.width];
        let maps = self.backbone.forward(images.values, Mode::Eval);
        let rpn = self.proposal_generator.forward(&maps);
        let anchors = plan.anchors.of(&sizes_of(&maps));
        let options = host::options(size, [section.pre_nms[1], section.post_nms[1]]);
        let host = HostOutput::read(&rpn).await?;
        let candidates = host.candidates(0, &anchors, &options, false)?;
        let proposals = candidates.kept(&options);
        let mut examined = Examined {
            plan: plan.clone(),
            size,
            maps,
            anchors,
            candidates,
            proposals,
            logits: Vec::new(),
            deltas: Vec::new(),
        };
        let corners = examined.corners();
        let (mut logits, mut deltas) = (Vec::new(), Vec::new());
        for chunk in corners.chunks(CHUNK) {
            let rois: Vec<Roi> = rois(0, chunk).collect();
            let boxes = self.roi_heads.boxes(&examined.maps(), &rois, Mode::Eval);
            let found = Tensor::cat(vec![boxes.logits, boxes.deltas], 1);
            let width = found.dims()[1];
            let values = in_order(&read(found).await?, &boxes.order);
            for row in values.chunks_exact(width) {
                let (row_logits, row_deltas) = row.split_at(recipe.model.classes + 1);
                logits.extend_from_slice(row_logits);
                deltas.extend_from_slice(row_deltas);
            }
        }
        examined.logits = logits;
        examined.deltas = deltas;
        Ok(examined)
    }

    /// The masks of detections, pasted into the result; none without a mask head.
    async fn masks(
        &mut self,
        maps: &Maps<'_>,
        found: &[Detection],
        output: Size,
        device: &Device,
    ) -> Result<Vec<Vec<u8>>, TransferError> {
        let mut masks = Vec::new();
        for chunk in found.chunks(CHUNK) {
            let corners: Vec<Corners> = chunk.iter().map(|detection| detection.pooled).collect();
            let rois: Vec<Roi> = rois(0, &corners).collect();
            let Some((x, order)) = self.roi_heads.mask_features(maps, &rois, None, Mode::Eval)
            else {
                return Ok(Vec::new());
            };
            let Some(head) = self.roi_heads.mask_head() else {
                return Ok(Vec::new());
            };
            let classes: Vec<usize> = order.iter().map(|&at| chunk[at].class).collect();
            let logits = head.class_logits(x, &classes, device);
            let [_, side, _] = logits.dims();
            let values = read(sigmoid(logits)).await?;
            let values = in_order(&values, &order);
            let pasted = values.chunks_exact(side * side).zip(chunk);
            masks
                .extend(pasted.map(|(mask, found)| paste(mask, side, found.corners, output, MASK)));
        }
        Ok(masks)
    }
}

/// Rows of equal length back in the order of the regions: row r belongs to region `order[r]`.
pub fn in_order<T: Copy + Default>(values: &[T], order: &[usize]) -> Vec<T> {
    let width = values.len() / order.len().max(1);
    let mut rows = vec![T::default(); values.len()];
    for (row, &at) in values.chunks_exact(width.max(1)).zip(order) {
        rows[at * width..][..width].copy_from_slice(row);
    }
    rows
}
