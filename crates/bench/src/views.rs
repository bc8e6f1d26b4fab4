//! Views of a batch: our kernels, or our CPU engine where a device has none, compared with the same operations on Burn's
//! tensors.

use burn::tensor::{Device, Tensor};
use parallax_gpu_views::{Cost, Packer, ViewBatch, ViewError, runs_on};
use parallax_rng::{Draws, Stream};
use parallax_views::{Canvas, Image, Op, Pipeline, ViewKey, draw_view};
use serde::Serialize;

use crate::stock_views;
use crate::table::{Table, dash, number};
use crate::timer::{Bench, BenchError, Measured};

/// The batch of views to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ViewSetting {
    /// Width and height of a view in pixels.
    pub size: u32,
    /// Images of the batch: copies of one image, each with two views of its own.
    pub images: u32,
}

impl ViewSetting {
    fn check(&self) -> Result<(), BenchError> {
        match self {
            Self { size: 0, .. } => Err(BenchError::Zero("the side of a view")),
            Self { images: 0, .. } => Err(BenchError::Zero("the number of images")),
            _ => Ok(()),
        }
    }

    /// The operations of both views of every image.
    pub fn lists(&self, pipeline: Pipeline, image: &Image) -> Vec<[Vec<Op>; 2]> {
        let list = |sample, view| {
            let key = ViewKey {
                seed: 0,
                epoch: 0,
                sample,
                view,
            };
            draw_view(pipeline, image.width, image.height, self.size, key)
        };
        let pair = |sample| [list(sample, 0), list(sample, 1)];
        (0..self.images).map(pair).collect()
    }
}

/// A synthetic image of gradients with noise. The cost of a view does not depend on the content.
pub fn image(width: u32, height: u32) -> Image {
    let mut draws = Draws::new(0, Stream::Probe, 0, 0, 0);
    let mut data = Vec::with_capacity(3 * width as usize * height as usize);
    for y in 0..height {
        for x in 0..width {
            let slopes = [x * 200 / width, y * 200 / height, 180 - x * 90 / width];
            data.extend(slopes.map(|value| (value + draws.below(40)) as u8));
        }
    }
    Image {
        width,
        height,
        data,
    }
}

/// Measurements of the views of a batch, for one pipeline.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewLine {
    /// The pipeline.
    pub pipeline: Pipeline,
    /// Views of the batch.
    pub views: u32,
    /// Kernel launches of the batch, counted; 0 on the CPU.
    pub dispatches: usize,
    /// Kernel launches of Burn's operations.
    pub stock_dispatches: usize,
    /// Memory traffic of the batch; `None` on the CPU.
    #[serde(flatten)]
    pub bytes: Option<Bytes>,
    /// Seconds that a thread takes to pack images and operations for the kernels; 0 on the CPU.
    pub pack: f64,
    /// Seconds from the packed batch to the normalised views, and for a copy of the packed batch, which a run does not make.
    pub seconds: f64,
    /// Seconds of Burn's operations, from the image as floats.
    pub stock_seconds: f64,
    /// Mean of the normalised values of all views.
    pub mean: f64,
    /// The same for Burn's operations.
    pub stock_mean: f64,
}

/// Memory traffic of the kernels for a batch: see [`Cost`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Bytes {
    /// Bytes uploaded to the device.
    pub uploaded: u64,
    /// Bytes that kernels read.
    pub read: u64,
    /// Bytes that kernels write.
    pub written: u64,
    /// Bytes that any implementation reads and writes.
    pub minimum: u64,
    /// Shared memory of a workgroup in bytes.
    pub shared: u64,
}

impl From<Cost> for Bytes {
    fn from(cost: Cost) -> Self {
        Self {
            uploaded: cost.uploaded,
            read: cost.read,
            written: cost.written,
            minimum: cost.minimum,
            shared: cost.shared,
        }
    }
}

impl ViewLine {
    /// The table of [`ViewLine::cells`]: bytes for a view, times for the batch.
    pub fn table() -> Table {
        Table::new(
            &["pipeline"],
            &[
                "ours, ms",
                "Burn, ms",
                "ratio",
                "pack, ms",
                "dispatches",
                "Burn's",
                "uploaded, KB",
                "read, KB",
                "written, KB",
                "least, KB",
                "shared, KB",
                "mean",
                "Burn's mean",
            ],
        )
    }

    /// The cells of the line.
    pub fn cells(&self) -> Vec<String> {
        let ours = |text: String| self.bytes.map_or_else(dash, |_| text);
        let each = |bytes: fn(&Bytes) -> u64| {
            let of_view = |bytes: u64| number(bytes as f64 / f64::from(self.views) / 1e3, 0);
            self.bytes
                .as_ref()
                .map_or_else(dash, |all| of_view(bytes(all)))
        };
        let shared = |bytes: &Bytes| number(bytes.shared as f64 / 1e3, 1);
        vec![
            self.pipeline.name().to_string(),
            number(self.seconds * 1e3, 2),
            number(self.stock_seconds * 1e3, 2),
            number(self.stock_seconds / self.seconds, 2),
            ours(number(self.pack * 1e3, 2)),
            ours(self.dispatches.to_string()),
            ours(self.stock_dispatches.to_string()),
            each(|bytes| bytes.uploaded),
            each(|bytes| bytes.read),
            each(|bytes| bytes.written),
            each(|bytes| bytes.minimum),
            self.bytes.as_ref().map_or_else(dash, shared),
            number(self.mean, 3),
            number(self.stock_mean, 3),
        ]
    }
}

/// Measures every pipeline and calls `on_line` after each.
///
/// # Errors
/// When a size is zero, the image is invalid, or the device has failed.
pub async fn views(
    bench: &Bench<'_>,
    image: &Image,
    setting: &ViewSetting,
    mut on_line: impl FnMut(&ViewLine),
) -> Result<(), BenchError> {
    setting.check()?;
    for pipeline in Pipeline::ALL {
        let lists = setting.lists(pipeline, image);
        let line = match runs_on(bench.device()) {
            true => by_kernels(bench, image, pipeline, &lists).await?,
            false => by_engine(bench, image, pipeline, &lists, setting.size).await?,
        };
        on_line(&line);
    }
    Ok(())
}

/// Packs every copy of the image on its own, as different images are.
fn pack(image: &Image, lists: &[[Vec<Op>; 2]]) -> Result<ViewBatch, ViewError> {
    let mut packer = Packer::default();
    for pair in lists {
        packer.add(image, pair)?;
    }
    packer.finish()
}

async fn by_kernels(
    bench: &Bench<'_>,
    image: &Image,
    pipeline: Pipeline,
    lists: &[[Vec<Op>; 2]],
) -> Result<ViewLine, BenchError> {
    let device = bench.device();
    let batch = pack(image, lists)?;
    let bytes = Some(batch.cost().into());
    let mean = mean(batch.clone().normalized(device)?).await?;
    let mut failed = Ok(());
    let ours = bench
        .measure(|| failed = batch.clone().normalized(device).map(drop))
        .await?;
    failed?;
    let mut failed = Ok(());
    let host = bench.on(&Device::flex());
    let packed = host
        .measure(|| failed = pack(image, lists).map(drop))
        .await?;
    failed?;
    let line = with_stock(bench, image, pipeline, lists, ours, mean).await?;
    Ok(ViewLine {
        bytes,
        pack: packed.seconds,
        ..line
    })
}

/// The CPU engine, on one thread.
async fn by_engine(
    bench: &Bench<'_>,
    image: &Image,
    pipeline: Pipeline,
    lists: &[[Vec<Op>; 2]],
    size: u32,
) -> Result<ViewLine, BenchError> {
    let mut canvas = Canvas::default();
    let each = 3 * size as usize * size as usize;
    let mut out = vec![0.0f32; each * 2 * lists.len()];
    let mut make = || -> Result<(), BenchError> {
        for (ops, out) in lists.iter().flatten().zip(out.chunks_exact_mut(each)) {
            canvas.apply(image, ops).map_err(ViewError::from)?;
            canvas.write_normalized(out)?;
        }
        Ok(())
    };
    let mut failed = Ok(());
    let ours = bench.measure(|| failed = make()).await?;
    failed?;
    let sum: f64 = out.iter().map(|value| f64::from(*value)).sum();
    let mean = sum / out.len() as f64;
    with_stock(bench, image, pipeline, lists, ours, mean).await
}

/// The line of `ours`, with Burn's operations measured, and without bytes and packing.
async fn with_stock(
    bench: &Bench<'_>,
    image: &Image,
    pipeline: Pipeline,
    lists: &[[Vec<Op>; 2]],
    ours: Measured,
    own_mean: f64,
) -> Result<ViewLine, BenchError> {
    let made = || {
        let source = stock_views::source(image, bench.device());
        let all = |view: usize| {
            let views = lists
                .iter()
                .map(|pair| stock_views::view(&source, &pair[view]));
            Tensor::cat(views.collect(), 0)
        };
        vec![all(0), all(1)]
    };
    let stock_mean = mean(made()).await?;
    let stock = bench.measure(|| drop(made())).await?;
    Ok(ViewLine {
        pipeline,
        views: 2 * lists.len() as u32,
        dispatches: ours.dispatches,
        stock_dispatches: stock.dispatches,
        bytes: None,
        pack: 0.0,
        seconds: ours.seconds,
        stock_seconds: stock.seconds,
        mean: own_mean,
        stock_mean,
    })
}

/// The mean of all values of tensors of one shape.
async fn mean(tensors: Vec<Tensor<4>>) -> Result<f64, BenchError> {
    let failed = BenchError::Device;
    let count = tensors.len() as f64;
    let mut sum = 0.0;
    for tensor in tensors {
        let data = tensor.mean().into_data_async().await;
        let data = data.map_err(|error| failed(format!("{error:?}")))?;
        let values: Vec<f32> = data
            .try_to_vec()
            .map_err(|error| failed(format!("{error:?}")))?;
        sum += values.iter().map(|value| f64::from(*value)).sum::<f64>();
    }
    Ok(sum / count)
}
