//! Features of a PyTorch checkpoint on a folder of images, and how well they classify every fifth of them.
//!
//!     cargo run --release --example linear_probe -- moco_v2_800ep_pretrain.pth.tar images/
//!
//! The checkpoint may be safetensors, any file of PyTorch's, or detectron2's `.pkl`, with the names of torchvision,
//! facebookresearch/moco, timm, solo-learn, lightly or detectron2.

mod folder;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use parallax_data::{Source, hold_out};
use parallax_probes::{knn_accuracy, linear_accuracy};
use parallax_train::{ONLINE, encoder_from, features};
use parallax_weights::Import;
use pollster::block_on;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let usage = "usage: linear_probe CHECKPOINT FOLDER";
    let checkpoint = arguments.next().context(usage)?;
    let images = arguments.next().context(usage)?;

    let device = Device::flex(); // the CPU
    let bytes = std::fs::read(&checkpoint).with_context(|| checkpoint.clone())?;
    let import = Import::read(&checkpoint, &bytes)?;
    println!(
        "{checkpoint}: {}, names of {}",
        import.packing, import.layout
    );
    let (encoder, recipe) = encoder_from(&import.file, ONLINE, &device)?;

    let (train, test) = hold_out(&folder::read(images.as_ref())?)?;
    let of = |source: &dyn Source| block_on(features(&encoder, source, recipe.views.size, &device));
    let (bank, held_out) = (of(&train)?, of(&test)?);
    println!(
        "{} features of {} images",
        bank.columns(),
        bank.rows() + held_out.rows()
    );
    println!("kNN    {:.1} %", knn_accuracy(&bank, &held_out)?);
    println!("linear {:.1} %", linear_accuracy(&bank, &held_out)?);
    Ok(())
}
