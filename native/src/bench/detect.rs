//! `parallax bench detect`: a training step of a detector, its parts, and the search of an image.

use std::time::Instant;

use anyhow::{Context as _, Result};
use burn::module::Module as _;
use clap::Args;
use parallax_bench::Table;
use parallax_transfer::detector::PartTime;
use parallax_transfer::{Detector, Example, Ranking, TransferRecipe, TransferRun};
use parallax_views::Image;
use pollster::block_on;
use serde_json::json;

use crate::cli::On;
use crate::device;
use crate::memory;
use crate::usage::BadArgument;

/// Objects in an image.
const OBJECTS: usize = 5;

#[derive(Args)]
pub struct BenchDetect {
    /// A recipe of a detector
    #[arg(long, value_name = "NAME", default_value = "voc07-c4")]
    pub recipe: String,
    /// Height of the images
    #[arg(long, default_value_t = 480)]
    pub height: u32,
    /// Width of the images
    #[arg(long, default_value_t = 640)]
    pub width: u32,
    /// Steps to time, after one that is not
    #[arg(long, default_value_t = 3)]
    pub steps: usize,
    #[command(flatten)]
    pub on: On,
    /// Override a value of the recipe, for example detector.roi_batch=64
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Time each part of the model forward and backward, too
    #[arg(long)]
    pub parts: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Prints seconds a step and seconds an image.
pub fn run(arguments: &BenchDetect) -> Result<()> {
    let name = &arguments.recipe;
    let text = parallax_recipes::transfer(name)
        .ok_or_else(|| BadArgument(format!("there is no recipe '{name}' of a detector")))?;
    let recipe = TransferRecipe::parse(text, &arguments.overrides)
        .map_err(|error| BadArgument(error.to_string()))?;
    let opened = device::open(&arguments.on.device)?;
    let graph = opened.device.clone().autodiff();
    let fresh = Detector::new(&recipe, &graph)?;
    let batch: Vec<Example> = (0..recipe.run.batch_size)
        .map(|number| example(number, arguments, &recipe))
        .collect();
    let mut run = TransferRun::new(recipe, fresh, &graph);
    let mut seconds = Vec::new();
    for number in 0..=arguments.steps {
        let begin = Instant::now();
        let report = block_on(run.step(&batch, Ranking::Keys))?;
        let took = begin.elapsed().as_secs_f64();
        eprintln!("step {number}: {took:.2} s, loss {:.3}", report.loss);
        seconds.push(took);
    }
    let step = median(&seconds[1..]).context("--steps must be 1 or more")?;
    let peak = memory::peak();
    let parts = match arguments.parts {
        true => part_times(&run, &batch, arguments.steps)?,
        false => Vec::new(),
    };
    let mut model = run.model().valid();
    let size = [arguments.height, arguments.width];
    let mut seconds = Vec::new();
    for number in 0..=arguments.steps {
        let begin = Instant::now();
        let image = &batch[number % batch.len()].image;
        let found = block_on(model.detect(run.plan(), image, size, &opened.device))?;
        let took = begin.elapsed().as_secs_f64();
        eprintln!("image {number}: {took:.2} s, {} objects", found.len());
        seconds.push(took);
    }
    let image = median(&seconds[1..]).context("--steps must be 1 or more")?;
    let device = format!("{} ({})", opened.name, opened.adapter);
    if arguments.json {
        let part = |part: &PartTime| {
            let PartTime {
                name,
                forward,
                backward,
            } = part;
            json!({ "name": name, "forward_seconds": forward, "backward_seconds": backward })
        };
        let parts: Vec<_> = parts.iter().map(part).collect();
        let line = json!({
            "device": device, "step_seconds": step, "image_seconds": image, "peak_bytes": peak, "parts": parts,
        });
        println!("{line}");
        return Ok(());
    }
    let (count, height, width) = (batch.len(), arguments.height, arguments.width);
    println!(
        "{name} on {device}, {count} images of {height} x {width}; medians of {}\n",
        arguments.steps
    );
    println!("training step   {step:8.2} s");
    println!("search          {image:8.2} s an image");
    if let Some(peak) = peak {
        println!(
            "peak memory     {:>8} of the process, training",
            memory::size(peak)
        );
    }
    if !parts.is_empty() {
        print!("\n{}", table(&parts, step));
    }
    Ok(())
}

/// Medians of `rounds` rounds behind one that is not counted.
fn part_times(
    run: &TransferRun<Detector>,
    batch: &[Example],
    rounds: usize,
) -> Result<Vec<PartTime>> {
    let begin = Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let mut model = run.model().clone();
    let mut found = Vec::new();
    for number in 0..=rounds {
        let round = model.part_times(run.plan(), batch, run.mode(), &clock, run.device());
        let round = block_on(round)?;
        eprintln!("parts, round {number}");
        if number > 0 {
            found.push(round);
        }
    }
    let of = |at: usize, seconds: fn(&PartTime) -> f64| {
        let all: Vec<f64> = found.iter().map(|round| seconds(&round[at])).collect();
        median(&all).unwrap_or(f64::NAN)
    };
    let first = found.first().map_or(&[][..], Vec::as_slice);
    let parts = first.iter().enumerate().map(|(at, part)| PartTime {
        name: part.name.clone(),
        forward: of(at, |part| part.forward),
        backward: of(at, |part| part.backward),
    });
    Ok(parts.collect())
}

/// The parts with their share of a step, and what is left of it.
fn table(parts: &[PartTime], step: f64) -> Table {
    let mut table = Table::new(&["part"], &["forward, s", "backward, s", "of a step"]);
    let share = |seconds: f64| format!("{:.1} %", 100.0 * seconds / step);
    let mut rest = step;
    for PartTime {
        name,
        forward,
        backward,
    } in parts
    {
        rest -= forward + backward;
        let (seconds, of_step) = ([forward, backward], share(forward + backward));
        let [forward, backward] = seconds.map(|seconds| format!("{seconds:.2}"));
        table.push(vec![name.clone(), forward, backward, of_step]);
    }
    let none = || "-".to_string();
    table.push(vec![
        "losses, update".to_string(),
        none(),
        none(),
        share(rest),
    ]);
    table
}

fn median(seconds: &[f64]) -> Option<f64> {
    let mut sorted = seconds.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// A pattern with objects along its diagonal.
fn example(number: usize, arguments: &BenchDetect, recipe: &TransferRecipe) -> Example {
    let (height, width) = (arguments.height, arguments.width);
    let values = 0..3 * height * width;
    let mixed = |at: u32| (at.wrapping_mul(0x9E37_79B1).wrapping_add(number as u32) >> 24) as u8;
    let boxes = (0..OBJECTS).map(|at| {
        let (h, w) = (height as f32, width as f32);
        let (low, high) = (at as f32 / 8.0, (at + 3) as f32 / 8.0);
        [low * w, low * h, high * w, high * h]
    });
    let boxes: Vec<[f32; 4]> = boxes.collect();
    let polygons = boxes.iter().map(|corners| {
        let [x1, y1, x2, y2] = corners.map(f64::from);
        vec![vec![x1, y1, x2, y1, x2, y2, x1, y2]]
    });
    Example {
        image: Image {
            width,
            height,
            data: values.map(mixed).collect(),
        },
        classes: (0..OBJECTS).map(|at| at % recipe.model.classes).collect(),
        polygons: polygons.collect(),
        boxes,
    }
}
