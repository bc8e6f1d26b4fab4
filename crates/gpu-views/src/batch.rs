//! The views of a batch of images, ready for a GPU.

use parallax_views::{Image, Op, check_image};

use crate::error::ViewError;
use crate::plan::Plan;
use crate::program::{Placed, Program};

/// The most bytes of a buffer: what every WebGPU device binds.
pub(crate) const LIMIT: u64 = 128 << 20;

/// Images whose views go to the device at once.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    /// The rows of the images that views need, three bytes a pixel, and one word more.
    pub source: Vec<u32>,
    /// See [`Program`].
    pub program: Vec<u32>,
    /// The first image's place in the batch.
    pub first: usize,
    /// Images.
    pub count: usize,
    /// See [`Program::pieces`].
    pub pieces: u32,
    /// See [`Program::stages`].
    pub stages: Vec<u32>,
    /// For figures.
    pub plans: Vec<Plan>,
}

/// The views of a batch of images: sources and operations in the form that the kernels read. Nothing in it belongs
/// to a device, so any thread can make it.
#[derive(Clone, Debug)]
pub struct ViewBatch {
    pub(crate) parts: Vec<Part>,
    pub(crate) images: usize,
    pub(crate) views: usize,
    pub(crate) size: (u32, u32),
}

impl ViewBatch {
    /// Images.
    pub fn images(&self) -> usize {
        self.images
    }

    /// Views of each image.
    pub fn views(&self) -> usize {
        self.views
    }

    /// Columns and rows of every view.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }
}

/// Takes images one by one, so that no more than one needs to be in memory whole.
#[derive(Debug, Default)]
pub struct Packer {
    bytes: Vec<u8>,
    views: Vec<Vec<(Plan, Placed)>>,
    parts: Vec<Part>,
    packed: usize,
    count: usize,
    size: Option<(u32, u32)>,
    views_each: usize,
}

impl Packer {
    /// Adds an image and the operations of each of its views. All views of a batch have one size, and all images
    /// the same number of views.
    ///
    /// # Errors
    /// When an operation cannot be applied, or only the CPU engine takes the list; when a view does not fit the
    /// others; when an image is too large. The image has then not been added.
    pub fn add(&mut self, image: &Image, views: &[Vec<Op>]) -> Result<(), ViewError> {
        check_image(image)?;
        let plans = self.plans(image, views)?;
        let top = plans.iter().map(|plan| plan.top).min();
        let bottom = plans.iter().map(|plan| plan.top + plan.down.from).max();
        let (Some(top), Some(bottom)) = (top, bottom) else {
            return Err(ViewError::Empty);
        };
        let line = 3 * image.width as usize;
        let rows = &image.data[top as usize * line..bottom as usize * line];
        self.make_room(rows.len() as u64)?;
        let placed = Placed {
            byte: self.bytes.len() as u32,
            row: top,
            width: image.width,
        };
        self.bytes.extend_from_slice(rows);
        self.views
            .push(plans.into_iter().map(|plan| (plan, placed)).collect());
        self.count += 1;
        Ok(())
    }

    /// The batch.
    ///
    /// # Errors
    /// When it is empty.
    pub fn finish(mut self) -> Result<ViewBatch, ViewError> {
        self.close_part();
        let size = self.size.ok_or(ViewError::Empty)?;
        Ok(ViewBatch {
            parts: self.parts,
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
        // Places in the output are words of 32 bits.
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

    /// Begins a new part where the old one has no room for an image of so many bytes and its views.
    fn make_room(&mut self, bytes: u64) -> Result<(), ViewError> {
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
        // Cubes count views by a dimension of 65,535.
        let views = count * self.views_each as u64;
        if count > 1 && (source > LIMIT || pixels * count > LIMIT || views > 65_535) {
            self.close_part();
        }
        Ok(())
    }

    fn close_part(&mut self) {
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
        let program = Program::new(&ordered);
        self.bytes
            .resize(self.bytes.len().next_multiple_of(4) + 4, 0);
        let (words, _) = self.bytes.as_chunks::<4>();
        self.parts.push(Part {
            source: words.iter().map(|word| u32::from_le_bytes(*word)).collect(),
            first: self.packed,
            count,
            pieces: program.pieces,
            stages: program.stages.clone(),
            program: program.into_words(),
            plans: ordered.into_iter().map(|(plan, _)| plan).collect(),
        });
        self.packed += count;
        self.bytes.clear();
    }
}
