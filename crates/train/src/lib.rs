//! A pre-training run: recipe, optimiser, schedule, step, evaluation, events, checkpoint, resume.
//!
//! Nothing here opens a file, starts a thread or reads a clock: a run takes batches and returns reports and bytes. What
//! waits for a device is `async`, because a browser must not block.
//!
//! [`Recipe`] describes a run, [`Run`] takes its steps, [`Driver`] says when to probe, save and evaluate it.

mod attempt;
mod batch;
mod check;
mod checkpoint;
mod classifier;
mod cost;
mod data_shape;
mod device_batch;
mod driver;
mod error;
mod evaluate;
mod event;
mod extract;
mod forward;
mod gradient_dtype;
mod gradients;
mod groups;
mod keep;
mod lars;
mod memory;
mod norms;
mod optimizer;
mod paper;
mod parse;
mod precision;
mod preset;
mod rank;
mod recipe;
mod recipes;
mod report;
mod run;
mod schedule;
mod sgd;
mod share;
mod step;
mod taxonomy;
mod training_data;
mod views;
mod workers;

pub use batch::{Batch, Loader, Preview, shuffle_order};
pub use checkpoint::{Checkpoint, RECIPE_FILE, STATE_FILE, TRAINING_FILE, WEIGHTS_FILE};
pub use classifier::{Classifier, ClassifierPass};
pub use cost::StepCost;
pub use data_shape::DataShape;
pub use driver::{Control, Driver, Due, Plan, Stop};
pub use error::{LESS_MEMORY, RecipeError, RunError};
pub use evaluate::{
    Encoder, Row, encoder_from, features, features_on, final_table, final_table_on, pixel_features,
    probe,
};
pub use event::Event;
pub use extract::{Extractor, ViewBatch, ViewLoader, ViewPart, batches, read};
pub use forward::read as read_figures;
pub use gradient_dtype::GradientDtype;
pub use gradients::ParamGradients;
pub use groups::ParamGroup;
pub use keep::Keep;
pub use lars::Lars;
pub use memory::MemoryEstimate;
pub use norms::Norms;
pub use optimizer::{Optimizer, Rule};
pub use parallax_recipes::{PAGE_RECIPES, RECIPES};
pub use parallax_weights::{ONLINE, TARGET};
pub use parse::overridden;
pub use precision::Precision;
pub use preset::{Augment, Decay, Preset, PresetSpec};
pub use recipe::{
    CheckpointSection, DataSection, LinearEvalSection, MethodSection, ModelSection, OptimizerKind,
    OptimizerSection, ProbeSection, Recipe, RunSection, ScheduleSection, ViewsSection,
};
pub use report::{
    LOSS, LR, ONLINE_ACCURACY, ONLINE_LOSS, OnlineReport, StepReport, TARGET_MOMENTUM,
};
pub use run::Run;
pub use schedule::{Curve, EmaSchedule, EmaScheduleKind, Schedule, ScheduleKind};
pub use sgd::Sgd;
pub use taxonomy::Taxonomy;
pub use views::BatchViews;
pub use workers::{OneThread, Workers};
