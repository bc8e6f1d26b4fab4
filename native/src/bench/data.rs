//! `parallax bench data`: images a second of reading, decoding and augmenting, beside what the step takes.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use parallax_data::decode::{JPEG_DECODER, decode};
use parallax_data::{DataError, Order, Source};
use parallax_train::{DataShape, Loader, Recipe, Run, Workers};
use parallax_views::{Canvas, Image, ViewKey, draw_view};
use serde_json::{Value, json};

use crate::cli::On;
use crate::data::{self, Encoded, SRC, Split};
use crate::prefetch::Threads;
use crate::{device, recipe};

/// Encoded images of a measurement, and the most bytes of them.
const IMAGES: usize = 512;
const BYTES: usize = 256 << 20;
/// Decoded images of a measurement.
const DECODED: usize = 64;
/// The fewest repetitions.
const RUNS: u32 = 3;

/// Arguments of `parallax bench data`.
#[derive(Args)]
pub struct BenchData {
    /// A recipe's name (see `recipes/`) or a file: its pipeline, views and batch size
    #[arg(default_value = "moco-v2")]
    pub recipe: String,
    #[arg(long, value_name = "SRC", help = format!("Images: {SRC}"))]
    pub data: Option<String>,
    #[command(flatten)]
    pub on: On,
    /// Override a value of the recipe, for example run.batch_size=64
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Numbers of loader threads, for example 1,2,4 [default: 1, 2, 4, ... to the cores]
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub threads: Vec<u16>,
    /// Time for each figure, at least three runs
    #[arg(long, default_value_t = 2000, value_name = "MS")]
    pub milliseconds: u64,
    /// Training steps to time, after a first one; 0 leaves the step out
    #[arg(long, default_value_t = 3)]
    pub steps: u32,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Images a second by a number of threads. What a source without files does not need is `None`.
struct Line {
    threads: usize,
    reading: Option<f64>,
    decoding: Option<f64>,
    views: f64,
    together: f64,
}

/// Prints a line for each number of threads, then the step.
pub fn run(arguments: &BenchData) -> Result<()> {
    let recipe = recipe::read(
        &arguments.recipe,
        arguments.data.as_deref(),
        &arguments.overrides,
    )?;
    let opened = device::open(&arguments.on.device)?;
    let (source, encoded) = data::open_encoded(&recipe.data.source, Split::Train)?;
    let budget = Duration::from_millis(arguments.milliseconds);
    let loader = Loader::new(&recipe, Arc::clone(&source), &opened.device)?;
    let bench = Bench::new(
        &recipe,
        source.as_ref(),
        encoded.as_deref().map(|encoded| encoded as &dyn Encoded),
        budget,
    )?;
    let mut lines = Vec::new();
    for threads in counts(&arguments.threads) {
        eprintln!("{threads} thread(s)");
        let workers = Threads::start(threads).context("no more threads can be started")?;
        lines.push(bench.line(threads, &workers, &loader)?);
    }
    let step = match arguments.steps {
        0 => None,
        steps => {
            eprintln!("steps of {} on {}", arguments.recipe, opened.name);
            let batch = loader.batch_size() as f64;
            let shape = DataShape::of(source.as_ref());
            let mut run = Run::new(recipe.clone(), shape, &opened.device)?;
            Some(batch / step_seconds(&mut run, &loader, steps)?)
        }
    };
    let device = format!("{} ({})", opened.name, opened.adapter);
    match arguments.json {
        true => println!("{}", bench.json(&recipe, &lines, step, &device)),
        false => bench.print(&arguments.recipe, &recipe, &lines, step, &device),
    }
    Ok(())
}

/// 1, 2, 4 and so on up to the cores, or those that were asked for.
fn counts(asked: &[u16]) -> Vec<usize> {
    if !asked.is_empty() {
        return asked.iter().map(|&count| usize::from(count)).collect();
    }
    let cores = device::threads();
    let powers = std::iter::successors(Some(1), |count| Some(2 * count));
    let mut counts: Vec<usize> = powers.take_while(|&count| count < cores).collect();
    counts.push(cores);
    counts
}

/// Seconds of the fastest of `steps` steps, behind a first one. Batches are loaded before the clock starts.
pub fn step_seconds(run: &mut Run, loader: &Loader, steps: u32) -> Result<f64> {
    let mut fastest = f64::INFINITY;
    for number in 0..=steps {
        let batch = loader.load(run.step_index())?;
        let begin = Instant::now();
        pollster::block_on(run.step(batch))?;
        if number > 0 {
            fastest = fastest.min(begin.elapsed().as_secs_f64());
        }
    }
    Ok(fastest)
}

/// What is measured: images in the order of a run.
struct Bench<'a> {
    name: String,
    encoded: Option<&'a dyn Encoded>,
    /// Places of the images in the source.
    indices: Vec<usize>,
    files: Vec<Vec<u8>>,
    images: Vec<Image>,
    recipe: &'a Recipe,
    budget: Duration,
}

impl<'a> Bench<'a> {
    fn new(
        recipe: &'a Recipe,
        source: &dyn Source,
        encoded: Option<&'a dyn Encoded>,
        budget: Duration,
    ) -> Result<Self> {
        let count = source.len().min(IMAGES);
        let order = Order::new(recipe.run.seed, source.len())?.batch(0, count);
        let mut indices: Vec<usize> = order.iter().map(|place| place.index as usize).collect();
        let mut files = Vec::new();
        if let Some(encoded) = encoded {
            let mut bytes = 0;
            for &index in &indices {
                let file = encoded.bytes(index)?;
                bytes += file.len();
                files.push(file);
                if bytes > BYTES {
                    break;
                }
            }
            indices.truncate(files.len());
        }
        let images = indices.iter().take(DECODED).map(|&index| {
            let image = source.image(index)?.into_owned();
            Ok::<_, DataError>(image)
        });
        Ok(Self {
            name: source.name().to_string(),
            encoded,
            images: images.collect::<Result<_, _>>()?,
            indices,
            files,
            recipe,
            budget,
        })
    }

    fn line(&self, threads: usize, workers: &Threads, loader: &Loader) -> Result<Line> {
        let (mut reading, mut decoding) = (None, None);
        if let Some(encoded) = self.encoded {
            let read = |place: usize| encoded.bytes(self.indices[place]).map(|_| ());
            reading = Some(self.rate(workers, self.indices.len(), read)?);
            let decoded = |place: usize| decode(&self.files[place], &self.name).map(|_| ());
            decoding = Some(self.rate(workers, self.files.len(), decoded)?);
        }
        let size = self.recipe.views.size;
        let views = self.recipe.method.name.spec().views as u16;
        let pixels = 3 * (size * size) as usize;
        let pipeline = self.recipe.pipeline();
        let augment = |place: usize| {
            thread_local! {
                static BUFFERS: std::cell::RefCell<(Canvas, Vec<f32>)> = std::cell::RefCell::default();
            }
            let image = &self.images[place % self.images.len()];
            BUFFERS.with_borrow_mut(|(canvas, out)| {
                out.resize(pixels, 0.0);
                for view in 0..views {
                    let key = ViewKey {
                        seed: self.recipe.run.seed,
                        epoch: 0,
                        sample: place as u32,
                        view,
                    };
                    let ops = draw_view(pipeline, image.width, image.height, size, key);
                    canvas
                        .apply(image, &ops)
                        .map_err(|error| error.to_string())?;
                    canvas
                        .write_normalized(out)
                        .map_err(|error| error.to_string())?;
                }
                Ok::<_, String>(())
            })
        };
        let views = self.rate(workers, 4 * DECODED, augment)?;
        Ok(Line {
            threads,
            reading,
            decoding,
            views,
            together: self.together(workers, loader)?,
        })
    }

    /// Images a second of `work` on each of `count` images, in the fastest round.
    fn rate<E: std::fmt::Display>(
        &self,
        workers: &Threads,
        count: usize,
        work: impl Fn(usize) -> Result<(), E> + Sync,
    ) -> Result<f64> {
        let failed = Mutex::new(None);
        let (begin, mut runs, mut fastest) = (Instant::now(), 0, f64::INFINITY);
        while begin.elapsed() < self.budget || runs < RUNS {
            let begin = Instant::now();
            workers.each(count, &|place| {
                if let Err(error) = work(place) {
                    let mut failed = failed.lock().unwrap_or_else(PoisonError::into_inner);
                    failed.get_or_insert(error.to_string());
                }
            });
            fastest = fastest.min(begin.elapsed().as_secs_f64());
            runs += 1;
        }
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => anyhow::bail!(error),
            None => Ok(count as f64 / fastest),
        }
    }

    /// Images a second of whole batches, from the source to the views, or to what a GPU makes them of.
    fn together(&self, workers: &Threads, loader: &Loader) -> Result<f64> {
        let (begin, mut step, mut fastest) = (Instant::now(), 0, f64::INFINITY);
        while begin.elapsed() < self.budget || step < u64::from(RUNS) {
            let begin = Instant::now();
            loader.load_with(step, workers)?;
            fastest = fastest.min(begin.elapsed().as_secs_f64());
            step += 1;
        }
        Ok(loader.batch_size() as f64 / fastest)
    }

    fn json(&self, recipe: &Recipe, lines: &[Line], step: Option<f64>, device: &str) -> Value {
        let lines = lines.iter().map(|line| {
            json!({
                "threads": line.threads, "reading": line.reading, "decoding": line.decoding,
                "views": line.views, "together": line.together,
            })
        });
        json!({
            "data": self.name, "pipeline": recipe.pipeline(), "size": recipe.views.size,
            "batch_size": recipe.run.batch_size, "views": recipe.method.name.spec().views,
            "images_per_second": lines.collect::<Vec<_>>(), "step_images_per_second": step,
            "device": device, "jpeg_decoder": JPEG_DECODER,
        })
    }

    fn print(&self, name: &str, recipe: &Recipe, lines: &[Line], step: Option<f64>, device: &str) {
        println!(
            "images a second of {}: {} view(s) of {} px by {}, JPEG by {JPEG_DECODER}\n",
            self.name,
            recipe.method.name.spec().views,
            recipe.views.size,
            recipe.pipeline()
        );
        println!(
            "{:>7} {:>12} {:>12} {:>12} {:>12}",
            "threads", "reading", "decoding", "views", "together"
        );
        let number = |rate: Option<f64>| rate.map_or("-".into(), |rate| format!("{rate:.0}"));
        for line in lines {
            println!(
                "{:>7} {:>12} {:>12} {:>12.0} {:>12.0}",
                line.threads,
                number(line.reading),
                number(line.decoding),
                line.views,
                line.together
            );
        }
        if let Some(step) = step {
            println!("\na step of {name} on {device} takes {step:.1} images a second");
        }
    }
}
