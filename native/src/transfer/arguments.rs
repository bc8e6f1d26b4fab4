//! Arguments of detection and segmentation.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Branch, On};
use crate::data::annotated::ACCEPTED;

/// Those of a training.
#[derive(Args)]
pub struct Trained {
    /// A recipe's name (see `recipes/transfer`) or a file
    #[arg(long, required_unless_present = "resume")]
    pub recipe: Option<String>,
    /// Override a value of the recipe, for example run.batch_size=2
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Weights of the backbone: any known layout, a checkpoint's folder or a run's [default: random]
    #[arg(long, value_name = "FILE")]
    pub weights: Option<PathBuf>,
    /// Which network of the weights, where there are two
    #[arg(long, value_enum)]
    pub branch: Option<Branch>,
    #[arg(long, value_name = "SRC", required_unless_present = "resume",
        help = format!("Images to train on: {ACCEPTED}"))]
    pub train: Option<String>,
    /// Images to test on, in the same form
    #[arg(long, value_name = "SRC", required_unless_present = "resume")]
    pub test: Option<String>,
    #[command(flatten)]
    pub on: On,
    /// Folder of the run [default: runs/RECIPE, numbered when taken]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Resume from the newest undamaged checkpoint
    #[arg(long)]
    pub resume: bool,
    /// Threads that load and augment images [default: one less than the cores, at least one]
    #[arg(long, value_name = "N")]
    pub loader_threads: Option<usize>,
    /// Print every event and the result as JSON lines
    #[arg(long)]
    pub json: bool,
}

/// A trained model.
#[derive(Args)]
pub struct Given {
    /// A run's folder, a checkpoint's, or a file with detectron2's names
    #[arg(long, value_name = "RUN|FILE")]
    pub weights: PathBuf,
    /// Recipe of the model, for files without one
    #[arg(long)]
    pub recipe: Option<String>,
    /// Override a value of the recipe, for example augment.test_side=240
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Names of the classes, for files without them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub classes: Vec<String>,
    #[command(flatten)]
    pub on: On,
}

/// Those of an evaluation.
#[derive(Args)]
pub struct Evaluated {
    #[command(flatten)]
    pub given: Given,
    #[arg(long, value_name = "SRC", help = format!("Images to test on: {ACCEPTED}"))]
    pub test: String,
    /// Where results go: a folder [default: `eval` beside the weights]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Threads that load images [default: one less than the cores, at least one]
    #[arg(long, value_name = "N")]
    pub loader_threads: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Those of a drawing.
#[derive(Args)]
pub struct Shown {
    #[command(flatten)]
    pub given: Given,
    /// A JPEG, PNG or WebP image
    #[arg(long, value_name = "IMG")]
    pub input: PathBuf,
    /// The drawing
    #[arg(long, value_name = "FILE.png")]
    pub out: PathBuf,
    /// Print what was found as JSON
    #[arg(long)]
    pub json: bool,
}
