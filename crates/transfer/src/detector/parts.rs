//! Where the time of a training step goes: each part of a detector by itself, forward and backward.

use burn::tensor::{Device, Tensor};
use parallax_kernels::Roi;
use parallax_nets::{Mode, ResNet};
use parallax_train::read;

use crate::detector::backbone::Backbone;
use crate::detector::host::HostOutput;
use crate::detector::pass::sizes_of;
use crate::detector::region_losses::RegionBatch;
use crate::detector::regions::Regions;
use crate::detector::rpn::AnchorTargets;
use crate::detector::{Detector, DetectorPlan, Example};
use crate::error::TransferError;
use crate::images::Images;
use crate::sampling::Ranking;

/// Seconds of a part.
#[derive(Clone, Debug, PartialEq)]
pub struct PartTime {
    /// Such as `res4`.
    pub name: String,
    /// Of its forward pass.
    pub forward: f64,
    /// Of its backward pass; 0 where nothing is learned.
    pub backward: f64,
}

/// Runs parts one after the other and waits for the device behind each pass.
struct Timer<'a> {
    clock: &'a dyn Fn() -> f64,
    device: &'a Device,
    times: Vec<PartTime>,
}

impl Timer<'_> {
    /// The time when the device has done what was queued: a value is computed after it, and read.
    async fn now(&self) -> Result<f64, TransferError> {
        read(Tensor::<1>::zeros([1], self.device) + 1.0).await?;
        Ok((self.clock)())
    }

    /// Runs a part on inputs with gradients; it returns its output and the sum of what has gradients.
    async fn part<T>(
        &mut self,
        name: &str,
        inputs: &[Tensor<4>],
        run: impl FnOnce(Vec<Tensor<4>>) -> (T, Tensor<1>),
    ) -> Result<T, TransferError> {
        let inputs = inputs.iter().map(|x| x.clone().detach().require_grad());
        let inputs = inputs.collect();
        let begin = self.now().await?;
        let (output, sum) = run(inputs);
        let middle = self.now().await?;
        drop(sum.backward());
        let end = self.now().await?;
        self.times.push(PartTime {
            name: name.to_string(),
            forward: middle - begin,
            backward: end - middle,
        });
        Ok(output)
    }

    /// The stages of a ResNet.
    async fn stages(
        &mut self,
        network: &mut ResNet,
        images: Tensor<4>,
        mode: Mode,
    ) -> Result<Vec<Tensor<4>>, TransferError> {
        let stem = |x: Vec<Tensor<4>>| summed(network.stem(Tensor::cat(x, 0), mode));
        let mut x = self.part("stem", &[images], stem).await?;
        let mut maps = Vec::new();
        for number in 0..network.stage_count() {
            let stage = |x: Vec<Tensor<4>>| summed(network.stage(number, Tensor::cat(x, 0), mode));
            x = self
                .part(&format!("res{}", number + 2), &[x], stage)
                .await?;
            maps.push(x.clone());
        }
        Ok(maps)
    }
}

fn summed<const D: usize>(x: Tensor<D>) -> (Tensor<D>, Tensor<1>) {
    (x.clone(), x.sum())
}

fn summed_all(maps: Vec<Tensor<4>>) -> (Vec<Tensor<4>>, Tensor<1>) {
    let sum = Tensor::cat(maps.iter().map(|map| map.clone().sum()).collect(), 0).sum();
    (maps, sum)
}

impl Detector {
    /// Seconds of each part of a training pass of a batch. `clock` gives seconds.
    ///
    /// The gradient of a part's output is 1 everywhere, and the gradient of its input is computed, of the images too. Losses and
    /// the update are no part. Running statistics change as in training.
    ///
    /// # Errors
    /// When the proposal network gives values that are not finite, or the device fails.
    pub async fn part_times(
        &mut self,
        plan: &DetectorPlan,
        examples: &[Example],
        mode: Mode,
        clock: &dyn Fn() -> f64,
        device: &Device,
    ) -> Result<Vec<PartTime>, TransferError> {
        let DetectorPlan {
            recipe, section, ..
        } = plan;
        let classes = recipe.model.classes;
        let mut timer = Timer {
            clock,
            device,
            times: Vec::new(),
        };
        let images: Vec<_> = examples.iter().map(|example| &example.image).collect();
        let images = Images::of(&images, plan.multiple(), device);
        let maps = match &mut self.backbone {
            Backbone::C4(network) => {
                let stages = timer.stages(network, images.values, mode).await?;
                stages.into_iter().next_back().into_iter().collect()
            }
            Backbone::Fpn(fpn) => {
                let stages = timer.stages(fpn.bottom_up(), images.values, mode).await?;
                let pyramid = |stages| summed_all(fpn.pyramid(stages, mode));
                timer.part("pyramid", &stages, pyramid).await?
            }
        };
        let network = |maps: Vec<Tensor<4>>| {
            let output = self.proposal_generator.forward(&maps);
            let sum = output.logits.clone().sum() + output.deltas.clone().sum();
            (output, sum)
        };
        let output = timer.part("proposal network", &maps, network).await?;

        let begin = clock();
        let levels = plan.anchors.of(&sizes_of(&maps));
        let anchors = levels.concat();
        let limits = [section.pre_nms[0], section.post_nms[0]];
        let host = HostOutput::read(&output).await?;
        let mut regions = Vec::new();
        for (image, (&size, example)) in images.sizes.iter().zip(examples).enumerate() {
            let ranking = (Ranking::Keys, image);
            let proposed = host.proposals(image, &levels, size, limits, true)?;
            AnchorTargets::of(example, &anchors, section.rpn_batch, ranking);
            let count = section.roi_batch;
            regions.push(Regions::of(example, &proposed, classes, count, ranking));
        }
        timer.times.push(PartTime {
            name: "proposals and samples, on the CPU".to_string(),
            forward: clock() - begin,
            backward: 0.0,
        });

        let batch = RegionBatch::of(plan, examples, &regions, device);
        let side = self.roi_heads.box_side();
        let rois: Vec<Roi> = batch.rois(|regions| &regions.corners).collect();
        let pool = |maps: Vec<Tensor<4>>| {
            let (pooled, order) = plan.pooled(&maps).pool(&rois, side);
            let sum = pooled.clone().sum();
            ((pooled, order), sum)
        };
        let (pooled, order) = timer.part("RoIAlign", &maps, pool).await?;
        let boxes = |pooled: Vec<Tensor<4>>| {
            let pooled = (Tensor::cat(pooled, 0), order);
            let boxes = self.roi_heads.boxes_of(pooled, mode);
            let sum = boxes.logits.clone().sum() + boxes.deltas.clone().sum();
            (boxes.last, sum)
        };
        let last = timer.part("box head", &[pooled], boxes).await?;
        let rois: Vec<Roi> = batch.rois(Regions::foreground_corners).collect();
        if section.masks && !rois.is_empty() {
            let last = last.and_then(|last| batch.foreground_rows(last));
            let inputs = last.clone().map_or(maps, |last| vec![last]);
            let masks = |inputs: Vec<Tensor<4>>| {
                let given = last.and(inputs.first().cloned());
                let found = {
                    let features = plan.pooled(&inputs);
                    self.roi_heads.mask_features(&features, &rois, given, mode)
                };
                let logits = found.zip(self.roi_heads.mask_head());
                let logits = logits.map(|((x, _), head)| head.logits(x).sum());
                ((), logits.unwrap_or_else(|| Tensor::zeros([1], device)))
            };
            timer.part("mask branch", &inputs, masks).await?;
        }
        Ok(timer.times)
    }
}
