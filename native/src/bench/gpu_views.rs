//! Views on a GPU for `parallax bench views`: our kernels beside the same operations as Burn's tensors do them.
//!
//! The comparison is a favourable one for Burn: its operations are in floats, do not round to 8 bits in between, do not
//! antialias, and shift the hue by a matrix.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;
use burn::tensor::module::{conv2d, interpolate};
use burn::tensor::ops::{ConvOptions, InterpolateMode, InterpolateOptions};
use burn::tensor::{Device, Tensor, TensorData};
use parallax_bench::Bench;
use parallax_gpu_views::{Packer, ViewBatch, runs_on};
use parallax_views::{Image, MEAN, Op, Pipeline, STD, ViewKey, draw_view};
use serde::Serialize;

/// Pictures of a batch; each has two views.
const PICTURES: u32 = 16;

/// Figures of one pipeline. Bytes and times are those of a batch.
#[derive(Debug, Serialize)]
pub struct Line {
    pipeline: Pipeline,
    views: usize,
    dispatches: u64,
    uploaded: u64,
    read: u64,
    written: u64,
    minimum: u64,
    shared: u64,
    /// Seconds that a thread takes to turn pictures and operations into what the device reads.
    pack: f64,
    /// Seconds from there to the normalised views.
    kernels: f64,
    /// Seconds that Burn's operations take from the picture on the device.
    burn: f64,
}

/// The table of all pipelines.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub struct Table(Vec<Line>);

impl Table {
    /// Whether nothing was measured.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Measures every pipeline on a device, with views of `size` pixels of one picture; nothing where the device has no
/// kernels.
pub fn measure(device: &Device, image: &Image, size: u32, budget: Duration) -> Result<Table> {
    if !runs_on(device) {
        return Ok(Table(Vec::new()));
    }
    let begin = Instant::now();
    let clock = || begin.elapsed().as_secs_f64();
    let on = |device: &Device| Bench::new(device, &clock, budget.as_secs_f64());
    let (here, host) = (on(device), on(&Device::flex()));
    let mut lines = Vec::new();
    for pipeline in Pipeline::ALL {
        eprintln!("{pipeline} by kernels and by Burn's operations");
        let lists: Vec<[Vec<Op>; 2]> = (0..PICTURES)
            .map(|sample| {
                [0, 1].map(|view| {
                    let key = ViewKey {
                        seed: 0,
                        epoch: 0,
                        sample,
                        view,
                    };
                    draw_view(pipeline, image.width, image.height, size, key)
                })
            })
            .collect();
        let batch = pack(image, &lists)?;
        let cost = batch.cost();
        let mut failed = Ok(());
        let kernels = pollster::block_on(here.measure(|| {
            if let Err(error) = batch.normalized(device) {
                failed = Err(error);
            }
        }))?;
        failed?;
        let mut failed = Ok(());
        let packing = pollster::block_on(host.measure(|| {
            failed = pack(image, &lists).map(|_| ());
        }))?;
        failed?;
        let burn = pollster::block_on(here.measure(|| {
            let source = source(image, device);
            for view in [0, 1] {
                let views = lists.iter().map(|pair| augmented(&source, &pair[view]));
                Tensor::cat(views.collect(), 0);
            }
        }))?;
        lines.push(Line {
            pipeline,
            views: 2 * PICTURES as usize,
            dispatches: cost.dispatches,
            uploaded: cost.uploaded,
            read: cost.read,
            written: cost.written,
            minimum: cost.minimum,
            shared: cost.shared,
            pack: packing.seconds,
            kernels: kernels.seconds,
            burn: burn.seconds,
        });
    }
    Ok(Table(lines))
}

fn pack(image: &Image, lists: &[[Vec<Op>; 2]]) -> Result<ViewBatch> {
    let mut packer = Packer::default();
    for pair in lists {
        packer.add(image, pair)?;
    }
    Ok(packer.finish()?)
}

/// `[1, 3, height, width]` with values from 0 to 1.
fn source(image: &Image, device: &Device) -> Tensor<4> {
    let values: Vec<f32> = image.data.iter().map(|v| f32::from(*v) / 255.0).collect();
    let shape = [1, image.height as usize, image.width as usize, 3];
    Tensor::<4>::from_data(TensorData::new(values, shape), device).permute([0, 3, 1, 2])
}

/// The operations as tensors do them, and the normalisation.
fn augmented(source: &Tensor<4>, ops: &[Op]) -> Tensor<4> {
    let device = source.device();
    let mut x = source.clone();
    for op in ops {
        x = applied(x, op, &device);
    }
    let channel = |values: [f32; 3]| {
        Tensor::<4>::from_data(TensorData::new(values.to_vec(), [1, 3, 1, 1]), &device)
    };
    (x - channel(MEAN)) / channel(STD)
}

fn luma(x: &Tensor<4>) -> Tensor<4> {
    let weights = TensorData::new(vec![0.299f32, 0.587, 0.114], [1, 3, 1, 1]);
    (x.clone() * Tensor::<4>::from_data(weights, &x.device())).sum_dim(1)
}

fn blend(x: Tensor<4>, base: Tensor<4>, factor: f64) -> Tensor<4> {
    (x * factor + base * (1.0 - factor)).clamp(0.0, 1.0)
}

fn applied(x: Tensor<4>, op: &Op, device: &Device) -> Tensor<4> {
    let [_, _, height, width] = x.dims();
    let range = |start: u32, len: u32| start as usize..(start + len) as usize;
    match *op {
        Op::Crop {
            left,
            top,
            width,
            height,
        } => x.slice([0..1, 0..3, range(top, height), range(left, width)]),
        Op::Resize { width, height } => {
            let options = InterpolateOptions::new(InterpolateMode::Bilinear)
                .with_align_corners(false)
                .with_output_size([height as usize, width as usize]);
            interpolate(x, options)
        }
        Op::Hflip {} => x.flip([3]),
        Op::Brightness { factor } => (x * factor).clamp(0.0, 1.0),
        Op::Contrast { factor } => {
            let mean = luma(&x).mean().reshape([1, 1, 1, 1]);
            blend(x, mean, factor)
        }
        Op::Saturation { factor } => {
            let grey = luma(&x);
            blend(x, grey, factor)
        }
        Op::Hue { delta } => {
            let rotation = TensorData::new(hue_rotation(delta), [3, 3]);
            let rotation = Tensor::<2>::from_data(rotation, device);
            let turned = rotation.matmul(x.reshape([3, height * width]));
            turned.reshape([1, 3, height, width]).clamp(0.0, 1.0)
        }
        Op::Grayscale {} => luma(&x).repeat_dim(1, 3),
        Op::Blur { sigma } => {
            let options = |padding| ConvOptions::new([1, 1], padding, [1, 1], 3);
            let radius = (3.0 * sigma).ceil().max(1.0) as usize;
            let taps: Vec<f32> = (0..=2 * radius)
                .map(|tap| (tap as f64 - radius as f64) / sigma.max(1e-3))
                .map(|apart| (-0.5 * apart * apart).exp() as f32)
                .collect();
            let sum: f32 = taps.iter().sum();
            let taps: Vec<f32> = taps.repeat(3).iter().map(|tap| tap / sum).collect();
            let weight =
                |shape| Tensor::<4>::from_data(TensorData::new(taps.clone(), shape), device);
            let side = 2 * radius + 1;
            let x = conv2d(x, weight([3, 1, 1, side]), None, options([0, radius]));
            conv2d(x, weight([3, 1, side, 1]), None, options([radius, 0]))
        }
        Op::Solarize { threshold } => {
            let inverted = 1.0 - x.clone();
            let mask = x.clone().greater_equal_elem(f64::from(threshold) / 255.0);
            x.mask_where(mask, inverted)
        }
    }
}

/// A rotation of the colour plane of YIQ, seen from RGB.
fn hue_rotation(turns: f64) -> Vec<f32> {
    let (sin, cos) = (std::f64::consts::TAU * turns).sin_cos();
    let keep = [0.299, 0.587, 0.114];
    let towards = [
        [0.701, -0.587, -0.114],
        [-0.299, 0.413, -0.114],
        [-0.299, -0.587, 0.886],
    ];
    let across = [
        [0.168, 0.330, -0.497],
        [-0.328, 0.035, 0.292],
        [1.250, -1.050, -0.203],
    ];
    (0..9)
        .map(|at| {
            let (row, column) = (at / 3, at % 3);
            (keep[column] + cos * towards[row][column] + sin * across[row][column]) as f32
        })
        .collect()
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<16} {:>5} {:>10} {:>10} {:>9} {:>9} {:>9} {:>7} {:>9} {:>10} {:>9} {:>6}",
            "pipeline",
            "views",
            "dispatches",
            "uploaded",
            "read",
            "written",
            "minimum",
            "shared",
            "pack ms",
            "kernels ms",
            "Burn ms",
            "ratio"
        )?;
        for line in &self.0 {
            let each = |bytes: u64| format!("{:.1} KB", bytes as f64 / line.views as f64 / 1e3);
            writeln!(
                f,
                "{:<16} {:>5} {:>10} {:>10} {:>9} {:>9} {:>9} {:>7} {:>9.2} {:>10.2} {:>9.2} {:>6.2}",
                line.pipeline.name(),
                line.views,
                line.dispatches,
                each(line.uploaded),
                each(line.read),
                each(line.written),
                each(line.minimum),
                line.shared,
                1e3 * line.pack,
                1e3 * line.kernels,
                1e3 * line.burn,
                line.burn / line.kernels
            )?;
        }
        Ok(())
    }
}
