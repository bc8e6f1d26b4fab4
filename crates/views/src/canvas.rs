//! Applies lists of operations.

use crate::error::OpError;
use crate::image::Image;
use crate::normalize::{LengthMismatch, normalize};
use crate::op::{Op, check_all};
use crate::ops::resize::{Target, resize};
use crate::ops::{blend, blur, hue, resize, tone};
use crate::planes::{Planes, Window};

/// Applies lists of operations and holds the result of the last one. Its buffers are reused from image to image.
#[derive(Default)]
pub struct Canvas {
    planes: Planes,
    resize: resize::Scratch,
    blur: blur::Scratch,
}

impl Canvas {
    /// Applies operations to an image, in order. The canvas holds the result until the next call.
    ///
    /// # Errors
    /// When the image is invalid or an operation cannot be applied. The previous result is then kept.
    pub fn apply(&mut self, image: &Image, ops: &[Op]) -> Result<(), OpError> {
        check_all(image, ops)?;
        let mut rest = self.resample(Window::whole(image), ops);
        while let [op, tail @ ..] = rest {
            rest = match *op {
                // Pipelines draw no crop or resize after other operations, so a copy is good enough.
                Op::Crop { .. } | Op::Resize { .. } => {
                    let copy = self.to_image();
                    self.resample(Window::whole(&copy), rest)
                }
                _ => {
                    self.apply_in_place(op);
                    tail
                }
            };
        }
        Ok(())
    }

    /// The result as an image.
    pub fn to_image(&self) -> Image {
        self.planes.to_image()
    }

    /// Writes the result normalised, as [`write_normalized`](crate::write_normalized) does.
    ///
    /// # Errors
    /// When `out` has another length than three values a pixel.
    pub fn write_normalized(&self, out: &mut [f32]) -> Result<(), LengthMismatch> {
        normalize(&self.planes, out)
    }

    /// Reads a window through the leading crops and resize, and returns the operations that follow.
    ///
    /// Crops before the resize restrict its input, crops after it restrict its output: no other pixel is touched.
    fn resample<'a>(&mut self, mut window: Window, mut ops: &'a [Op]) -> &'a [Op] {
        while let [
            Op::Crop {
                left,
                top,
                width,
                height,
            },
            tail @ ..,
        ] = ops
        {
            window = window.crop(*left, *top, *width, *height);
            ops = tail;
        }
        let [Op::Resize { width, height }, tail @ ..] = ops else {
            window.read(&mut self.planes);
            return ops;
        };
        let mut target = Target {
            width: *width,
            height: *height,
            columns: 0..*width,
            rows: 0..*height,
        };
        ops = tail;
        while let [
            Op::Crop {
                left,
                top,
                width,
                height,
            },
            tail @ ..,
        ] = ops
        {
            let (left, top) = (target.columns.start + left, target.rows.start + top);
            (target.columns, target.rows) = (left..left + width, top..top + height);
            ops = tail;
        }
        resize(&window, &target, &mut self.planes, &mut self.resize);
        ops
    }

    /// Applies an operation that keeps the image's size.
    fn apply_in_place(&mut self, op: &Op) {
        let planes = &mut self.planes;
        match *op {
            Op::Hflip {} => tone::hflip(planes),
            Op::Brightness { factor } => blend::brightness(planes, factor as f32),
            Op::Contrast { factor } => blend::contrast(planes, factor as f32),
            Op::Saturation { factor } => blend::saturation(planes, factor as f32),
            Op::Hue { delta } => hue::hue(planes, delta),
            Op::Grayscale {} => tone::grayscale(planes),
            Op::Blur { sigma } => blur::blur(planes, sigma as f32, &mut self.blur),
            Op::Solarize { threshold } => tone::solarize(planes, threshold),
            // `resample` has handled these.
            Op::Crop { .. } | Op::Resize { .. } => {}
        }
    }
}

/// Applies operations in order. An empty list returns the image unchanged. For many images, a [`Canvas`] reuses its
/// buffers.
///
/// # Errors
/// When the image is invalid or an operation cannot be applied; nothing is computed then.
///
/// ```
/// use parallax_views::{Image, Op, apply_all};
///
/// let image = Image { width: 2, height: 1, data: vec![255, 0, 0, 0, 0, 255] };
/// let flipped = apply_all(&image, &[Op::Hflip {}])?;
/// assert_eq!(flipped.data, [0, 0, 255, 255, 0, 0]);
/// # Ok::<(), parallax_views::OpError>(())
/// ```
pub fn apply_all(image: &Image, ops: &[Op]) -> Result<Image, OpError> {
    let mut canvas = Canvas::default();
    canvas.apply(image, ops)?;
    Ok(canvas.to_image())
}

impl Op {
    /// Applies the operation to an image.
    ///
    /// # Errors
    /// When the image is invalid or the operation does not fit it.
    pub fn apply(&self, image: &Image) -> Result<Image, OpError> {
        apply_all(image, std::slice::from_ref(self))
    }
}
