//! Features of images at inference speed: no graph, no activation kept, one upload a batch.

use std::ops::Range;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_data::Source;
use parallax_gpu_views::{Packer, runs_on};
use parallax_kernels::largest_tensor;
use parallax_nets::{Mode, ResNet};
use parallax_probes::Features;
use parallax_views::{Canvas, Image, Op, eval_ops};

use crate::batch::view_error;
use crate::error::RunError;
use crate::views::BatchViews;

/// Images of a batch at most: more make no device faster.
const MOST: usize = 4096;
/// Bytes that a batch's activations may take on a GPU, and on a CPU, whose caches prefer fewer images.
const GPU_BYTES: usize = 2 << 30;
const CPU_BYTES: usize = 128 << 20;
/// Tensors of the largest activation's size that are alive at once: a block's input, what its convolutions give, and its
/// shortcut.
const ALIVE: usize = 4;

/// A frozen encoder: images to pooled features, with the running statistics of batch norm (methods.md 5).
///
/// An image's features do not depend on the batch that it is in.
pub struct Extractor {
    network: ResNet,
    device: Device,
    loader: ViewLoader,
    batch: usize,
}

impl Extractor {
    /// Of views of `side` x `side` pixels. The network is copied; its head is not used.
    pub fn new(network: &ResNet, side: u32, device: &Device) -> Self {
        let device = &device.clone().inner();
        Self {
            network: network.valid(),
            device: device.clone(),
            loader: ViewLoader {
                side,
                kernels: runs_on(device),
            },
            batch: batch_size(network, side, device),
        }
    }

    /// Images of a batch: as many as activations of 128 MiB on a CPU, or 2 GiB on a GPU, suffice for, and at most 4,096.
    /// ResNet-18 on images of 32 pixels takes 120 and 2,016, ResNet-50 on 224 pixels 9 and 160.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Features of an image.
    pub fn columns(&self) -> usize {
        self.network.feature_dim()
    }

    /// What prepares the batches, on any thread.
    pub fn loader(&self) -> ViewLoader {
        self.loader
    }

    /// Features on the device, `[images, features]`, of views `[images, 3, side, side]`, normalised.
    pub fn forward(&mut self, views: Tensor<4>) -> Tensor<2> {
        self.network.features(views, Mode::Eval)
    }

    /// Uploads a batch and computes its features. On a GPU they are queued: [`read`] waits for them, so that the next batch
    /// can be queued before.
    ///
    /// # Errors
    /// When the device fails.
    pub fn features(&mut self, batch: ViewBatch) -> Result<Tensor<2>, RunError> {
        let views = self.upload(batch)?;
        Ok(self.forward(views))
    }

    /// The maps of each stage, `[images, height, width, channels]`; the features are the means over the last one's pixels.
    ///
    /// # Errors
    /// When the device fails.
    pub fn stages(&mut self, batch: ViewBatch) -> Result<Vec<Tensor<4>>, RunError> {
        let views = self.upload(batch)?;
        Ok(self.network.stages(views, Mode::Eval))
    }

    fn upload(&self, batch: ViewBatch) -> Result<Tensor<4>, RunError> {
        let side = self.loader.side as usize;
        let shape = [batch.images, 3, side, side];
        let views = batch.views.into_tensors(shape, &self.device)?;
        let views = views.into_iter().next();
        views.ok_or_else(|| RunError::Device("the batch has no views".to_string()))
    }

    /// The features of all images of a source, one batch after the other, in host memory.
    ///
    /// # Errors
    /// When an image cannot be read, the device fails, or a feature is not finite.
    pub async fn all(&mut self, source: &dyn Source) -> Result<Features, RunError> {
        self.part(source, 0..source.len()).await
    }

    /// The same of some images.
    ///
    /// # Errors
    /// As [`Extractor::all`].
    pub async fn part(
        &mut self,
        source: &dyn Source,
        images: Range<usize>,
    ) -> Result<Features, RunError> {
        let mut values = Vec::with_capacity(images.len() * self.columns());
        for range in batches(images.len(), self.batch) {
            let range = images.start + range.start..images.start + range.end;
            let batch = self.loader.load(source, range)?;
            let rows = self.features(batch)?;
            values.extend(read(rows).await?);
        }
        let labels = images.map(|index| source.label(index)).collect();
        Ok(Features::new(values, labels, self.columns())?)
    }
}

/// The values of an f32 tensor in its order, once the device has computed them.
///
/// # Errors
/// When the device fails.
pub async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f32>, RunError> {
    let data = tensor.into_data_async();
    let data = data.await.map_err(RunError::of_device)?;
    data.try_to_vec::<f32>().map_err(RunError::of_device)
}

/// The images of each batch of a source, in order.
pub fn batches(images: usize, batch: usize) -> impl Iterator<Item = Range<usize>> {
    let batch = batch.max(1);
    let starts = (0..images).step_by(batch);
    starts.map(move |from| from..(from + batch).min(images))
}

fn batch_size(network: &ResNet, side: u32, device: &Device) -> usize {
    let largest = size_of::<f32>() * network.largest_activation(side as usize);
    let most = match largest_tensor(device) {
        // A tensor must fit into a buffer.
        Some(buffer) => (buffer as usize / largest).min(GPU_BYTES / (ALIVE * largest)),
        None => CPU_BYTES / (ALIVE * largest),
    };
    most.clamp(1, MOST)
}

/// Decodes images and makes their evaluation views (methods.md 1.4): on the host, or for the device to compute.
#[derive(Clone, Copy, Debug)]
pub struct ViewLoader {
    side: u32,
    kernels: bool,
}

/// Evaluation views of consecutive images, for [`Extractor::features`].
pub struct ViewBatch {
    images: usize,
    views: BatchViews,
}

/// A part of a [`ViewBatch`], so that several threads can make one.
pub struct ViewPart(Part);

enum Part {
    /// Normalised values.
    Made(Vec<f32>),
    /// What the device computes them from, and the index of each.
    Raw(Vec<(usize, Image, Vec<Op>)>),
}

impl ViewLoader {
    /// The views of some images of a source.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn load(&self, source: &dyn Source, range: Range<usize>) -> Result<ViewBatch, RunError> {
        self.join(vec![self.part(source, range)?])
    }

    /// Other views of given images: each image's index in its source, for errors, the image, and its operations.
    ///
    /// # Errors
    /// When a view cannot be made.
    pub fn views(&self, images: Vec<(usize, Image, Vec<Op>)>) -> Result<ViewBatch, RunError> {
        if self.kernels {
            return self.join(vec![ViewPart(Part::Raw(images))]);
        }
        let mut made = Views::new(self.side, images.len());
        for (index, image, ops) in &images {
            made.add(*index, image, ops)?;
        }
        Ok(made.batch())
    }

    /// The part of a batch with these images.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub fn part(&self, source: &dyn Source, range: Range<usize>) -> Result<ViewPart, RunError> {
        let ops = |image: &Image| eval_ops(image.width, image.height, self.side);
        if self.kernels {
            let raw = range.map(|index| {
                let image = source.image(index)?.into_owned();
                let ops = ops(&image);
                Ok((index, image, ops))
            });
            return Ok(ViewPart(Part::Raw(raw.collect::<Result<_, RunError>>()?)));
        }
        let mut views = Views::new(self.side, range.len());
        for index in range {
            let image = source.image(index)?;
            views.add(index, &image, &ops(&image))?;
        }
        Ok(ViewPart(Part::Made(views.values)))
    }

    /// Joins parts in their order.
    ///
    /// # Errors
    /// When a view cannot be made.
    pub fn join(&self, mut parts: Vec<ViewPart>) -> Result<ViewBatch, RunError> {
        let mut made = Views::new(self.side, 0);
        if let [ViewPart(Part::Made(only))] = parts.as_mut_slice() {
            made.values = std::mem::take(only);
            return Ok(made.batch());
        }
        let mut raw = Vec::new();
        for ViewPart(part) in parts {
            match part {
                Part::Made(values) => made.values.extend(values),
                Part::Raw(part) => raw.extend(part),
            }
        }
        if raw.is_empty() {
            return Ok(made.batch());
        }
        let mut packer = Packer::default();
        for (index, image, ops) in &raw {
            match packer.add(image, std::slice::from_ref(ops)) {
                Ok(()) => {}
                // The whole batch is made here then.
                Err(error) if error.is_gpu_limit() => {
                    for (index, image, ops) in &raw {
                        made.add(*index, image, ops)?;
                    }
                    return Ok(made.batch());
                }
                Err(error) => return Err(view_error(*index as u32, error)),
            }
        }
        let packed = packer.finish();
        Ok(ViewBatch {
            images: raw.len(),
            views: BatchViews::Packed(packed.map_err(|error| RunError::Device(error.to_string()))?),
        })
    }
}

/// Normalised views, computed on the host.
pub(crate) struct Views {
    side: u32,
    canvas: Canvas,
    pub values: Vec<f32>,
}

impl Views {
    pub fn new(side: u32, images: usize) -> Self {
        Self {
            side,
            canvas: Canvas::default(),
            values: Vec::with_capacity(images * 3 * (side * side) as usize),
        }
    }

    pub fn add(&mut self, index: usize, image: &Image, ops: &[Op]) -> Result<(), RunError> {
        let failed = |error: String| view_error(index as u32, error);
        let begin = self.values.len();
        self.values
            .resize(begin + 3 * (self.side * self.side) as usize, 0.0);
        self.canvas
            .apply(image, ops)
            .map_err(|error| failed(error.to_string()))?;
        self.canvas
            .write_normalized(&mut self.values[begin..])
            .map_err(|error| failed(error.to_string()))
    }

    fn batch(self) -> ViewBatch {
        ViewBatch {
            images: self.values.len() / (3 * (self.side * self.side) as usize).max(1),
            views: BatchViews::Made(vec![self.values]),
        }
    }
}
