//! A training pass of a detector: a batch to losses.

use burn::tensor::{Device, Tensor};
use parallax_boxes::{Corners, Proposal};
use parallax_kernels::Roi;
use parallax_nets::Mode;

use crate::detector::heads::BoxOutput;
use crate::detector::host::HostOutput;
use crate::detector::region_losses::RegionBatch;
use crate::detector::regions::Regions;
use crate::detector::rpn::{self, AnchorTargets, RpnOutput};
use crate::detector::{Detector, DetectorPlan, Example};
use crate::error::TransferError;
use crate::images::Images;
use crate::run::{Loss, Losses};
use crate::sampling::Ranking;

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
        let DetectorPlan {
            recipe, section, ..
        } = plan;
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
        let batch = RegionBatch::of(plan, examples, &regions, device);
        let features = plan.pooled(&maps);
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
