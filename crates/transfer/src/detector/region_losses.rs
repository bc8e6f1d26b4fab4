//! What the second stage learns from a batch, and its losses.

use burn::tensor::{Device, Tensor};
use parallax_boxes::{Corners, encode, mask_target};
use parallax_kernels::Roi;

use crate::detector::heads::BoxOutput;
use crate::detector::regions::{Regions, rois};
use crate::detector::{DetectorPlan, Example};
use crate::error::TransferError;
use crate::loss::{binary_cross_entropy, cross_entropy, l1, upload};

/// Weights of the second stage's box code.
pub(crate) const BOX_CODE: [f32; 4] = [10.0, 10.0, 5.0, 5.0];

/// What the second stage learns from a batch. Means are taken over each of `groups` parts of it and averaged.
pub(crate) struct RegionBatch<'a> {
    pub examples: &'a [Example],
    pub regions: &'a [Regions],
    pub classes: usize,
    pub groups: usize,
    pub device: &'a Device,
}

impl<'a> RegionBatch<'a> {
    /// The regions of a batch of examples.
    pub fn of(
        plan: &DetectorPlan,
        examples: &'a [Example],
        regions: &'a [Regions],
        device: &'a Device,
    ) -> Self {
        Self {
            examples,
            regions,
            classes: plan.recipe.model.classes,
            groups: plan.recipe.run.devices,
            device,
        }
    }

    pub fn rois<'b>(
        &'b self,
        corners: impl Fn(&'b Regions) -> &'b [Corners],
    ) -> impl Iterator<Item = Roi> {
        let images = self.regions.iter().enumerate();
        images.flat_map(move |(image, regions)| rois(image, corners(regions)))
    }

    /// A value for each row of a tensor whose row r belongs to region `order[r]`.
    pub fn in_order<T: Clone>(&self, order: &[usize], of: impl Fn(&Regions) -> Vec<T>) -> Vec<T> {
        let values: Vec<T> = self.regions.iter().flat_map(of).collect();
        order.iter().map(|&at| values[at].clone()).collect()
    }

    /// The weight of each region in a mean over its group: `count` says how many an image has.
    fn weights(&self, count: fn(&Regions) -> usize) -> Vec<f32> {
        let of_group = self.regions.len() / self.groups;
        let groups = self.regions.chunks(of_group.max(1));
        groups
            .flat_map(|group| {
                let all: usize = group.iter().map(count).sum();
                vec![1.0 / (all * self.groups) as f32; all]
            })
            .collect()
    }

    /// `loss_cls` and `loss_box_reg`: means over all regions.
    pub fn box_losses(&self, boxes: &BoxOutput) -> [Tensor<1>; 2] {
        let (rows, classes) = (boxes.order.len(), self.classes);
        let weights = self.weights(Regions::len);
        let targets = self.in_order(&boxes.order, |regions| regions.classes.clone());
        let corners = self.in_order(&boxes.order, |regions| regions.corners.clone());
        let objects: Vec<Option<Corners>> = {
            let images = self.regions.iter().zip(self.examples);
            let of_image = |(regions, example): (&Regions, &Example)| {
                let object = |at| {
                    regions
                        .objects
                        .get(at)
                        .map(|&object: &usize| example.boxes[object])
                };
                (0..regions.len()).map(object).collect::<Vec<_>>()
            };
            let all: Vec<_> = images.flat_map(of_image).collect();
            boxes.order.iter().map(|&at| all[at]).collect()
        };
        let mut class_weights = vec![0.0; rows * (classes + 1)];
        let mut deltas = vec![0.0; rows * 4 * classes];
        let mut delta_weights = vec![0.0; rows * 4 * classes];
        for row in 0..rows {
            let (class, weight) = (targets[row], weights[boxes.order[row]]);
            class_weights[row * (classes + 1) + class] = weight;
            if let Some(object) = objects[row] {
                let at = 4 * (row * classes + class);
                let code = encode(corners[row], object, BOX_CODE);
                deltas[at..at + 4].copy_from_slice(&code);
                delta_weights[at..at + 4].fill(weight);
            }
        }
        let class_weights = upload(class_weights, [rows, classes + 1], self.device);
        let upload = |values| upload(values, [rows, 4 * classes], self.device);
        [
            cross_entropy(boxes.logits.clone(), class_weights),
            l1(boxes.deltas.clone(), upload(deltas), upload(delta_weights)),
        ]
    }

    /// The rows of the foreground regions of a tensor with a row for each region.
    pub fn foreground_rows(&self, x: Tensor<4>) -> Option<Tensor<4>> {
        let mut rows = Vec::new();
        let mut first = 0;
        for regions in self.regions {
            if regions.foreground() > 0 {
                rows.push(x.clone().narrow(0, first, regions.foreground()));
            }
            first += regions.len();
        }
        (!rows.is_empty()).then(|| Tensor::cat(rows, 0))
    }

    /// The masks of the foreground regions, `side * side` values of 0 or 1 each.
    pub fn mask_targets(&self, order: &[usize], side: usize) -> Result<Vec<u8>, TransferError> {
        let mut masks = Vec::new();
        for (image, (regions, example)) in self.regions.iter().zip(self.examples).enumerate() {
            for (&object, &corners) in regions.objects.iter().zip(&regions.corners) {
                let mask = mask_target(&example.polygons[object], corners, side as u32);
                masks.push(mask.map_err(|reason| TransferError::Example { image, reason })?);
            }
        }
        Ok(order
            .iter()
            .flat_map(|&at| masks[at].iter().copied())
            .collect())
    }

    /// `loss_mask`: the mean over the pixels of the foreground regions.
    pub fn mask_loss(&self, logits: Tensor<3>, targets: &[u8], order: &[usize]) -> Tensor<1> {
        let [rows, height, width] = logits.dims();
        let pixels = height * width;
        let of_region = self.weights(Regions::foreground);
        let weight = |&at: &usize| std::iter::repeat_n(of_region[at] / pixels as f32, pixels);
        let weights: Vec<f32> = order.iter().flat_map(weight).collect();
        let targets = targets.iter().map(|&value| f32::from(value)).collect();
        let upload = |values| upload(values, [rows, height, width], self.device);
        binary_cross_entropy(logits, upload(targets), upload(weights))
    }
}
