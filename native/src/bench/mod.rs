//! `parallax bench`: what the operations of a step cost on a device, beside Burn's own.

mod kernels;
mod timer;

use anyhow::Result;

use crate::cli::BenchKernels;

/// What can be measured.
#[derive(clap::Subcommand)]
pub enum BenchCommand {
    /// Convolutions and batch norms of ResNet-18, ours and Burn's own
    Kernels(BenchKernels),
}

/// Runs a benchmark and prints its table.
pub fn run(command: &BenchCommand) -> Result<()> {
    match command {
        BenchCommand::Kernels(arguments) => kernels::run(arguments),
    }
}
