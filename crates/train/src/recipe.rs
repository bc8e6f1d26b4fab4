//! The recipe: all that a run is described by.

use parallax_methods::{BnConfig, BnKind, MethodConfig, MethodKind};
use parallax_nets::{Arch, ResNetConfig, Stem};
use parallax_probes::EvaluatorKind;
use parallax_ranks::Ranks;
use parallax_views::Pipeline;
use serde::{Deserialize, Serialize};

use crate::data_shape::DataShape;
use crate::gradient_dtype::GradientDtype;
use crate::groups::ParamGroup;
use crate::keep::Keep;
use crate::precision::Precision;
use crate::preset::{Augment, Preset};
use crate::schedule::{Curve, EmaSchedule, EmaScheduleKind, Schedule, ScheduleKind};
use crate::taxonomy::Taxonomy;

/// A recipe, as in `recipes/*.toml`. Unknown keys are errors; [`Recipe::parse`] fills in missing ones with the paper's
/// values for the method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Length, batch and seed.
    #[serde(default)]
    pub run: RunSection,
    /// Where examples come from.
    #[serde(default)]
    pub data: DataSection,
    /// Augmentation: how an image becomes two views.
    #[serde(default)]
    pub views: ViewsSection,
    /// The network.
    #[serde(default)]
    pub model: ModelSection,
    /// The loss and its target network.
    pub method: MethodSection,
    /// The optimiser.
    #[serde(default)]
    pub optimizer: OptimizerSection,
    /// The learning rate over time.
    #[serde(default)]
    pub schedule: ScheduleSection,
    /// What is evaluated, during and after training.
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
        /// Epochs, each of `examples / batch_size` whole batches.
        epochs: u64 = 200,
        /// Optimisation steps; takes precedence over `epochs`.
        #[serde(skip_serializing_if = "Option::is_none")]
        total_steps: Option<u64> = None,
        /// Whether training on a part of the data (`data.class_ratio`, `data.image_ratio`) takes as many steps as on all
        /// of it: whatever the recipe counts in epochs is counted in epochs over the full data (methods.md 8.1).
        #[serde(skip_serializing_if = "std::ops::Not::not")]
        constant_iterations: bool = false,
        /// Images in a step's batch.
        batch_size: usize = 256,
        /// Micro-batches of a step, whose gradients are averaged: see [`RunSection::accumulates_equally`].
        accumulate: usize = 1,
        /// The dtype in which gradients travel between the ranks of a distributed run.
        #[serde(skip_serializing_if = "is_f32")]
        gradient_dtype: GradientDtype = GradientDtype::F32,
        /// Activation checkpointing: the backward pass recomputes the backbone's blocks instead of keeping their
        /// activations. The same bits in less memory and more time.
        recompute: bool = false,
        /// Data type of the backbone's activations: `f32`, or `f16` or `bf16` on GPUs that support them; `f16-operands` stores
        /// f32 and multiplies f16 by matrix instructions. Weights and everything that a checkpoint holds are f32.
        precision: Precision = Precision::F32,
        /// Seed of everything random: order, views, weights, queue.
        seed: u64 = 0,
    }
}

section! {
    /// `[data]`
    DataSection {
        /// `sample`, `cifar10`, an image folder, or `list:FILE`.
        source: String = "sample".to_string(),
        /// Fraction of the classes that is trained on, with all images of a chosen class (methods.md 8.1).
        class_ratio: f64 = 1.0,
        /// Fraction of the images of each of these classes that is trained on.
        #[serde(skip_serializing_if = "is_one")]
        image_ratio: f64 = 1.0,
        /// How classes are grouped for supervised training: `none`, `animal-vehicle`, a map's file, or a map.
        taxonomy: Taxonomy = Taxonomy::None,
    }
}

section! {
    /// `[views]`
    ViewsSection {
        /// Augmentation policies of the two views; the method's own by default.
        #[serde(skip_serializing_if = "Option::is_none")]
        pipeline: Option<Pipeline> = None,
        /// Side of a view in pixels.
        size: u32 = 224,
    }
}

section! {
    /// `[model]`
    ModelSection {
        /// Architecture.
        arch: Arch = Arch::ResNet18,
        /// Stem: the layers in front of the first stage.
        stem: Stem = Stem::Imagenet,
        /// Channels of the first stage; the architecture's own by default.
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
    /// Hidden width of the heads.
    pub hidden: usize,
    /// Width of the embedding. Supervised: number of classes, by default that of the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub out: Option<usize>,
    /// Temperature of the softmax over similarities; MoCo only.
    pub temperature: f64,
    /// Keys in the queue; MoCo only.
    pub queue: usize,
    /// Momentum of the target network's EMA update.
    pub momentum: f64,
    /// Whether that momentum is constant or rises to 1.
    pub momentum_schedule: EmaScheduleKind,
    /// Whether the online network has its predictor. Without it BYOL collapses; for BYOL and MoCo v2+ only.
    #[serde(default = "yes", skip_serializing_if = "Clone::clone")]
    pub predictor: bool,
    /// What batch norm's statistics are computed over (methods.md 2.3).
    pub bn: BnKind,
    /// BN groups: equal parts of the batch that are normalised as if each were on a GPU of its own, with ShuffleBN where
    /// the method has it, and an enqueue coin for each.
    pub bn_groups: usize,
}

/// The optimisers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OptimizerKind {
    /// Momentum SGD (methods.md 4.1).
    #[default]
    Sgd,
    /// LARS (methods.md 4.2).
    Lars,
}

section! {
    /// `[optimizer]`
    OptimizerSection {
        /// Which optimiser.
        name: OptimizerKind = OptimizerKind::Sgd,
        /// Learning rate for 256 images a step; scaled with the batch.
        base_lr: f64 = 0.03,
        /// Momentum.
        momentum: f64 = 0.9,
        /// Weight decay: with SGD of every parameter, with LARS of convolution and linear weights only.
        weight_decay: f64 = 1e-4,
        /// Nesterov momentum; SGD only.
        nesterov: bool = false,
        /// Trust coefficient; LARS only.
        eta: f64 = 0.001,
        /// Parameter groups, `[[optimizer.groups]]`: learning rate and weight decay by the names of parameters.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        groups: Vec<ParamGroup> = Vec::new(),
    }
}

section! {
    /// `[schedule]`
    ScheduleSection {
        /// Shape of the schedule.
        kind: ScheduleKind = ScheduleKind::WarmupCosine,
        /// Epochs of linear warm-up.
        warmup_epochs: u64 = 10,
        /// Steps of linear warm-up; takes precedence over `warmup_epochs`.
        #[serde(skip_serializing_if = "Option::is_none")]
        warmup_steps: Option<u64> = None,
    }
}

section! {
    /// `[probe]`
    ProbeSection {
        /// Whether a linear classifier is trained on the detached features at every step (methods.md 3.9).
        online: bool = true,
        /// Learning rate of that classifier, not scaled with the batch.
        online_lr: f64 = 30.0,
        /// Epochs between two kNN probes; 0 for none.
        knn_every: u64 = 1,
        /// Epochs between two linear probes; 0 for none.
        #[serde(skip_serializing_if = "is_zero")]
        linear_every: u64 = 0,
        /// Whether the run ends with the comparison of the trained encoder, a random one and raw pixels.
        table: bool = true,
        /// What that comparison evaluates: `knn`, `linear`, `linear-eval`.
        #[serde(skip_serializing_if = "is_every_evaluator")]
        evaluators: Vec<EvaluatorKind> = EvaluatorKind::ALL.to_vec(),
        /// Whether raw pixels are in it; with many images their row takes longer than the other two.
        pixels: bool = true,
        /// `[probe.linear_eval]`
        #[serde(skip_serializing_if = "is_default")]
        linear_eval: LinearEvalSection = LinearEvalSection::default(),
    }
}

section! {
    /// `[probe.linear_eval]`: the paper's linear evaluation between steps, and at the end where `probe.evaluators` names it.
    LinearEvalSection {
        /// Epochs between two evaluations; 0 for none.
        every: u64 = 0,
        /// Whose values are the defaults.
        preset: Preset = Preset::Sgd,
        /// Epochs of the classifier.
        #[serde(skip_serializing_if = "Option::is_none")]
        epochs: Option<u64> = None,
        /// Images in a step's batch.
        #[serde(skip_serializing_if = "Option::is_none")]
        batch_size: Option<usize> = None,
        /// Learning rate; in the preset `sgd` for 256 images a step.
        #[serde(skip_serializing_if = "Option::is_none")]
        base_lr: Option<f64> = None,
        /// In the preset `sgd` the epochs from which on the rate is a tenth and a hundredth.
        #[serde(skip_serializing_if = "Option::is_none")]
        milestones: Option<[u64; 2]> = None,
        /// What the classifier is trained on: `none` for features that are computed once, `standard` as in the paper.
        augment: Augment = Augment::None,
    }
}

section! {
    /// `[checkpoint]`
    CheckpointSection {
        /// Epochs between two checkpoints; 0 for the last one only.
        every: u64 = 50,
        /// Steps between two checkpoints; takes precedence over `every`.
        #[serde(skip_serializing_if = "Option::is_none")]
        every_steps: Option<u64> = None,
        /// How many are kept: `all`, or the newest N.
        #[serde(skip_serializing_if = "is_all")]
        keep: Keep = Keep::All,
    }
}

/// The default of a switch that is on.
fn yes() -> bool {
    true
}

/// Recipes that keep every checkpoint do not say so.
fn is_all(keep: &Keep) -> bool {
    *keep == Keep::All
}

/// Recipes whose gradients travel as they are do not say so.
fn is_f32(dtype: &GradientDtype) -> bool {
    *dtype == GradientDtype::F32
}

/// Recipes do not write an interval of none.
fn is_zero(epochs: &u64) -> bool {
    *epochs == 0
}

/// Recipes do not write a section of defaults.
fn is_default(section: &LinearEvalSection) -> bool {
    *section == LinearEvalSection::default()
}

/// Recipes that leave the evaluators at their default do not name them.
fn is_every_evaluator(evaluators: &[EvaluatorKind]) -> bool {
    evaluators == EvaluatorKind::ALL
}

/// A fraction that leaves nothing out is not written.
fn is_one(ratio: &f64) -> bool {
    *ratio == 1.0
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
        self.views
            .pipeline
            .unwrap_or(self.method.name.spec().pipeline)
    }

    /// The network without its head.
    pub fn backbone(&self) -> ResNetConfig {
        let network = ResNetConfig::new(self.model.arch, self.model.stem);
        ResNetConfig {
            width: self.model.width.unwrap_or(network.width),
            hidden: self.method.hidden,
            ..network
        }
    }

    /// What the method is built from; `targets` are those of the data ([`DataShape::targets`]).
    pub fn method_config(&self, targets: usize) -> MethodConfig {
        let section = &self.method;
        MethodConfig {
            network: ResNetConfig {
                out: section.out.unwrap_or(targets),
                ..self.backbone()
            },
            bn: BnConfig {
                kind: section.bn,
                bn_groups: match section.bn {
                    BnKind::PerGroup => (section.bn_groups / self.run.accumulate).max(1),
                    BnKind::Sync | BnKind::Plainsync => section.bn_groups,
                },
                ranks: Ranks::ONE,
            },
            temperature: section.temperature,
            queue: section.queue,
            predictor: section.predictor,
            seed: self.run.seed,
            recompute: self.run.recompute,
        }
    }

    /// Whole batches in an epoch over `examples`.
    pub fn steps_per_epoch(&self, examples: usize) -> u64 {
        (examples / self.run.batch_size) as u64
    }

    /// Steps of what the recipe calls an epoch: one over the data, or with `run.constant_iterations` one over the full data.
    fn epoch(&self, data: DataShape) -> u64 {
        self.steps_per_epoch(match self.run.constant_iterations {
            true => data.full_examples,
            false => data.examples,
        })
    }

    /// Optimisation steps of the whole run.
    pub fn total_steps(&self, data: DataShape) -> u64 {
        let epochs = self.run.epochs * self.epoch(data);
        self.run.total_steps.unwrap_or(epochs)
    }

    /// The learning rate over time.
    pub fn schedule(&self, data: DataShape) -> Schedule {
        let total_steps = self.total_steps(data);
        let warmup = || self.schedule.warmup_epochs * self.epoch(data);
        let curve = match self.schedule.kind {
            ScheduleKind::WarmupCosine => Curve::WarmupCosine {
                warmup: self.schedule.warmup_steps.unwrap_or_else(warmup),
            },
            ScheduleKind::Cosine => Curve::Cosine,
            // 60 and 80 percent of the run, however long it is (methods.md 3.2).
            ScheduleKind::Step => Curve::Steps([60, 80].map(|percent| total_steps * percent / 100)),
            // The milestones and the warm-up of the paper's COCO schedules, as parts of the run (methods.md 7.2).
            ScheduleKind::Transfer => Curve::WarmupSteps {
                warmup: self.schedule.warmup_steps.unwrap_or(total_steps / 90),
                steps: [9, 11].map(|twelfths| total_steps * twelfths / 12),
            },
        };
        Schedule {
            curve,
            peak: self.optimizer.base_lr * self.run.batch_size as f64 / 256.0,
            total_steps,
        }
    }

    /// The learning rate of the online classifier over time (methods.md 3.9).
    pub fn online_schedule(&self, data: DataShape) -> Schedule {
        let curve = match self.optimizer.name {
            // Epochs 60 and 80, however long the run is.
            OptimizerKind::Sgd => Curve::Steps([60, 80].map(|epoch| epoch * self.epoch(data))),
            OptimizerKind::Lars => Curve::Cosine,
        };
        Schedule {
            curve,
            peak: self.probe.online_lr,
            total_steps: self.total_steps(data),
        }
    }

    /// The momentum of the target's EMA update over time.
    pub fn momentum(&self, data: DataShape) -> EmaSchedule {
        EmaSchedule {
            kind: self.method.momentum_schedule,
            base: self.method.momentum,
            total_steps: self.total_steps(data),
        }
    }

    /// Steps between two checkpoints, `None` for the last one only.
    pub fn checkpoint_interval(&self, data: DataShape) -> Option<u64> {
        let epochs = self.checkpoint.every * self.epoch(data);
        Some(self.checkpoint.every_steps.unwrap_or(epochs)).filter(|&steps| steps > 0)
    }

    /// Steps between two probes of each kind; those that never come are left out.
    pub fn probe_intervals(&self, data: DataShape) -> Vec<(EvaluatorKind, u64)> {
        let epoch = self.epoch(data);
        let epochs = [
            (EvaluatorKind::Knn, self.probe.knn_every),
            (EvaluatorKind::Linear, self.probe.linear_every),
            (EvaluatorKind::LinearEval, self.probe.linear_eval.every),
        ];
        let steps = epochs.map(|(kind, epochs)| (kind, epochs * epoch));
        steps.into_iter().filter(|(_, steps)| *steps > 0).collect()
    }

    /// The probes that are due with `step` steps taken.
    pub fn probes_at(&self, step: u64, data: DataShape) -> Vec<EvaluatorKind> {
        let intervals = self.probe_intervals(data).into_iter();
        let due = intervals.filter(|(_, every)| step.is_multiple_of(*every));
        due.map(|(kind, _)| kind).collect()
    }

    /// Whether the run carries out linear evaluations.
    pub fn evaluates_linearly(&self) -> bool {
        let probe = &self.probe;
        let at_end = probe.table && probe.evaluators.contains(&EvaluatorKind::LinearEval);
        at_end || probe.linear_eval.every > 0
    }
}

impl RunSection {
    /// Whether a step with gradient accumulation equals one without.
    ///
    /// Gradients are averaged over the micro-batches, which see the same queue; all keys are enqueued after the last. What
    /// differs is batch norm: a micro-batch is normalised by its own statistics, and the running statistics of the first
    /// are kept. BN groups do the same, so supervised training is equal where `accumulate` divides `method.bn_groups`.
    /// MoCo v1 and v2 shuffle keys within a micro-batch (equal in distribution, not in value), and the symmetric methods
    /// need the statistics of the whole batch.
    pub fn accumulates_equally(&self, method: &MethodSection) -> bool {
        let one_network = method.name.spec().heads.target.is_none();
        let divides = method.bn_groups.is_multiple_of(self.accumulate);
        self.accumulate == 1 || (one_network && method.bn == BnKind::PerGroup && divides)
    }
}
