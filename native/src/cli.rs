//! Arguments. Their names are stable: scripts rely on them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::BenchCommand;
use crate::data::cli::DataCommand;
use crate::data::{self, OnBadImage, SRC};
use crate::detect::Detect;
use crate::eval::{FineTune, LinearEval};
use crate::features::FeaturesArguments;
use crate::knn::Knn;
use crate::norms::Norms;
use crate::plan::Plan;
use crate::report::Report;
use crate::score::Score;
use crate::segment::Segment;
use crate::study::Study;
use crate::taxonomy::Taxonomy;
use crate::trace::Trace;
use crate::transfer_op::TransferOp;
use crate::transfer_trace::TransferTrace;

/// Self-supervised visual pre-training on GPU or CPU.
#[derive(Parser)]
#[command(version, about, propagate_version = true)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Subcommand)]
pub enum Command {
    /// Train an encoder without labels and compare it with a random one and with raw pixels
    Pretrain(Pretrain),
    /// Say what a run will take: memory, hours, bytes, and what will bind first
    Plan(Plan),
    /// Make views of an image: those that a recipe draws, or given operations
    Augment(Augment),
    /// Take steps from given weights on given views, for comparison with another implementation
    Trace(Trace),
    /// Write the features of images by a frozen encoder
    Features(FeaturesArguments),
    /// Nearest-neighbour accuracy of an encoder's features
    Knn(Knn),
    /// Train a linear classifier on an encoder's frozen features, as the paper does
    LinearEval(LinearEval),
    /// Train an encoder and a new linear head with labels
    Finetune(FineTune),
    /// Convert weights between the formats of Parallax and other tools
    Convert(Convert),
    /// Rescale each tensor to the norm that it has in another model (NormRescale)
    NormRescale(NormRescale),
    /// Print the norm of each layer of several networks side by side, and draw them
    Norms(Norms),
    /// Object detection on a backbone: train, evaluate, draw
    Detect(Detect),
    /// Semantic segmentation on a backbone: train, evaluate, draw
    Segment(Segment),
    /// Score detections or segmentations: PASCAL VOC, COCO, Cityscapes
    Score(Score),
    /// One operation of a detector on given tensors, for comparison with another implementation
    TransferOp(TransferOp),
    /// Steps of detection or segmentation from given weights on given batches, for comparison with another implementation
    TransferTrace(TransferTrace),
    /// Carry out a grid of runs and their evaluations
    Study(Study),
    /// Write tables, figures and a page of runs and studies
    Report(Report),
    /// Group classes by their hypernyms in WordNet, for supervised training on groups
    Taxonomy(Taxonomy),
    /// List what can be used here, with limits
    Devices {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Measure the operations of a step, or of views
    Bench {
        #[command(subcommand)]
        command: BenchCommand,
    },
    /// Fetch, inspect, verify, subsample and pack data sets
    #[command(after_help = data::TABLE)]
    Data {
        #[command(subcommand)]
        command: DataCommand,
    },
}

/// The device of a command.
#[derive(Args)]
pub struct On {
    /// cpu, auto, vulkan, metal, dx12 or webgpu, with :N for the N-th adapter, :rank for each rank its own
    #[arg(
        long,
        default_value = "auto",
        value_name = "DEVICE",
        overrides_with = "device"
    )]
    pub device: String,
}

#[derive(Args)]
pub struct Pretrain {
    /// A recipe's name (see `recipes/`) or a file
    #[arg(default_value = "demo")]
    pub recipe: String,
    #[arg(long, value_name = "SRC", help = format!("Images: {SRC}"))]
    pub data: Option<String>,
    #[command(flatten)]
    pub on: On,
    /// Folder of the run [default: runs/RECIPE, numbered when taken]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Resume from the newest undamaged checkpoint
    #[arg(long)]
    pub resume: bool,
    /// With --resume: go on with another number of ranks
    #[arg(long, requires = "resume")]
    pub ranks_changed: bool,
    /// Override a value of the recipe, for example optimizer.base_lr=0.06
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// What to do with an image that cannot be read
    #[arg(long, value_enum, default_value_t = OnBadImage::Error)]
    pub on_bad_image: OnBadImage,
    /// Threads that load and augment images [default: one less than the cores, at least one]
    #[arg(long, value_name = "N")]
    pub loader_threads: Option<usize>,
    /// Print every event as a JSON line instead of the table
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Augment {
    /// A JPEG, PNG or WebP image
    #[arg(long, value_name = "IMG")]
    pub input: PathBuf,
    /// A recipe's name (see `recipes/`) or a file: its pipeline and the side of its views
    #[arg(long, default_value = "demo", conflicts_with = "ops")]
    pub recipe: String,
    /// Override a value of the recipe, for example views.size=224
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "ops")]
    pub overrides: Vec<String>,
    /// The run's seed [default: the recipe's]
    #[arg(long, conflicts_with = "ops")]
    pub seed: Option<u64>,
    /// The pass over the data, from 0
    #[arg(long, default_value_t = 0, conflicts_with = "ops")]
    pub epoch: u32,
    /// The image's index in its data set
    #[arg(long, default_value_t = 0, conflicts_with = "ops")]
    pub index: u32,
    /// Operations as a JSON list, in a file, or `-` for standard input
    #[arg(long, value_name = "OPS.json")]
    pub ops: Option<PathBuf>,
    /// FILE.png: the result of `--ops`, or a contact sheet; a folder: every view as a file
    #[arg(long, value_name = "DIR|FILE.png")]
    pub out: PathBuf,
    /// A contact sheet of N pairs, one an epoch from `--epoch` on, with the drawn parameters
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=400), conflicts_with = "ops")]
    pub grid: Option<u32>,
    #[command(flatten)]
    pub on: On,
    /// Print the drawn parameters as JSON
    #[arg(long)]
    pub json: bool,
}

#[derive(Args)]
pub struct Convert {
    /// Weights (safetensors, PyTorch or detectron2 files of any known layout), a checkpoint's folder or a run's
    #[arg(value_name = "IN")]
    pub from: PathBuf,
    /// File to write
    #[arg(value_name = "OUT")]
    pub out: PathBuf,
    /// What to write [default: by the ending of OUT]
    #[arg(long, value_enum)]
    pub to: Option<To>,
    /// One network of IN [default: all, or the online one where only one fits]
    #[arg(long, value_enum)]
    pub branch: Option<Branch>,
    /// List every tensor
    #[arg(long)]
    pub verbose: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What a weight file is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum To {
    /// All tensors under Parallax's names
    Safetensors,
    /// One backbone under torchvision's names: safetensors, or a .pth where OUT ends so
    Torchvision,
    /// One backbone for detectron2: a .pkl
    Detectron2,
    /// All tensors under Parallax's names, for torch.load
    Pth,
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("norms").required(true).args(["anchor", "constant"]))]
pub struct NormRescale {
    /// Weights to rescale
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Weights with the norms to rescale to; their online network
    #[arg(long, value_name = "FILE")]
    pub anchor: Option<PathBuf>,
    /// Multiply every norm by a constant instead
    #[arg(long, value_name = "FACTOR")]
    pub constant: Option<f64>,
    /// Tensors to rescale [default: all with --anchor, weights with --constant]
    #[arg(long, value_enum)]
    pub scope: Option<Scope>,
    /// Which network of the file
    #[arg(long, value_enum, default_value_t = Branch::Online)]
    pub branch: Branch,
    /// File to write: .safetensors, .pth or .pkl
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// List every tensor
    #[arg(long)]
    pub verbose: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Which tensors are rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Scope {
    /// Every floating-point tensor, batch norm included
    All,
    /// Weights of convolutions and linear layers
    Weights,
}

/// The two networks of a siamese method.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Branch {
    Online,
    Target,
}

#[derive(Args)]
pub struct BenchViews {
    #[command(flatten)]
    pub on: On,
    /// A JPEG, PNG or WebP image [default: one of the sample, enlarged to 500 x 375]
    #[arg(long, value_name = "IMG")]
    pub input: Option<PathBuf>,
    /// Side of a view in pixels
    #[arg(long, default_value_t = 224, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub size: u32,
    /// Time for each pipeline and number of threads
    #[arg(long, default_value_t = 2000, value_name = "MS")]
    pub milliseconds: u64,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}
