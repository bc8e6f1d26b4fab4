//! `parallax detect`: training, evaluation and drawings of detectors.

mod evaluate;
mod find;
mod kind;
mod show;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::transfer::{Evaluated, Trained, train};
pub use kind::Detection;

#[derive(Args)]
pub struct Detect {
    #[command(subcommand)]
    command: DetectCommand,
}

#[derive(Subcommand)]
enum DetectCommand {
    /// Train Faster or Mask R-CNN from a backbone, and score it
    Train(Trained),
    /// Write the detections of a trained model in test images, and score them
    Eval(Evaluated),
    /// Draw what a trained model finds in an image
    Show(show::Show),
}

pub fn run(arguments: &Detect) -> Result<()> {
    match &arguments.command {
        DetectCommand::Train(arguments) => train::<Detection>(arguments),
        DetectCommand::Eval(arguments) => evaluate::run(arguments),
        DetectCommand::Show(arguments) => show::run(arguments),
    }
}
