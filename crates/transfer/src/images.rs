//! Images as a network takes them.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_boxes::Size;
use parallax_views::{Image, Op, OpError, shortest_edge};

use crate::recipe::AugmentSection;

/// Subtracted from R, G and B from 0 to 255 (methods.md 7.2).
pub const PIXEL_MEAN: [f32; 3] = [123.675, 116.28, 103.53];
/// Divides what is left.
pub const PIXEL_STD: [f32; 3] = [58.395, 57.12, 57.375];

impl AugmentSection {
    /// An image as it is searched and scored: resized to the recipe's test size.
    ///
    /// # Errors
    /// When the image is empty.
    pub fn test_image(&self, image: &Image) -> Result<Image, OpError> {
        if self.test_side == 0 {
            return Ok(image.clone());
        }
        let size = (image.width, image.height);
        let (width, height) = shortest_edge(size, self.test_side, self.test_max_side);
        Op::Resize { width, height }.apply(image)
    }
}

/// A batch of images of different sizes, normalised, with zeros to the right and below them.
pub struct Images {
    /// `[images, 3, height, width]`
    pub values: Tensor<4>,
    /// Height and width of each without padding.
    pub sizes: Vec<Size>,
}

impl Images {
    /// Pads to the largest height and width, and these up to a multiple of `multiple`.
    pub fn of(images: &[&Image], multiple: usize, device: &Device) -> Self {
        let sizes: Vec<Size> = images
            .iter()
            .map(|image| [image.height, image.width])
            .collect();
        let longest = |axis: usize| {
            let most = sizes.iter().map(|size| size[axis] as usize).max();
            most.unwrap_or(0).div_ceil(multiple) * multiple
        };
        let (height, width) = (longest(0), longest(1));
        let mut values = vec![0.0f32; images.len() * height * width * 3];
        for (image, padded) in images.iter().zip(values.chunks_mut(height * width * 3)) {
            let rows = image.data.chunks(3 * image.width as usize);
            for (row, padded) in rows.zip(padded.chunks_mut(3 * width)) {
                for (at, (value, padded)) in row.iter().zip(padded).enumerate() {
                    *padded = (f32::from(*value) - PIXEL_MEAN[at % 3]) / PIXEL_STD[at % 3];
                }
            }
        }
        let data = TensorData::new(values, [images.len(), height, width, 3]);
        let values = Tensor::<4>::from_data(data, device).permute([0, 3, 1, 2]);
        Self { values, sizes }
    }

    /// Height and width with padding.
    pub fn padded(&self) -> [usize; 2] {
        let [_, _, height, width] = self.values.dims();
        [height, width]
    }
}
