//! The recipe: everything that describes a run.

use parallax_methods::{MethodConfig, MethodKind};
use parallax_nets::{Arch, HeadKind, ResNetConfig, Stem};
use parallax_views::Pipeline;
use serde::{Deserialize, Serialize};

use crate::error::RecipeError;
use crate::schedule::{Momentum, MomentumKind, Schedule, ScheduleKind};

/// A recipe, as in `recipes/*.toml`. Unknown keys are refused; missing ones take the paper's values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Length, batch and seed.
    #[serde(default)]
    pub run: RunSection,
    /// Where examples come from.
    #[serde(default)]
    pub data: DataSection,
    /// How an example becomes two views.
    #[serde(default)]
    pub views: ViewsSection,
    /// The network.
    #[serde(default)]
    pub model: ModelSection,
    /// The loss and its target network.
    pub method: MethodSection,
    /// The update rule.
    #[serde(default)]
    pub optimizer: OptimizerSection,
    /// The learning rate over time.
    #[serde(default)]
    pub schedule: ScheduleSection,
    /// What is measured while training.
    #[serde(default)]
    pub probe: ProbeSection,
    /// When a run is saved.
    #[serde(default)]
    pub checkpoint: CheckpointSection,
}

macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty = $default:expr,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields, default)]
        pub struct $name {
            $($(#[$doc])* pub $field: $kind,)*
        }

        impl Default for $name {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }
    };
}

section! {
    /// `[run]`
    RunSection {
        /// Passes over the data, each of `examples / batch_size` whole batches.
        epochs: u64 = 200,
        /// Optimiser steps; wins over `epochs`.
        #[serde(skip_serializing_if = "Option::is_none")]
        total_steps: Option<u64> = None,
        /// Pictures a step.
        batch_size: usize = 256,
        /// Key of all randomness: order, views, weights, queue.
        seed: u64 = 0,
    }
}

section! {
    /// `[data]`
    DataSection {
        /// `sample`, `cifar10` or an image folder.
        source: String = "sample".to_string(),
        /// Share of the classes that is used, all images of a chosen class (methods.md 8.1).
        class_ratio: f64 = 1.0,
    }
}

section! {
    /// `[views]`
    ViewsSection {
        /// Sampling law of the two views; the method's own where it is left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        pipeline: Option<Pipeline> = None,
        /// Side of a view in pixels.
        size: u32 = 224,
    }
}

section! {
    /// `[model]`
    ModelSection {
        /// Depth.
        arch: Arch = Arch::ResNet18,
        /// First layers.
        stem: Stem = Stem::Imagenet,
        /// Channels of the first stage; the architecture's own where it is left out.
        #[serde(skip_serializing_if = "Option::is_none")]
        width: Option<usize> = None,
    }
}

/// `[method]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MethodSection {
    /// Which method.
    pub name: MethodKind,
    /// Hidden units of projector and predictor.
    #[serde(default = "defaults::hidden")]
    pub hidden: usize,
    /// Width of the embedding.
    #[serde(default = "defaults::out")]
    pub out: usize,
    /// Divisor of the similarities; MoCo only.
    #[serde(default = "defaults::temperature")]
    pub temperature: f64,
    /// Keys in the queue; MoCo only.
    #[serde(default = "defaults::queue")]
    pub queue: usize,
    /// Share of the target that stays at an update.
    #[serde(default = "defaults::momentum")]
    pub momentum: f64,
    /// Whether that share rises to 1.
    #[serde(default)]
    pub momentum_schedule: MomentumKind,
}

/// The paper's values for MoCo v2+ and BYOL (methods.md 0).
mod defaults {
    pub fn hidden() -> usize {
        4096
    }
    pub fn out() -> usize {
        256
    }
    pub fn temperature() -> f64 {
        0.2
    }
    pub fn queue() -> usize {
        65536
    }
    pub fn momentum() -> f64 {
        0.99
    }
}

/// The update rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Momentum SGD (methods.md 4.1).
    #[default]
    Sgd,
}

section! {
    /// `[optimizer]`
    OptimizerSection {
        /// Which rule.
        name: OptimizerKind = OptimizerKind::Sgd,
        /// Learning rate for 256 pictures a step; scaled with the batch.
        base_lr: f64 = 0.03,
        /// Share of the velocity that stays.
        momentum: f64 = 0.9,
        /// Pull of every parameter towards zero.
        weight_decay: f64 = 1e-4,
    }
}

section! {
    /// `[schedule]`
    ScheduleSection {
        /// Shape of the curve.
        kind: ScheduleKind = ScheduleKind::WarmupCosine,
        /// Epochs of linear rise.
        warmup_epochs: u64 = 10,
        /// Steps of linear rise; wins over `warmup_epochs`.
        #[serde(skip_serializing_if = "Option::is_none")]
        warmup_steps: Option<u64> = None,
    }
}

section! {
    /// `[probe]`
    ProbeSection {
        /// Epochs between two kNN probes; 0 for none.
        knn_every: u64 = 1,
        /// Whether the run ends with the comparison of trained, random and raw pixels.
        table: bool = true,
    }
}

section! {
    /// `[checkpoint]`
    CheckpointSection {
        /// Epochs between two checkpoints; 0 for the last one only.
        every: u64 = 50,
        /// Steps between two checkpoints; wins over `every`.
        #[serde(skip_serializing_if = "Option::is_none")]
        every_steps: Option<u64> = None,
    }
}

impl Recipe {
    /// The pipeline of the two views.
    pub fn pipeline(&self) -> Pipeline {
        self.views.pipeline.unwrap_or(self.method.name.pipeline())
    }

    /// What the method is built from.
    pub fn method_config(&self) -> MethodConfig {
        MethodConfig {
            kind: self.method.name,
            network: ResNetConfig {
                arch: self.model.arch,
                stem: self.model.stem,
                width: self.model.width.unwrap_or(self.model.arch.default_width()),
                head: HeadKind::None,
                hidden: self.method.hidden,
                out: self.method.out,
            },
            temperature: self.method.temperature,
            queue: self.method.queue,
            seed: self.run.seed,
        }
    }

    /// Whole batches in one pass over `examples`.
    pub fn steps_per_epoch(&self, examples: usize) -> u64 {
        (examples / self.run.batch_size) as u64
    }

    /// Optimiser steps of the whole run.
    pub fn total_steps(&self, examples: usize) -> u64 {
        let epochs = self.run.epochs * self.steps_per_epoch(examples);
        self.run.total_steps.unwrap_or(epochs)
    }

    /// The learning rate over time.
    pub fn schedule(&self, examples: usize) -> Schedule {
        let warmup = self.schedule.warmup_epochs * self.steps_per_epoch(examples);
        Schedule {
            kind: self.schedule.kind,
            peak: self.optimizer.base_lr * self.run.batch_size as f64 / 256.0,
            warmup_steps: self.schedule.warmup_steps.unwrap_or(warmup),
            total_steps: self.total_steps(examples),
        }
    }

    /// The target's momentum over time.
    pub fn momentum(&self, examples: usize) -> Momentum {
        Momentum {
            kind: self.method.momentum_schedule,
            base: self.method.momentum,
            total_steps: self.total_steps(examples),
        }
    }

    /// Steps between two checkpoints, `None` for the last one only.
    pub fn checkpoint_interval(&self, examples: usize) -> Option<u64> {
        let epochs = self.checkpoint.every * self.steps_per_epoch(examples);
        Some(self.checkpoint.every_steps.unwrap_or(epochs)).filter(|&steps| steps > 0)
    }

    /// Steps between two kNN probes, `None` for none.
    pub fn probe_interval(&self, examples: usize) -> Option<u64> {
        Some(self.probe.knn_every * self.steps_per_epoch(examples)).filter(|&steps| steps > 0)
    }

    /// Values that no network or schedule can be made of.
    pub(crate) fn check(&self) -> Result<(), RecipeError> {
        let wrong = |key: &str, reason: &str| {
            Err(RecipeError::Value {
                key: key.to_string(),
                reason: reason.to_string(),
            })
        };
        let unit = |value: f64| (0.0..=1.0).contains(&value);
        let positive = |value: f64| value.is_finite() && value > 0.0;
        match self {
            r if r.run.batch_size < 2 => wrong(
                "run.batch_size",
                "batch norm needs at least 2 pictures a step",
            ),
            r if r.views.pipeline == Some(Pipeline::Eval) => wrong(
                "views.pipeline",
                "must draw two views that differ; those of `eval` are the same",
            ),
            r if r.run.total_steps == Some(0) => wrong("run.total_steps", "must be at least 1"),
            r if r.run.epochs == 0 && r.run.total_steps.is_none() => {
                wrong("run.epochs", "must be at least 1")
            }
            r if !(8..=1024).contains(&r.views.size) => {
                wrong("views.size", "must be between 8 and 1024 pixels")
            }
            r if r.model.width == Some(0) => wrong("model.width", "must be at least 1"),
            r if r.method.hidden == 0 => wrong("method.hidden", "must be at least 1"),
            r if r.method.out == 0 => wrong("method.out", "must be at least 1"),
            r if r.method.queue == 0 => wrong("method.queue", "must be at least 1"),
            r if !positive(r.method.temperature) => wrong("method.temperature", "must be above 0"),
            r if !unit(r.method.momentum) => wrong("method.momentum", "must be from 0 to 1"),
            r if !unit(r.optimizer.momentum) => wrong("optimizer.momentum", "must be from 0 to 1"),
            r if !positive(r.optimizer.base_lr) => wrong("optimizer.base_lr", "must be above 0"),
            r if !(r.optimizer.weight_decay >= 0.0 && r.optimizer.weight_decay.is_finite()) => {
                wrong("optimizer.weight_decay", "must be 0 or above")
            }
            r if !(r.data.class_ratio > 0.0 && r.data.class_ratio <= 1.0) => {
                wrong("data.class_ratio", "must be above 0 and at most 1")
            }
            _ => Ok(()),
        }
    }
}
