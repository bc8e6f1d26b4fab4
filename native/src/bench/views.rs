//! `parallax bench views`.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use parallax_bench::{Bench, ViewLine, ViewSetting, views};
use parallax_data::{Source as _, decode, sample};
use parallax_gpu_views::runs_on;
use parallax_views::{Canvas, Image, Op, Pipeline, ViewKey, apply_all, draw_view};
use serde::Serialize;

use crate::cli::BenchViews;
use crate::device;

/// Views of a measurement. The same ones are repeated, and the fastest time counts.
const VIEWS: u32 = 40;
/// The fewest measurements.
const RUNS: u32 = 3;
/// Images of a batch on a GPU, with two views each.
const IMAGES: u32 = 16;

/// Views per second of a pipeline: drawn, computed and normalised.
#[derive(Serialize)]
struct Rate {
    pipeline: Pipeline,
    one_core: f64,
    all_cores: f64,
}

/// Time of an operation in seconds.
#[derive(Serialize)]
struct Time {
    operation: String,
    seconds: f64,
}

/// Prints pipelines and operations on the CPU, and batches where the device is a GPU.
pub fn run(arguments: &BenchViews) -> Result<()> {
    let image = image(arguments)?;
    let (size, cores) = (arguments.size, device::threads());
    let budget = Duration::from_millis(arguments.milliseconds);
    let mut rates = Vec::new();
    for pipeline in Pipeline::ALL {
        eprintln!("{pipeline}");
        rates.push(Rate {
            pipeline,
            one_core: alone(Views::new(&image, pipeline, size, 0), budget)?,
            all_cores: together(cores, budget, |thread| {
                Views::new(&image, pipeline, size, thread)
            })?,
        });
    }
    let times = operations(&image, size, budget)?;
    let opened = device::open(&arguments.on.device)?;
    let batches = batches(&opened.device, &image, size, budget)?;

    let (width, height) = (image.width, image.height);
    if arguments.json {
        let table = serde_json::json!({
            "width": width, "height": height, "size": size, "cores": cores,
            "pipelines": rates, "operations": times,
            "device": opened.name, "adapter": opened.adapter, "batches": batches,
        });
        println!("{table}");
        return Ok(());
    }
    println!(
        "views of {size} x {size} pixels per second, from a decoded image of {width} x {height}\n"
    );
    println!(
        "{:<18} {:>10} {:>14}",
        "pipeline",
        "one core",
        format!("{cores} threads")
    );
    for rate in &rates {
        let (name, one, all) = (rate.pipeline.name(), rate.one_core, rate.all_cores);
        println!("{name:<18} {one:>10.0} {all:>14.0}");
    }
    println!("\n{:<34} {:>14}", "operation", "microseconds");
    for time in &times {
        println!("{:<34} {:>14.1}", time.operation, time.seconds * 1e6);
    }
    if !batches.is_empty() {
        let (name, adapter) = (opened.name, opened.adapter);
        println!(
            "\na batch of {IMAGES} images, two views each, on {name} ({adapter}); bytes are per view\n"
        );
        let mut table = ViewLine::table();
        batches.iter().for_each(|line| table.push(line.cells()));
        print!("{table}");
    }
    Ok(())
}

/// Batches by kernels and by Burn's operations; empty where the device has no kernels.
fn batches(device: &Device, image: &Image, size: u32, budget: Duration) -> Result<Vec<ViewLine>> {
    let mut lines = Vec::new();
    if !runs_on(device) {
        return Ok(lines);
    }
    let begin = Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let bench = Bench::new(device, &clock, budget.as_secs_f64());
    let setting = ViewSetting {
        size,
        images: IMAGES,
    };
    let measured = views(&bench, image, &setting, |line| {
        eprintln!("{} by kernels and by Burn's operations", line.pipeline);
        lines.push(line.clone());
    });
    pollster::block_on(measured)?;
    Ok(lines)
}

/// The given image, or one of the sample resized to the size of a typical photo.
fn image(arguments: &BenchViews) -> Result<Image> {
    if let Some(path) = &arguments.input {
        let bytes = fs::read(path).with_context(|| format!("{} cannot be read", path.display()))?;
        return Ok(decode(&bytes, &path.display().to_string())?);
    }
    let photo = Op::Resize {
        width: 500,
        height: 375,
    };
    let sample = sample::test()?;
    Ok(photo.apply(sample.image(0)?.as_ref())?)
}

/// Computes views one by one, with reused buffers.
struct Views<'a> {
    image: &'a Image,
    pipeline: Pipeline,
    size: u32,
    thread: u32,
    canvas: Canvas,
    out: Vec<f32>,
}

impl<'a> Views<'a> {
    fn new(image: &'a Image, pipeline: Pipeline, size: u32, thread: u32) -> Self {
        Self {
            image,
            pipeline,
            size,
            thread,
            canvas: Canvas::default(),
            out: vec![0.0; 3 * (size * size) as usize],
        }
    }

    fn make(&mut self, number: u32) -> Result<()> {
        let Image { width, height, .. } = *self.image;
        let key = ViewKey {
            seed: 0,
            epoch: self.thread,
            sample: number / 2,
            view: (number % 2) as u16,
        };
        let ops = draw_view(self.pipeline, width, height, self.size, key);
        self.canvas.apply(self.image, &ops)?;
        self.canvas.write_normalized(&mut self.out)?;
        Ok(())
    }
}

/// Views per second of one thread, from the fastest time of each view.
fn alone(mut views: Views, budget: Duration) -> Result<f64> {
    let mut total = 0.0;
    for number in 0..VIEWS {
        total += seconds(budget / VIEWS, || views.make(number))?;
    }
    Ok(f64::from(VIEWS) / total)
}

/// Views per second of several threads together, in the fastest measurement.
fn together<'a>(threads: usize, budget: Duration, views: impl Fn(u32) -> Views<'a>) -> Result<f64> {
    let mut each: Vec<Views> = (0..threads as u32).map(views).collect();
    let fastest = seconds(budget, || {
        thread::scope(|scope| {
            let started: Vec<_> = each
                .iter_mut()
                .map(|views| scope.spawn(|| (0..VIEWS).try_for_each(|number| views.make(number))))
                .collect();
            started.into_iter().try_for_each(|thread| {
                let stopped = |_| Err(anyhow::anyhow!("a thread has stopped"));
                thread.join().unwrap_or_else(stopped)
            })
        })
    })?;
    Ok(f64::from(VIEWS) * threads as f64 / fastest)
}

/// The time of each operation on a view, without reading the pixels.
fn operations(image: &Image, size: u32, budget: Duration) -> Result<Vec<Time>> {
    let (width, height) = (image.width, image.height);
    let resize = Op::Resize {
        width: size,
        height: size,
    };
    let view = apply_all(image, std::slice::from_ref(&resize))?;
    let crop = Op::Crop {
        left: width / 8,
        top: height / 8,
        width: (3 * width / 4).max(1),
        height: (3 * height / 4).max(1),
    };
    let single = [
        Op::Hflip {},
        Op::Brightness { factor: 1.2 },
        Op::Contrast { factor: 0.8 },
        Op::Saturation { factor: 1.2 },
        Op::Hue { delta: 0.05 },
        Op::Grayscale {},
        Op::Blur { sigma: 0.7 },
        Op::Blur { sigma: 1.8 },
        Op::Solarize { threshold: 128 },
    ];
    let budget = budget / 4;
    let mut canvas = Canvas::default();
    let mut time = |image: &Image, ops: &[Op]| seconds(budget, || Ok(canvas.apply(image, ops)?));
    let read = time(&view, &[])?;
    let mut times = vec![Time {
        operation: format!("{crop}, {resize}"),
        seconds: time(image, &[crop.clone(), resize])?,
    }];
    for op in single {
        times.push(Time {
            operation: op.to_string(),
            seconds: (time(&view, std::slice::from_ref(&op))? - read).max(0.0),
        });
    }
    let mut out = vec![0.0; view.data.len()];
    canvas.apply(&view, &[])?;
    times.push(Time {
        operation: "normalise".to_string(),
        seconds: seconds(budget, || Ok(canvas.write_normalized(&mut out)?))?,
    });
    Ok(times)
}

/// Seconds of the fastest call of `work`.
fn seconds(budget: Duration, mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    work()?;
    let (begin, mut runs, mut fastest) = (Instant::now(), 0, f64::INFINITY);
    while begin.elapsed() < budget || runs < RUNS {
        let begin = Instant::now();
        work()?;
        fastest = fastest.min(begin.elapsed().as_secs_f64());
        runs += 1;
    }
    Ok(fastest)
}
