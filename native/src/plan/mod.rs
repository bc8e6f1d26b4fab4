//! `parallax plan`: what a run will take, before it starts.

mod estimate;
mod measure;

use anyhow::{Context as _, Result};
use clap::Args;
use parallax_train::{DataShape, Recipe};
use serde_json::json;

use crate::cli::On;
use crate::data::{self, OnBadImage, SRC, Split};
use crate::memory::size;
use crate::study::duration;
use crate::usage::BadArgument;
use crate::{device, recipe};
use estimate::{Estimate, Rates};
use measure::Profile;

pub use estimate::line;

/// Arguments of `parallax plan`.
#[derive(Args)]
pub struct Plan {
    /// A recipe's name (see `recipes/`) or a file
    pub recipe: String,
    /// Override a value of the recipe, for example run.batch_size=1024
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    #[arg(long, value_name = "SRC", help = format!("Images: {SRC}"))]
    pub data: Option<String>,
    /// So many images instead, of 1,000 classes and the mean size of ImageNet's files
    #[arg(long, value_name = "N", conflicts_with = "data")]
    pub images: Option<usize>,
    /// Devices like this one
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=4096))]
    pub gpus: u16,
    #[command(flatten)]
    pub on: On,
    /// Reckon with a device that was measured elsewhere instead of timing steps: h100 or h100-f16
    #[arg(long, value_name = "NAME")]
    pub profile: Option<String>,
    /// Steps to time, after a first one
    #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub steps: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Bytes of a file of ImageNet's training set: 137.8 GiB (147.9e9 bytes) over 1,281,167 images.
const FILE: f64 = 147.9e9 / 1_281_167.0;

/// Prints the plan.
pub fn run(arguments: &Plan) -> Result<()> {
    let recipe = recipe::read(
        &arguments.recipe,
        arguments.data.as_deref(),
        &arguments.overrides,
    )?;
    let gpus = usize::from(arguments.gpus);
    let batch = recipe.run.batch_size;
    if batch % gpus != 0 {
        let message = format!(
            "{gpus} devices cannot share a batch of {batch}: choose a divisor, or another run.batch_size"
        );
        return Err(BadArgument(message).into());
    }
    let profile = arguments
        .profile
        .as_deref()
        .map(Profile::named)
        .transpose()?;
    let (shape, file, images) = images(arguments, &recipe)
        .context("the images are not there; --images N plans without them")?;
    if recipe.total_steps(shape) == 0 {
        let message = format!("{} images are less than a batch of {batch}", shape.examples);
        return Err(BadArgument(message).into());
    }
    let (rates, device) = match profile {
        Some(profile) => (
            profile.rates(&recipe, shape.targets)?,
            profile.name.to_string(),
        ),
        None => {
            let opened = device::open(&arguments.on.device)?;
            opened.suits(&recipe)?;
            let name = format!("{} ({})", opened.name, opened.adapter);
            (
                measure::rates(&recipe, &opened, batch / gpus, arguments.steps)?,
                name,
            )
        }
    };
    let estimate = Estimate::of(&recipe, shape, gpus, &rates, file);
    match arguments.json {
        true => println!("{}", as_json(&estimate, &rates, &device)),
        false => print(
            &arguments.recipe,
            &recipe,
            &estimate,
            &rates,
            &[images, device],
        ),
    }
    Ok(())
}

/// Number and classes of the images, the mean size of a file where they are files, and what they are called.
fn images(arguments: &Plan, recipe: &Recipe) -> Result<(DataShape, Option<f64>, String)> {
    if let Some(images) = arguments.images {
        let name = format!("{images} images");
        return Ok((DataShape::new(images, 1000), Some(FILE), name));
    }
    let spec = &recipe.data.source;
    let (_, encoded) = data::open_encoded(spec, Split::Train)?;
    // The subset and the groups of the recipe.
    let source = crate::sources::Sources::open(recipe, OnBadImage::Error)?.train;
    let shape = DataShape::of(source.as_ref());
    let file = match encoded {
        None => None,
        Some(encoded) => {
            let count = source.len().min(64);
            let place = |number: usize| number * (source.len() / count);
            let bytes = (0..count).map(|number| Ok(encoded.bytes(place(number))?.len()));
            let bytes: Vec<usize> = bytes.collect::<Result<_>>()?;
            Some(bytes.iter().sum::<usize>() as f64 / count as f64)
        }
    };
    Ok((shape, file, format!("{} images of {spec}", shape.examples)))
}

fn print(
    name: &str,
    recipe: &Recipe,
    estimate: &Estimate,
    rates: &Rates,
    [images, device]: &[String; 2],
) {
    let gpus = estimate.devices;
    let several = if gpus == 1 {
        String::new()
    } else {
        format!("{gpus} x ")
    };
    let each = if gpus == 1 { "" } else { " each" };
    println!("{name} on {several}{device}, {images}\n");
    let row = |label: &str, text: String| println!("{label:<11} {text}");
    let millions = |values: u64| format!("{:.1} million", values as f64 / 1e6);
    row("parameters", millions(estimate.cost.parameters));
    row(
        "steps",
        format!(
            "{} of {} images ({} a device), {:.4} epochs",
            estimate.steps,
            recipe.run.batch_size,
            recipe.run.batch_size / gpus,
            estimate.epochs
        )
        .replace(".0000 ", " "),
    );
    let memory = &estimate.memory;
    row("memory", format!("{}{each}", size(memory.total())));
    let parts = [
        ("networks", memory.networks),
        ("queue", memory.queue),
        ("activations", memory.activations),
        ("work", memory.work),
    ];
    let parts = parts.into_iter().filter(|(_, bytes)| *bytes > 0);
    let parts = parts.map(|(name, bytes)| format!("{name} {}", size(bytes)));
    row("", parts.collect::<Vec<_>>().join(", "));
    row(
        "step",
        format!(
            "{:.3} s, {} images/s{}",
            estimate.step_seconds,
            rate(estimate.images_per_second),
            match rates.timed {
                Some(batch) if batch < recipe.run.batch_size / gpus =>
                    format!(" (timed with {batch} images a device)"),
                Some(_) => " (timed)".to_string(),
                None => " (by multiply-adds)".to_string(),
            }
        ),
    );
    if gpus > 1 {
        row(
            "network",
            format!(
                "{} sent by each device a step",
                size(estimate.network_bytes)
            ),
        );
    }
    if let Some(bytes) = estimate.read_bytes_per_second {
        row("reading", format!("{}/s of files", size(bytes as u64)));
    }
    row(
        "loading",
        format!(
            "{:.0} images/s a core{}: {:.1} cores keep up",
            rates.loaded,
            match estimate.read_bytes_per_second {
                Some(_) => " (500 x 375 JPEG)",
                None => "",
            },
            estimate.images_per_second / rates.loaded
        ),
    );
    row(
        "disk",
        format!(
            "{} for {} checkpoint{}",
            size(estimate.disk_bytes),
            estimate.checkpoints,
            if estimate.checkpoints == 1 { "" } else { "s" }
        ),
    );
    row(
        "time",
        format!("{}, without evaluations", duration(estimate.seconds)),
    );
    println!("\nBinds first: {}", estimate.binds(rates));
    if gpus > 1 {
        println!("The time is without the exchange between devices: docs/scaling.md.");
    }
}

/// Two digits at least.
fn rate(images_per_second: f64) -> String {
    match images_per_second {
        rate if rate >= 10.0 => format!("{rate:.0}"),
        rate => format!("{rate:.2}"),
    }
}

fn as_json(estimate: &Estimate, rates: &Rates, device: &str) -> serde_json::Value {
    let memory = &estimate.memory;
    json!({
        "device": device,
        "devices": estimate.devices,
        "parameters": estimate.cost.parameters,
        "steps": estimate.steps,
        "epochs": estimate.epochs,
        "memory_bytes": memory.total(),
        "memory": {
            "networks": memory.networks, "queue": memory.queue, "activations": memory.activations, "workspace": memory.work,
        },
        "step_seconds": estimate.step_seconds,
        "images_per_second": estimate.images_per_second,
        "timed_batch": rates.timed,
        "network_bytes_per_step": estimate.network_bytes,
        "read_bytes_per_second": estimate.read_bytes_per_second,
        "loaded_images_per_second_per_core": rates.loaded,
        "checkpoints": estimate.checkpoints,
        "disk_bytes": estimate.disk_bytes,
        "seconds": estimate.seconds,
        "binds": estimate.binds(rates),
    })
}
