//! The labels of a segmentation, and how logits at a lower resolution lie on them.

use crate::sampling::half_pixel;

/// Labels of images, for [`crate::hard_pixels`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PixelLabels {
    /// Classes, `[batch, height, width]`.
    pub values: Vec<u8>,
    /// Images.
    pub batch: usize,
    /// Height and width.
    pub size: [usize; 2],
    /// The label of pixels without a class.
    pub ignore: u8,
}

/// Logits `[batch, height, width, classes]` with `stride` times fewer pixels along each axis than their labels have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogitShape {
    /// Images.
    pub batch: usize,
    /// Height and width of the logits.
    pub size: [usize; 2],
    /// Classes.
    pub classes: usize,
    /// Labels for each pixel along each axis.
    pub stride: usize,
}

impl LogitShape {
    /// Height and width of the labels.
    pub fn full_size(&self) -> [usize; 2] {
        self.size.map(|side| side * self.stride)
    }

    /// Labels of all images.
    pub fn pixels(&self) -> usize {
        let [height, width] = self.full_size();
        self.batch * height * width
    }

    /// Where a label lies between the logits along an axis: the place at or before it, the next one, and the weight of that.
    pub fn between(&self, axis: usize, place: usize) -> (usize, usize, f32) {
        let size = self.size[axis];
        let (low, weight) = half_pixel(place, 1.0 / self.stride as f32, size);
        (low, (low + 1).min(size - 1), weight)
    }
}
