//! `parallax bench`: what the operations of a step cost on a device, beside Burn's own; what views cost.

mod gpu_views;
mod kernels;
mod timer;
mod views;

use anyhow::Result;

use crate::cli::{BenchKernels, BenchViews};

/// What can be measured.
#[derive(clap::Subcommand)]
pub enum BenchCommand {
    /// Convolutions and batch norms of ResNet-18, ours and Burn's own
    Kernels(BenchKernels),
    /// Views a second of each pipeline, and the time of each operation
    Views(BenchViews),
}

/// Runs a benchmark and prints its table.
pub fn run(command: &BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Kernels(arguments) => kernels::run(arguments),
        BenchCommand::Views(arguments) => views::run(arguments),
    }
}
