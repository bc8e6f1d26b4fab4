//! The recipe: everything that describes a run.

use parallax_methods::{MethodConfig, MethodKind, Norm, NormKind};
use parallax_nets::{Arch, HeadKind, ResNetConfig, Stem};
use parallax_views::Pipeline;
use serde::{Deserialize, Serialize};

use crate::precision::Precision;
use crate::schedule::{Curve, EmaSchedule, EmaScheduleKind, Schedule, ScheduleKind};

/// A recipe, as in `recipes/*.toml`. Unknown keys are refused; missing ones take the paper's values for the
/// method, which [`Recipe::parse`] fills in.
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
        /// Images a step.
        batch_size: usize = 256,
        /// Parts that a step's batch goes through the network in, one after the other: see
        /// [`RunSection::accumulates_equally`].
        accumulate: usize = 1,
        /// Whether the backward pass computes the backbone's blocks anew instead of keeping their activations: the same
        /// bits in less memory and more time.
        recompute: bool = false,
        /// What the backbone's activations are stored in: `f32`, or on GPUs that have it `f16` or `bf16`; weights and
        /// all that a run keeps are f32 in any case.
        precision: Precision = Precision::F32,
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
        /// What the classes are grouped by.
        taxonomy: Taxonomy = Taxonomy::None,
    }
}

/// Groupings of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Taxonomy {
    /// The classes as they are.
    None,
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
    /// Hidden units of the head.
    pub hidden: usize,
    /// Width of the embedding; of supervised training the number of classes, by default the data's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<usize>,
    /// Divisor of the similarities; MoCo only.
    pub temperature: f64,
    /// Keys in the queue; MoCo only.
    pub queue: usize,
    /// Share of the target that stays at an update.
    pub momentum: f64,
    /// Whether that share rises to 1.
    pub momentum_schedule: EmaScheduleKind,
    /// Whose statistics batch norm takes (methods.md 2.3).
    pub bn: NormKind,
    /// Virtual devices: parts of the batch with statistics of their own and ShuffleBN, where the method has
    /// that, and each with its own enqueue coin.
    pub bn_groups: usize,
}

/// The update rules.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Momentum SGD (methods.md 4.1).
    #[default]
    Sgd,
    /// Layer-wise trust ratios (methods.md 4.2).
    Lars,
}

section! {
    /// `[optimizer]`
    OptimizerSection {
        /// Which rule.
        name: OptimizerKind = OptimizerKind::Sgd,
        /// Learning rate for 256 images a step; scaled with the batch.
        base_lr: f64 = 0.03,
        /// Share of the velocity that stays.
        momentum: f64 = 0.9,
        /// Pull towards zero: with SGD of every parameter, with LARS of convolution and linear weights alone.
        weight_decay: f64 = 1e-4,
        /// Whether SGD looks ahead (Nesterov).
        nesterov: bool = false,
        /// Trust coefficient of LARS.
        eta: f64 = 0.001,
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
        /// Whether a linear classifier learns beside the method from its features (methods.md 3.9).
        online: bool = true,
        /// Learning rate of that classifier, not scaled with the batch.
        online_lr: f64 = 30.0,
        /// Epochs between two kNN probes; 0 for none.
        knn_every: u64 = 1,
        /// Whether the run ends with the comparison of trained, random and raw pixels.
        table: bool = true,
        /// Whether raw pixels are in it: of many images their row takes longer than both others.
        pixels: bool = true,
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
    /// The system of the paper: the method, with `-lars` behind it where LARS is the optimiser.
    pub fn system(&self) -> String {
        let optimizer = match self.optimizer.name {
            OptimizerKind::Sgd => "",
            OptimizerKind::Lars => "-lars",
        };
        format!("{}{optimizer}", self.method.name.name())
    }

    /// The pipeline of the two views.
    pub fn pipeline(&self) -> Pipeline {
        self.views.pipeline.unwrap_or(self.method.name.pipeline())
    }

    /// The network without its head.
    pub fn backbone(&self) -> ResNetConfig {
        ResNetConfig {
            arch: self.model.arch,
            stem: self.model.stem,
            width: self.model.width.unwrap_or(self.model.arch.default_width()),
            head: HeadKind::None,
            hidden: self.method.hidden,
            out: 1,
        }
    }

    /// What the method is built from; `classes` are the data's.
    pub fn method_config(&self, classes: usize) -> MethodConfig {
        let section = &self.method;
        MethodConfig {
            kind: section.name,
            network: ResNetConfig {
                out: section.out.unwrap_or(classes),
                ..self.backbone()
            },
            norm: Norm {
                kind: section.bn,
                groups: match section.bn {
                    NormKind::PerDevice => (section.bn_groups / self.run.accumulate).max(1),
                    NormKind::Sync | NormKind::Plainsync => section.bn_groups,
                },
            },
            temperature: section.temperature,
            queue: section.queue,
            seed: self.run.seed,
            recompute: self.run.recompute,
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
        let total_steps = self.total_steps(examples);
        let warmup = || self.schedule.warmup_epochs * self.steps_per_epoch(examples);
        let curve = match self.schedule.kind {
            ScheduleKind::WarmupCosine => Curve::WarmupCosine {
                warmup: self.schedule.warmup_steps.unwrap_or_else(warmup),
            },
            ScheduleKind::Cosine => Curve::Cosine,
            // 60 and 80 percent of the run, however long it is (methods.md 3.2).
            ScheduleKind::Step => Curve::Steps([60, 80].map(|percent| total_steps * percent / 100)),
        };
        Schedule {
            curve,
            peak: self.optimizer.base_lr * self.run.batch_size as f64 / 256.0,
            total_steps,
        }
    }

    /// The learning rate of the online classifier over time (methods.md 3.9).
    pub fn online_schedule(&self, examples: usize) -> Schedule {
        let curve = match self.optimizer.name {
            // Epochs 60 and 80, however long the run is.
            OptimizerKind::Sgd => {
                Curve::Steps([60, 80].map(|epoch| epoch * self.steps_per_epoch(examples)))
            }
            OptimizerKind::Lars => Curve::Cosine,
        };
        Schedule {
            curve,
            peak: self.probe.online_lr,
            total_steps: self.total_steps(examples),
        }
    }

    /// The target's momentum over time.
    pub fn momentum(&self, examples: usize) -> EmaSchedule {
        EmaSchedule {
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
}

impl RunSection {
    /// Whether a step in parts equals the step in one, for a method and its virtual devices.
    ///
    /// Gradients are averaged over the parts, all parts see one queue, and all keys enter it after the last. What
    /// differs is batch norm: a part is normalised by its own statistics, and the first part's are remembered. That
    /// is what virtual devices do anyway, so supervised training is equal where `accumulate` divides
    /// `method.bn_groups`. MoCo v1 and v2 deal keys to devices within a part (equal in law, not in value), and the
    /// symmetric methods have the whole batch's statistics in one piece only.
    pub fn accumulates_equally(&self, method: &MethodSection) -> bool {
        let supervised = method.name == MethodKind::Supervised && method.bn == NormKind::PerDevice;
        self.accumulate == 1 || (supervised && method.bn_groups.is_multiple_of(self.accumulate))
    }
}
