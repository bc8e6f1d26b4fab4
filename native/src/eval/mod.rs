//! `parallax linear-eval` and `parallax finetune`: what they share.

mod batches;
mod encoder;
mod features;
mod finetune;
mod folder;
mod linear_eval;
mod outcome;
mod probe;
mod walk;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;
use parallax_train::Keep;

use crate::cli::{Branch, On};
use crate::data::SRC;

pub use self::finetune::{FineTune, run as finetune};
pub use self::linear_eval::{LinearEval, Preset, run as linear_eval};
pub use self::probe::{LinearProbe, check_linear_probe};

/// An evaluation is resumed from its newest checkpoint; the one before is there in case that is damaged.
const KEPT: Keep = match NonZeroUsize::new(2) {
    Some(two) => Keep::Newest(two),
    None => Keep::All,
};

/// What is evaluated, on what, and where the result goes.
#[derive(Args)]
pub struct Evaluated {
    /// Weights (safetensors, PyTorch or detectron2 files of any known layout), a checkpoint's folder or a run's
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Recipe of the network, for files without one [default: inferred from the shapes of the tensors]
    #[arg(long)]
    pub recipe: Option<String>,
    #[arg(long, value_name = "SRC",
        help = format!("Labelled images to learn from: {SRC} [default: the run's own training data]"))]
    pub train: Option<String>,
    /// Labelled images to test on [default: the run's own test data]
    #[arg(long, value_name = "SRC")]
    pub test: Option<String>,
    /// Which network of the file
    #[arg(long, value_enum, default_value_t = Branch::Online)]
    pub branch: Branch,
    /// Side of a view in pixels [default: the recipe's]
    #[arg(long, value_name = "PIXELS")]
    pub size: Option<u32>,
    /// Folder of the evaluation [default: runs/COMMAND, numbered when taken]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Resume from the newest undamaged checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Evaluate every checkpoint of a run, in the order of steps; DIR then has a folder step-N for each
    #[arg(long)]
    pub every: bool,
    /// Threads that load and augment images [default: one less than the cores, at least one]
    #[arg(long, value_name = "N")]
    pub loader_threads: Option<usize>,
    #[command(flatten)]
    pub on: On,
    /// Print the result as JSON; with --every a line for each checkpoint
    #[arg(long)]
    pub json: bool,
}
