//! Self-supervised visual pre-training: the command line.

mod bench;
mod cli;
mod data;
mod device;
mod devices;
mod knn;
mod prefetch;
mod pretrain;
mod progress;
mod recipe;
mod run_folder;
mod sources;
mod tensorboard;
mod usage;

use std::process::ExitCode;

use clap::Parser as _;
use parallax_train::RecipeError;

use cli::{Cli, Command};
use usage::BadArgument;

/// A step frees and takes the same large buffers over and over; the system's allocator gives them back to the
/// kernel each time, and faulting them in anew costs as much as the work on them.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let command = Cli::parse().command;
    // From one of the pool's own threads: handing it work from outside costs two thread switches an operation.
    let done = rayon::scope(|_| match command {
        Command::Pretrain(arguments) => pretrain::run(&arguments),
        Command::Knn(arguments) => knn::run(&arguments),
        Command::Devices { json } => devices::run(json),
        Command::Bench { command } => bench::run(&command),
        Command::Data { command } => data::cli::run(command),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(if is_usage(&error) { 2 } else { 1 })
        }
    }
}

fn is_usage(error: &anyhow::Error) -> bool {
    error
        .chain()
        .any(|cause| cause.is::<RecipeError>() || cause.is::<BadArgument>())
}
