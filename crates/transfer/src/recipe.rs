//! The recipe of a transfer run: a TOML file with the paper's values or smaller ones (methods.md 7.2, 7.9).

use parallax_nets::{Arch, Stem};
use parallax_train::{RecipeError, overridden};
use parallax_views::Geometry;
use serde::{Deserialize, Serialize};
use toml::Value;

use crate::schedule::TransferSchedule;

/// A run of detection or segmentation: it has a `[detector]` or a `[segmenter]`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransferRecipe {
    /// Length and batch.
    pub run: RunSection,
    /// Backbone.
    pub model: ModelSection,
    /// SGD.
    pub optimizer: OptimizerSection,
    /// Learning rate.
    pub schedule: ScheduleSection,
    /// Geometric augmentation.
    pub augment: AugmentSection,
    /// Statistics at the end.
    #[serde(default)]
    pub precise_bn: PreciseBnSection,
    /// What is saved.
    #[serde(default)]
    pub checkpoint: CheckpointSection,
    /// Of a detector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorSection>,
    /// Of a segmenter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segmenter: Option<SegmenterSection>,
}

/// `[run]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSection {
    /// Optimisation steps.
    pub total_steps: u64,
    /// Images of a step.
    pub batch_size: usize,
    /// Means that a device takes over its own images (of masks and of hard pixels) are taken over this many parts of the batch.
    #[serde(default = "one")]
    pub devices: usize,
    /// Of initial weights, order, augmentation and sampling.
    #[serde(default)]
    pub seed: u64,
}

/// `[model]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelSection {
    /// Depth.
    pub arch: Arch,
    /// First layers.
    #[serde(default = "imagenet")]
    pub stem: Stem,
    /// Channels of the first stage; the architecture's own where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width: Option<usize>,
    /// Classes without the background.
    pub classes: usize,
    /// Batch norm in training.
    #[serde(default)]
    pub bn: BnKind,
}

/// How batch norm is trained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BnKind {
    /// With the statistics of the whole batch.
    #[default]
    Sync,
    /// Not at all: a constant scale and shift by the running statistics.
    Frozen,
}

/// `[optimizer]`: SGD. Batch norm does not decay, biases do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OptimizerSection {
    /// The highest learning rate, for the recipe's own batch.
    pub base_lr: f64,
    /// Of the velocity.
    #[serde(default = "momentum")]
    pub momentum: f64,
    /// Weight decay.
    #[serde(default = "weight_decay")]
    pub weight_decay: f64,
}

/// `[schedule]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScheduleSection {
    /// Steps of the linear warm-up from a thousandth of the rate.
    pub warmup_steps: u64,
    /// 0-based steps from which on the rate is a tenth.
    #[serde(default)]
    pub milestones: Vec<u64>,
    /// Of the polynomial decay to 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power: Option<f64>,
}

/// `[augment]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AugmentSection {
    /// Lengths of the shorter side in training, one of which is drawn for an image.
    pub short_sides: Vec<u32>,
    /// The longer side in training is at most this.
    #[serde(default = "max_side")]
    pub max_side: u32,
    /// Probability of a horizontal flip.
    #[serde(default = "half")]
    pub flip: f64,
    /// Length of the shorter side in evaluation; 0 for the image's own size.
    pub test_side: u32,
    /// The longer side in evaluation is at most this.
    #[serde(default = "max_side")]
    pub test_max_side: u32,
}

/// `[precise_bn]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PreciseBnSection {
    /// Batches whose statistics are averaged after the last step; 0 keeps the running statistics.
    pub batches: u64,
}

/// `[checkpoint]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckpointSection {
    /// Steps between two checkpoints; 0 for the last one only.
    #[serde(default)]
    pub every: u64,
    /// Steps between two evaluations; 0 for the last one only.
    #[serde(default)]
    pub evaluate_every: u64,
}

/// The second stage of a detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HeadKind {
    /// The last stage of the backbone (methods.md 7.4).
    C4,
    /// A feature pyramid, four convolutions and a linear layer (methods.md 7.5).
    Fpn,
}

/// `[detector]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DetectorSection {
    /// The second stage.
    pub head: HeadKind,
    /// Whether masks are predicted.
    #[serde(default)]
    pub masks: bool,
    /// Anchors of an image that a step learns from, half of them positive at most.
    #[serde(default = "rpn_batch")]
    pub rpn_batch: usize,
    /// Regions of an image that a step learns from, a quarter of them foreground at most.
    #[serde(default = "roi_batch")]
    pub roi_batch: usize,
    /// Boxes of a level before NMS, in training and in evaluation.
    pub pre_nms: [usize; 2],
    /// Boxes of an image after NMS, in training and in evaluation.
    pub post_nms: [usize; 2],
    /// Detections have a score above it.
    #[serde(default = "score_threshold")]
    pub score_threshold: f32,
    /// Detections of an image at most.
    #[serde(default = "detections")]
    pub detections: usize,
    /// Sides of anchors in pixels: with C4 all at each position, with FPN one a level.
    #[serde(default = "anchor_sizes")]
    pub anchor_sizes: [f64; 5],
    /// Channels of the feature pyramid and of mask heads.
    #[serde(default = "channels")]
    pub channels: usize,
    /// Outputs of the pyramid's linear layer.
    #[serde(default = "hidden")]
    pub hidden: usize,
}

/// How a segmenter pools the image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PoolKind {
    /// The mean over windows of the crop's size.
    #[default]
    Window,
    /// The mean over the whole map.
    Global,
}

/// `[segmenter]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SegmenterSection {
    /// Height and width of a training crop.
    pub crop: [u32; 2],
    /// Image pooling.
    #[serde(default)]
    pub pool: PoolKind,
    /// Channels of the spatial pyramid.
    #[serde(default = "channels")]
    pub channels: usize,
    /// Fraction of the pixels, the hardest, that the loss is the mean of.
    #[serde(default = "hard_share")]
    pub hard_share: f64,
}

fn one() -> usize {
    1
}
fn imagenet() -> Stem {
    Stem::Imagenet
}
fn momentum() -> f64 {
    0.9
}
fn weight_decay() -> f64 {
    1e-4
}
fn half() -> f64 {
    0.5
}
fn max_side() -> u32 {
    1333
}
fn rpn_batch() -> usize {
    256
}
fn roi_batch() -> usize {
    512
}
fn score_threshold() -> f32 {
    0.05
}
fn detections() -> usize {
    100
}
fn anchor_sizes() -> [f64; 5] {
    [32.0, 64.0, 128.0, 256.0, 512.0]
}
fn channels() -> usize {
    256
}
fn hidden() -> usize {
    1024
}
fn hard_share() -> f64 {
    0.2
}

impl Default for PreciseBnSection {
    fn default() -> Self {
        Self { batches: 200 }
    }
}

impl TransferRecipe {
    /// Reads a recipe and applies overrides of the form `section.key=value`.
    ///
    /// # Errors
    /// On invalid TOML, unknown keys, wrong types, and values out of range.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self, RecipeError> {
        let table = overridden(text, overrides)?;
        let recipe = Self::deserialize(Value::Table(table)).map_err(RecipeError::Toml)?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML, defaults included.
    ///
    /// # Errors
    /// When a value cannot be written as TOML.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        toml::to_string(self).map_err(|error| RecipeError::Write(error.to_string()))
    }

    /// Whether masks are predicted.
    pub fn has_masks(&self) -> bool {
        let section = self.detector.as_ref();
        section.is_some_and(|section| section.masks)
    }

    /// The augmentation of training images; a segmenter's crops them.
    pub fn geometry(&self) -> Geometry {
        let crop = self.segmenter.as_ref().map(|section| section.crop);
        Geometry {
            short: self.augment.short_sides.clone(),
            longest: self.augment.max_side,
            crop: crop.map(|[height, width]| (width, height)),
            flip: self.augment.flip,
        }
    }

    /// Channels of the first stage.
    pub fn width(&self) -> usize {
        let model = &self.model;
        model.width.unwrap_or_else(|| model.arch.default_width())
    }

    /// The learning rate of every step.
    pub fn rates(&self) -> TransferSchedule {
        TransferSchedule {
            peak: self.optimizer.base_lr,
            warmup: self.schedule.warmup_steps,
            milestones: self.schedule.milestones.clone(),
            power: self.schedule.power,
            total_steps: self.run.total_steps,
        }
    }

    fn check(&self) -> Result<(), RecipeError> {
        let wrong = |key: &str, reason: &str| {
            Err(RecipeError::Value {
                key: key.to_string(),
                reason: reason.to_string(),
            })
        };
        let at_least_one = [
            ("run.total_steps", self.run.total_steps as usize),
            ("run.batch_size", self.run.batch_size),
            ("run.devices", self.run.devices),
            ("model.width", self.width()),
            ("model.classes", self.model.classes),
        ];
        for (key, value) in at_least_one {
            if value == 0 {
                return wrong(key, "must be 1 or more");
            }
        }
        if !self.run.batch_size.is_multiple_of(self.run.devices) {
            return wrong("run.batch_size", "must be a multiple of run.devices");
        }
        let rates = [
            ("optimizer.base_lr", self.optimizer.base_lr),
            ("optimizer.weight_decay", self.optimizer.weight_decay),
            ("optimizer.momentum", self.optimizer.momentum),
        ];
        for (key, value) in rates {
            if !value.is_finite() || value < 0.0 {
                return wrong(key, "must be 0 or above");
            }
        }
        if !(0.0..=1.0).contains(&self.augment.flip) {
            return wrong("augment.flip", "must be from 0 to 1");
        }
        let sides = &self.augment.short_sides;
        if sides.is_empty() || sides.contains(&0) {
            return wrong("augment.short_sides", "must list lengths of 1 or more");
        }
        match (&self.detector, &self.segmenter) {
            (Some(detector), None) => {
                let counts = [
                    ("detector.rpn_batch", detector.rpn_batch),
                    ("detector.roi_batch", detector.roi_batch),
                    ("detector.channels", detector.channels),
                    ("detector.hidden", detector.hidden),
                ];
                match counts.into_iter().find(|(_, count)| *count == 0) {
                    Some((key, _)) => wrong(key, "must be 1 or more"),
                    None if self.model.arch.stages() < 3 => {
                        wrong("model.arch", "needs three stages or more")
                    }
                    None => Ok(()),
                }
            }
            (None, Some(segmenter)) => match segmenter {
                SegmenterSection {
                    crop: [0, _] | [_, 0],
                    ..
                } => wrong("segmenter.crop", "must be 1 or more each"),
                SegmenterSection { channels: 0, .. } => {
                    wrong("segmenter.channels", "must be 1 or more")
                }
                SegmenterSection { hard_share, .. }
                    if !(*hard_share > 0.0 && *hard_share <= 1.0) =>
                {
                    wrong("segmenter.hard_share", "must be above 0 and at most 1")
                }
                SegmenterSection { .. } => Ok(()),
            },
            _ => wrong("the recipe", "must have either [detector] or [segmenter]"),
        }
    }
}
