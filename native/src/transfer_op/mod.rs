//! `parallax transfer-op`: one operation of a detector on given tensors, for comparison with another implementation.

mod on_device;
mod ops;
mod params;
pub mod tensors;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::cli::On;
use crate::whole::{read_given, write_whole};
use params::Params;
use tensors::{Inputs, Outputs};

#[derive(Args)]
pub struct TransferOp {
    /// The operation
    #[arg(value_enum)]
    pub op: Op,
    /// Its tensors, by name
    #[arg(long, value_name = "FILE")]
    pub inputs: PathBuf,
    /// Its parameters: a JSON object
    #[arg(long, value_name = "FILE")]
    pub params: PathBuf,
    /// The results: safetensors
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    #[command(flatten)]
    pub on: On,
}

/// The operations. roi-align, bilinear and hard-pixels run on --device, the others on the CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Op {
    /// Anchors of feature maps: grids [levels, 2]; strides, sizes, ratios
    Anchors,
    /// Deltas from boxes to targets: boxes, targets [n, 4]; weights
    Encode,
    /// Boxes moved by deltas: boxes [n, 4], deltas [n, 4 k]; weights
    Decode,
    /// IoU of a [n, 4] with b [m, 4]
    Iou,
    /// Labels of boxes: gt, boxes [n, 4]; thresholds, labels, low_quality
    Match,
    /// Places of sampled boxes: labels [n]; count, positive_fraction, background
    Sample,
    /// Places of boxes that survive: boxes, scores, groups; threshold
    Nms,
    /// The best boxes of levels: boxes.L, logits.L; image, pre_nms, post_nms, threshold
    Proposals,
    /// Level of a pyramid of each box: boxes; min_level, max_level, canonical_size, canonical_level
    Levels,
    /// Masks of polygons: polygons [v, 2], polygon_splits [p, 2], and boxes with size, or height and width
    Rasterize,
    /// Masks drawn into an image: masks [n, m, m], boxes [n, 4]; height, width, threshold
    Paste,
    /// Detections: boxes [n, 4], logits [n, k + 1], deltas [n, 4 k]; image, output, score, nms, top, weights
    Detections,
    /// Features of regions: features [n, c, h, w], rois [r, 5] (image, box), grad; scale, output, sampling_ratio, aligned
    RoiAlign,
    /// Features interpolated: x [n, c, h, w], grad; scale
    Bilinear,
    /// Mean loss of the hardest pixels: logits [n, k, h, w], labels [n, H, W]; ignore, share, stride
    HardPixels,
}

/// Computes the operation and writes its results.
pub fn run(arguments: &TransferOp) -> Result<()> {
    let inputs = Inputs::parse(&read_given(&arguments.inputs)?)
        .with_context(|| arguments.inputs.display().to_string())?;
    let params = Params::parse(&read_given(&arguments.params)?)
        .with_context(|| arguments.params.display().to_string())?;
    let mut outputs = Outputs::default();
    let on = &arguments.on.device;
    ops::compute(arguments.op, &inputs, &params, &mut outputs, on)?;
    params
        .all_read()
        .with_context(|| arguments.params.display().to_string())?;
    write_whole(&arguments.out, &outputs.to_bytes()?)
}
