//! `parallax bench step`.

use std::time::Instant;

use anyhow::Result;
use clap::Args;
use parallax_bench::{Bench, Setting, StepReport, StepSetting, step};

use parallax_nets::{Arch, Stem};
use parallax_train::Precision;
use serde::de::DeserializeOwned;

use crate::cli::On;
use crate::device;

#[derive(Args)]
pub struct BenchStep {
    #[command(flatten)]
    pub on: On,
    /// resnet18 (default) to resnet101
    #[arg(long, default_value = "resnet18", value_parser = named::<Arch>)]
    pub arch: Arch,
    /// cifar (default), for small images, or imagenet
    #[arg(long, default_value = "cifar", value_parser = named::<Stem>)]
    pub stem: Stem,
    /// f32 (default), f16, bf16 or f16-operands
    #[arg(long, default_value = "f32", value_parser = named::<Precision>)]
    pub precision: Precision,
    /// Channels of the first stage
    #[arg(long, default_value_t = 16)]
    pub width: usize,
    /// Side of an image in pixels
    #[arg(long, default_value_t = 32)]
    pub size: usize,
    /// Images in a batch
    #[arg(long, default_value_t = 8)]
    pub batch: usize,
    /// Steps behind the first
    #[arg(long, default_value_t = 20)]
    pub steps: usize,
    /// List the kernels that a step launches on a GPU, counted
    #[arg(long)]
    pub launches: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Reads a name as recipes have it.
fn named<T: DeserializeOwned>(name: &str) -> Result<T, String> {
    let value = serde_json::Value::from(name);
    serde_json::from_value(value).map_err(|error| error.to_string())
}

/// Prints one line.
pub fn run(arguments: &BenchStep) -> Result<()> {
    let setting = StepSetting {
        of: Setting {
            width: arguments.width,
            size: arguments.size,
            batch: arguments.batch,
        },
        steps: arguments.steps,
        arch: arguments.arch,
        stem: arguments.stem,
        precision: arguments.precision,
    };
    let opened = device::open(&arguments.on.device)?;
    arguments.precision.check(&opened.device)?;
    let begin = Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(&opened.device, &clock, 0.0);
    let report = pollster::block_on(step(&bench, &setting, |number, seconds| {
        eprintln!("step {number}: {:.1} ms", seconds * 1e3);
    }))?;
    let device = format!("{} ({})", opened.name, opened.adapter);
    if arguments.json {
        println!(
            "{}",
            serde_json::json!({ "device": device, "report": report })
        );
        return Ok(());
    }
    println!(
        "A training step of {:?} of width {} in {} at {} px, batch {}; median of {} steps\n",
        arguments.arch,
        arguments.width,
        arguments.precision.name(),
        arguments.size,
        arguments.batch,
        report.steps
    );
    let mut table = StepReport::table();
    table.push(report.cells(&format!("Parallax, {device}")));
    print!("{table}");
    if arguments.launches {
        print!("\n{}", report.launch_table());
    }
    Ok(())
}
