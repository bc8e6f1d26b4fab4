//! Applies lists of operations, one image after the other.

use crate::error::OpError;
use crate::image::Image;
use crate::normalize::{LengthMismatch, normalize};
use crate::op::{Op, check_all};
use crate::ops::resize::{Target, resize};
use crate::ops::{blend, blur, hue, resize, tone};
use crate::planes::{Planes, Window};

/// Where operations are applied: it holds the result of the last list, and its buffers serve the next one.
#[derive(Default)]
pub struct Canvas {
    planes: Planes,
    resize: resize::Scratch,
    blur: blur::Scratch,
}

impl Canvas {
    /// Applies the operations to the image, in order. The result stays here until the next call.
    ///
    /// # Errors
    /// The first operation that cannot be applied; the last result stays then.
    pub fn apply(&mut self, image: &Image, ops: &[Op]) -> Result<(), OpError> {
        check_all(image, ops)?;
        let mut rest = self.frame(Window::whole(image), ops);
        while let [op, tail @ ..] = rest {
            rest = match *op {
                // A frame of pixels that have changed is seldom: it goes through a copy.
                Op::Crop { .. } | Op::Resize { .. } => {
                    let copy = self.to_image();
                    self.frame(Window::whole(&copy), rest)
                }
                _ => {
                    self.change(op);
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

    /// Writes the result as a network takes it: as [`write_normalized`](crate::write_normalized) does.
    ///
    /// # Errors
    /// When `out` does not hold three values a pixel.
    pub fn write_normalized(&self, out: &mut [f32]) -> Result<(), LengthMismatch> {
        normalize(&self.planes, out)
    }

    /// Reads a window through the crops and the resize that stand first, and gives what follows them.
    ///
    /// Crops before the resize narrow what it reads, crops behind it what it makes: no other pixel is touched.
    fn frame<'a>(&mut self, mut window: Window, mut ops: &'a [Op]) -> &'a [Op] {
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
            window = window.narrow(*left, *top, *width, *height);
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

    /// Applies an operation that leaves the image's sides.
    fn change(&mut self, op: &Op) {
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
            // These go through `frame`.
            Op::Crop { .. } | Op::Resize { .. } => {}
        }
    }
}
