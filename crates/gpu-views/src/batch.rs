//! The views of a batch of images, encoded for a GPU.

use parallax_views::{Image, Op, check_image};

use crate::encode::{Encoded, SourceRows};
use crate::error::ViewError;
use crate::plan::Plan;

/// The largest buffer in bytes: the binding size that every WebGPU device supports.
pub(crate) const LIMIT: u64 = 128 << 20;

/// Images that are uploaded and computed together: as many as fit into one buffer.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    /// The rows of the images that views read, three bytes a pixel, padded to whole words with one word to spare.
    pub source: Vec<u8>,
    /// The views.
    pub encoded: Encoded,
    /// Index in the batch of the first image.
    pub first: usize,
    /// Number of images.
    pub count: usize,
    /// The plans that were encoded, for [`ViewBatch::cost`].
    pub plans: Vec<Plan>,
}

/// The views of a batch of images: source pixels and operations as the kernels read them. It belongs to no device, so
/// any thread can build it.
#[derive(Clone, Debug)]
pub struct ViewBatch {
    pub(crate) chunks: Vec<Chunk>,
    pub(crate) images: usize,
    pub(crate) views: usize,
    pub(crate) size: (u32, u32),
}

impl ViewBatch {
    /// Number of images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Number of views of each image.
    pub fn views(&self) -> usize {
        self.views
    }

    /// Width and height of every view in pixels.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }
}

/// Builds a [`ViewBatch`] image by image, so that only one decoded image has to be in memory at a time.
#[derive(Debug, Default)]
pub struct Packer {
    /// Source rows of the current chunk.
    bytes: Vec<u8>,
    /// Views of the current chunk, by image.
    views: Vec<Vec<(Plan, SourceRows)>>,
    chunks: Vec<Chunk>,
    /// Images in finished chunks.
    packed: usize,
    count: usize,
    size: Option<(u32, u32)>,
    views_each: usize,
}

impl Packer {
    /// Adds an image and the operations of each of its views. All views of a batch have the same size, and all images
    /// the same number of views.
    ///
    /// # Errors
    /// When an operation cannot be applied, or is supported by the CPU engine alone; when size or number of the views
    /// differ from the batch's; when the image is too large. The image has then not been added.
    pub fn add(&mut self, image: &Image, views: &[Vec<Op>]) -> Result<(), ViewError> {
        check_image(image)?;
        let plans = self.plans(image, views)?;
        let top = plans.iter().map(|plan| plan.top).min();
        let bottom = plans.iter().map(|plan| plan.top + plan.vertical.from).max();
        let (Some(top), Some(bottom)) = (top, bottom) else {
            return Err(ViewError::Empty);
        };
        let line = 3 * image.width as usize;
        let rows = &image.data[top as usize * line..bottom as usize * line];
        self.start_chunk_if_full(rows.len() as u64)?;
        let source = SourceRows {
            byte: self.bytes.len() as u32,
            row: top,
            width: image.width,
        };
        self.bytes.extend_from_slice(rows);
        self.views
            .push(plans.into_iter().map(|plan| (plan, source)).collect());
        self.count += 1;
        Ok(())
    }

    /// The finished batch.
    ///
    /// # Errors
    /// When it is empty.
    pub fn finish(mut self) -> Result<ViewBatch, ViewError> {
        self.finish_chunk();
        let size = self.size.ok_or(ViewError::Empty)?;
        Ok(ViewBatch {
            chunks: self.chunks,
            images: self.count,
            views: self.views_each,
            size,
        })
    }

    fn plans(&mut self, image: &Image, views: &[Vec<Op>]) -> Result<Vec<Plan>, ViewError> {
        let plan = |ops: &Vec<Op>| Plan::new(image.width, image.height, ops);
        let plans = views.iter().map(plan).collect::<Result<Vec<Plan>, _>>()?;
        let Some(first) = plans.first() else {
            return Err(ViewError::Empty);
        };
        let size = self.size.unwrap_or(first.size());
        let each = match self.size {
            Some(_) => self.views_each,
            None => plans.len(),
        };
        let text = |(width, height): (u32, u32)| format!("{width} x {height} pixels");
        let uneven = |view: usize, found: String, expected: String| ViewError::Uneven {
            image: self.count,
            view,
            found,
            expected,
        };
        if plans.len() != each {
            let (view, found, expected) = match plans.len() < each {
                true => (plans.len(), "missing", "there"),
                false => (each, "there", "missing"),
            };
            return Err(uneven(view, found.to_string(), expected.to_string()));
        }
        if let Some(view) = plans.iter().position(|plan| plan.size() != size) {
            return Err(uneven(view, text(plans[view].size()), text(size)));
        }
        let pixels = u64::from(size.0) * u64::from(size.1);
        // Kernels index the output with 32 bits.
        let output = 12 * pixels * (self.count as u64 + 1);
        if pixels > 1 << 24 || output > u64::from(u32::MAX) {
            return Err(ViewError::TooLarge {
                what: "the tensor of a view",
                bytes: output,
                limit: u64::from(u32::MAX).min(12 << 24),
            });
        }
        (self.size, self.views_each) = (Some(size), each);
        Ok(plans)
    }

    /// Starts a new chunk where an image of so many source bytes and its views do not fit into the current one.
    fn start_chunk_if_full(&mut self, bytes: u64) -> Result<(), ViewError> {
        if bytes + 8 > LIMIT {
            return Err(ViewError::TooLarge {
                what: "the part of an image that views need",
                bytes,
                limit: LIMIT - 8,
            });
        }
        let (width, height) = self.size.unwrap_or_default();
        let pixels = 4 * u64::from(width) * u64::from(height) * self.views_each as u64;
        let source = self.bytes.len() as u64 + bytes + 8;
        let count = self.views.len() as u64 + 1;
        // A launch has at most 65,535 workgroups along the dimension that counts views.
        let views = count * self.views_each as u64;
        if count > 1 && (source > LIMIT || pixels * count > LIMIT || views > 65_535) {
            self.finish_chunk();
        }
        Ok(())
    }

    fn finish_chunk(&mut self) {
        let views = std::mem::take(&mut self.views);
        if views.is_empty() {
            return;
        }
        let count = views.len();
        // All first views, then all second ones: each becomes a tensor of its own.
        let mut ordered = Vec::with_capacity(count * self.views_each);
        for view in 0..self.views_each {
            ordered.extend(views.iter().map(|of_image| of_image[view].clone()));
        }
        let mut source = std::mem::take(&mut self.bytes);
        source.resize(source.len().next_multiple_of(4) + 4, 0);
        self.chunks.push(Chunk {
            source,
            encoded: Encoded::new(&ordered),
            first: self.packed,
            count,
            plans: ordered.into_iter().map(|(plan, _)| plan).collect(),
        });
        self.packed += count;
    }
}
