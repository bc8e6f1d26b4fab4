//! A training pass of a detector: a batch to losses.

use burn::tensor::{Device, Tensor};
use parallax_boxes::{
    Corners, Proposal, ProposalOptions, Size, decode, encode, mask_target, proposals,
};
use parallax_kernels::Roi;
use parallax_nets::Mode;
use parallax_train::RunError;

use crate::detector::heads::{BoxOutput, Maps};
use crate::detector::regions::{Regions, rois};
use crate::detector::rpn::{self, AnchorTargets, CODE, RpnOutput};
use crate::detector::{Detector, DetectorPlan, Example};
use crate::error::TransferError;
use crate::images::Images;
use crate::loss::{binary_cross_entropy, cross_entropy, l1, upload};
use crate::recipe::HeadKind;
use crate::run::{Loss, Losses};
use crate::sampling::Ranking;

/// IoU of the proposals' NMS.
const NMS: f32 = 0.7;
/// Weights of the second stage's box code.
pub(crate) const BOX_CODE: [f32; 4] = [10.0, 10.0, 5.0, 5.0];

/// How a pass is made.
#[derive(Clone, Copy, Debug)]
pub struct PassOptions {
    /// How anchors and proposals are taken.
    pub ranking: Ranking,
    /// Of batch norm.
    pub mode: Mode,
    /// Whether tensors are kept for a dump.
    pub keep: bool,
}

/// A pass of a batch.
pub struct Pass {
    /// The losses, with their graph, and counts.
    pub losses: Losses,
    /// Of the padded maps, level by level.
    pub anchors: Vec<Corners>,
    /// Of each image.
    pub anchor_targets: Vec<AnchorTargets>,
    /// Of each image, without the boxes of its objects.
    pub proposals: Vec<Vec<Proposal>>,
    /// Of each image.
    pub regions: Vec<Regions>,
    /// Where they were asked for.
    pub tensors: Option<PassTensors>,
}

/// The tensors of a pass, without graph.
pub struct PassTensors {
    /// Normalised and padded, `[images, 3, height, width]`.
    pub images: Tensor<4>,
    /// The feature maps, `[images, height, width, channels]`.
    pub maps: Vec<Tensor<4>>,
    /// The proposal network's output.
    pub rpn: RpnOutput,
    /// Of the box branch.
    pub boxes: Option<BoxOutput>,
    /// Logits of all classes, `[foreground, side, side, classes]`, targets of the class, row by row, and the order of the rows.
    pub masks: Option<(Tensor<4>, Vec<u8>, Vec<usize>)>,
}

impl Detector {
    /// The losses of a batch. Running statistics are updated as the mode says, nothing else.
    ///
    /// # Errors
    /// When an example does not fit the model, the proposal network gives values that are not finite, or the device fails.
    pub async fn pass(
        &mut self,
        plan: &DetectorPlan,
        examples: &[Example],
        options: PassOptions,
        device: &Device,
    ) -> Result<Pass, TransferError> {
        let (recipe, section) = plan.parts()?;
        let classes = recipe.model.classes;
        check(examples, classes, section.masks)?;
        let PassOptions {
            ranking,
            mode,
            keep,
        } = options;

        let images: Vec<_> = examples.iter().map(|example| &example.image).collect();
        let images = Images::of(&images, plan.multiple(), device);
        let maps = self.backbone.forward(images.values.clone(), mode);
        let output = self.proposal_generator.forward(&maps);

        let levels = plan.anchors.of(&sizes_of(&maps));
        let anchors = levels.concat();
        let limits = [section.pre_nms[0], section.post_nms[0]];
        let host = HostOutput::read(&output).await?;
        let mut proposed = Vec::with_capacity(examples.len());
        for (image, &size) in images.sizes.iter().enumerate() {
            proposed.push(host.proposals(image, &levels, size, limits, true)?);
        }
        let count = section.rpn_batch;
        let of_image =
            |(image, example)| AnchorTargets::of(example, &anchors, count, (ranking, image));
        let anchor_targets: Vec<_> = examples.iter().enumerate().map(of_image).collect();
        let [rpn_class, rpn_box] = rpn::losses(
            output.clone(),
            &anchors,
            examples,
            &anchor_targets,
            count,
            device,
        );

        let count = section.roi_batch;
        let regions: Vec<Regions> = examples
            .iter()
            .zip(&proposed)
            .enumerate()
            .map(|(image, (example, proposed))| {
                Regions::of(example, proposed, classes, count, (ranking, image))
            })
            .collect();
        let batch = Batch {
            examples,
            regions: &regions,
            classes,
            groups: recipe.run.devices,
            device,
        };
        let strides: Vec<u32> = plan.anchors.strides().collect();
        let features = match section.head {
            HeadKind::C4 => &maps[..],
            // The coarsest map is the proposal network's alone.
            HeadKind::Fpn => &maps[..maps.len() - 1],
        };
        let features = Maps {
            maps: features,
            strides: &strides,
        };
        let all: Vec<Roi> = batch.rois(|regions| &regions.corners).collect();
        let boxes = (!all.is_empty()).then(|| self.roi_heads.boxes(&features, &all, mode));
        let zero = || Tensor::<1>::zeros([1], device);
        let [class, location] = match &boxes {
            Some(boxes) => batch.box_losses(boxes),
            None => [zero(), zero()],
        };
        let mut named = vec![
            ("loss_rpn_cls", rpn_class),
            ("loss_rpn_loc", rpn_box),
            ("loss_cls", class),
            ("loss_box_reg", location),
        ];
        let mut masks = None;
        if section.masks {
            let last = boxes.as_ref().and_then(|boxes| boxes.last.clone());
            let last = last.and_then(|last| batch.foreground_rows(last));
            let rois: Vec<Roi> = batch.rois(Regions::foreground_corners).collect();
            let found = match rois.is_empty() {
                true => None,
                false => self.roi_heads.mask_features(&features, &rois, last, mode),
            };
            let head = self.roi_heads.mask_head();
            let loss = match (found, head) {
                (Some((x, order)), Some(head)) => {
                    let targets = batch.mask_targets(&order, x.dims()[1])?;
                    if keep {
                        let logits = head.logits(x.clone()).inner();
                        masks = Some((logits, targets.clone(), order.clone()));
                    }
                    let chosen: Vec<usize> = batch.in_order(&order, |regions| {
                        regions.classes[..regions.foreground()].to_vec()
                    });
                    let logits = head.class_logits(x, &chosen, device);
                    batch.mask_loss(logits, &targets, &order)
                }
                _ => zero(),
            };
            named.push(("loss_mask", loss));
        }
        let losses = Losses {
            named: named
                .into_iter()
                .map(|(name, value)| Loss { name, value })
                .collect(),
            counts: counts(&anchor_targets, &regions),
            proposals: proposed.iter().map(Vec::len).collect(),
        };
        let tensors = keep.then(|| PassTensors {
            images: images.values,
            maps,
            rpn: output,
            boxes,
            masks,
        });
        Ok(Pass {
            losses,
            anchors,
            anchor_targets,
            proposals: proposed,
            regions,
            tensors,
        })
    }
}

/// Height and width of feature maps.
pub(crate) fn sizes_of(maps: &[Tensor<4>]) -> Vec<[usize; 2]> {
    let size = |map: &Tensor<4>| {
        let [_, height, width, _] = map.dims();
        [height, width]
    };
    maps.iter().map(size).collect()
}

fn counts(anchors: &[AnchorTargets], regions: &[Regions]) -> Vec<(&'static str, usize)> {
    let of_anchors = |count: fn(&AnchorTargets) -> usize| anchors.iter().map(count).sum();
    let foreground: usize = regions.iter().map(Regions::foreground).sum();
    let all: usize = regions.iter().map(Regions::len).sum();
    vec![
        (
            "rpn_pos",
            of_anchors(|targets| targets.sampled.positive.len()),
        ),
        (
            "rpn_neg",
            of_anchors(|targets| targets.sampled.negative.len()),
        ),
        ("roi_fg", foreground),
        ("roi_bg", all - foreground),
    ]
}

/// Refuses examples that do not fit.
fn check(examples: &[Example], classes: usize, masks: bool) -> Result<(), TransferError> {
    for (image, example) in examples.iter().enumerate() {
        let wrong = |reason: String| Err(TransferError::Example { image, reason });
        let objects = example.boxes.len();
        if example.classes.len() != objects {
            return wrong(format!(
                "has {objects} boxes and {} classes",
                example.classes.len()
            ));
        }
        if let Some(class) = example.classes.iter().find(|&&class| class >= classes) {
            return wrong(format!(
                "has class {class}, the model has {classes} classes"
            ));
        }
        if masks && example.polygons.len() != objects {
            let found = example.polygons.len();
            return wrong(format!(
                "has {objects} boxes and polygons of {found} objects"
            ));
        }
        if example
            .boxes
            .iter()
            .flatten()
            .any(|value| !value.is_finite())
        {
            return wrong("has a box that is not finite".to_string());
        }
    }
    Ok(())
}

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
        [pre_nms, post_nms]: [usize; 2],
        strict: bool,
    ) -> Result<Vec<Proposal>, TransferError> {
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
        let options = ProposalOptions {
            image: size,
            pre_nms,
            post_nms,
            threshold: NMS,
        };
        Ok(proposals(&levels, &options, strict)?)
    }
}

/// Values from a device.
pub(crate) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, RunError> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| RunError::Device(format!("{error:?}")))?;
    Ok(data.iter::<f32>().collect())
}

/// What the second stage learns from a batch. Means are taken over each of `groups` parts of it and averaged.
struct Batch<'a> {
    examples: &'a [Example],
    regions: &'a [Regions],
    classes: usize,
    groups: usize,
    device: &'a Device,
}

impl Batch<'_> {
    fn rois<'b>(
        &'b self,
        corners: impl Fn(&'b Regions) -> &'b [Corners],
    ) -> impl Iterator<Item = Roi> {
        let images = self.regions.iter().enumerate();
        images.flat_map(move |(image, regions)| rois(image, corners(regions)))
    }

    /// A value for each row of a tensor whose row r belongs to region `order[r]`.
    fn in_order<T: Clone>(&self, order: &[usize], of: impl Fn(&Regions) -> Vec<T>) -> Vec<T> {
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
    fn box_losses(&self, boxes: &BoxOutput) -> [Tensor<1>; 2] {
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
    fn foreground_rows(&self, x: Tensor<4>) -> Option<Tensor<4>> {
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
    fn mask_targets(&self, order: &[usize], side: usize) -> Result<Vec<u8>, TransferError> {
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
    fn mask_loss(&self, logits: Tensor<3>, targets: &[u8], order: &[usize]) -> Tensor<1> {
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
