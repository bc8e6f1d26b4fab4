//! `parallax bench`: times of the operations of a step, ours and Burn's own, of whole steps, of detectors, of augmentation and of
//! loading.

mod data;
mod detect;
mod kernels;
mod step;
mod views;

use anyhow::Result;

use crate::cli::BenchViews;
use data::BenchData;
pub use data::step_seconds;

/// What can be measured.
#[derive(clap::Subcommand)]
pub enum BenchCommand {
    /// Every operation of a step, ours and Burn's own
    Kernels(kernels::BenchKernels),
    /// Views a second of each pipeline, and the time of each operation
    Views(BenchViews),
    /// Reading, decoding and augmenting the images of a data set, beside the step
    Data(BenchData),
    /// A training step of a ResNet
    Step(step::BenchStep),
    /// A training step of a detector, and the search of an image
    Detect(detect::BenchDetect),
}

/// Runs a benchmark and prints its table.
pub fn run(command: &BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Kernels(arguments) => kernels::run(arguments),
        BenchCommand::Views(arguments) => views::run(arguments),
        BenchCommand::Data(arguments) => data::run(arguments),
        BenchCommand::Step(arguments) => step::run(arguments),
        BenchCommand::Detect(arguments) => detect::run(arguments),
    }
}
