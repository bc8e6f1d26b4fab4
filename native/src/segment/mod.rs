//! `parallax segment`: training, evaluation and drawings of segmenters.

mod find;
mod kind;
mod show;

use std::sync::Arc;

use anyhow::Result;
use clap::{Args, Subcommand};

use crate::data::annotated::SegmentationFolder;
use crate::transfer::{Evaluated, Shown, Trained, evaluate_given, train};
pub use kind::Segmentation;

#[derive(Args)]
pub struct Segment {
    #[command(subcommand)]
    command: SegmentCommand,
}

#[derive(Subcommand)]
enum SegmentCommand {
    /// Train DeepLabV3 from a backbone, and score it
    Train(Trained),
    /// Write the label maps of a trained model for test images, and score them
    Eval(Evaluated),
    /// Draw the classes that a trained model gives the pixels of an image
    Show(Shown),
}

pub fn run(arguments: &Segment) -> Result<()> {
    match &arguments.command {
        SegmentCommand::Train(arguments) => train::<Segmentation>(arguments),
        SegmentCommand::Eval(arguments) => evaluate(arguments),
        SegmentCommand::Show(arguments) => show::run(arguments),
    }
}

fn evaluate(arguments: &Evaluated) -> Result<()> {
    evaluate_given(arguments, |weights, device, watch| {
        let mut network = weights.network::<Segmentation>(device)?;
        let folder = SegmentationFolder::open(&arguments.test)?;
        weights.check_classes(&arguments.test, SegmentationFolder::classes().len())?;
        find::evaluate(&mut network, &Arc::new(folder), device, watch)
    })
}
