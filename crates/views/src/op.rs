//! An augmented view as data: a list of explicit operations that any implementation can replay.

use serde::{Deserialize, Serialize};

use crate::canvas::Canvas;
use crate::error::OpError;
use crate::image::Image;

/// The longest side of an image that the operations take or make, in pixels.
pub const MAX_SIDE: u32 = 1 << 16;

/// The most pixels of an image that the operations take or make, intermediate ones included.
pub const MAX_PIXELS: u64 = 1 << 26;

/// The largest blur, in pixels.
pub const MAX_SIGMA: f64 = 1000.0;

/// One operation with all its parameters: nothing about it is random any more.
///
/// Each computes bit for bit what Pillow 9 to 11 does (methods.md 1.4). As JSON it is an object whose `op` names it in
/// lower case, with its parameters beside: `{"op":"crop","left":3,"top":2,"width":13,"height":11}`, `{"op":"hflip"}`.
/// An unknown key is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Op {
    /// Keeps a rectangle, which must lie inside the image.
    Crop {
        /// First column kept.
        left: u32,
        /// First row kept.
        top: u32,
        /// Columns kept, at least 1.
        width: u32,
        /// Rows kept, at least 1.
        height: u32,
    },
    /// Antialiased bilinear resize, rows first, then columns.
    Resize {
        /// New width in pixels, at least 1.
        width: u32,
        /// New height in pixels, at least 1.
        height: u32,
    },
    // The braces make serde refuse unknown keys here too; it lets them pass for a variant without any.
    /// Mirrors left to right.
    Hflip {},
    /// Blends with black.
    Brightness {
        /// 0 is black, 1 changes nothing; not negative.
        factor: f64,
    },
    /// Blends with the mean grey of the image.
    Contrast {
        /// 0 is grey, 1 changes nothing; not negative.
        factor: f64,
    },
    /// Blends with the grayscale image.
    Saturation {
        /// 0 is grayscale, 1 changes nothing; not negative.
        factor: f64,
    },
    /// Shifts the hue, through 8-bit HSV.
    Hue {
        /// In turns, -0.5 to 0.5.
        delta: f64,
    },
    /// The luma in all three channels.
    Grayscale {},
    /// Gaussian blur, approximated by extended boxes.
    Blur {
        /// Standard deviation in pixels, 0 to [`MAX_SIGMA`].
        sigma: f64,
    },
    /// Inverts the values from a threshold on.
    Solarize {
        /// 0 inverts all values, 256 none.
        threshold: u16,
    },
}

impl Op {
    /// The operation's name, as in JSON.
    pub fn name(&self) -> &'static str {
        match self {
            Op::Crop { .. } => "crop",
            Op::Resize { .. } => "resize",
            Op::Hflip {} => "hflip",
            Op::Brightness { .. } => "brightness",
            Op::Contrast { .. } => "contrast",
            Op::Saturation { .. } => "saturation",
            Op::Hue { .. } => "hue",
            Op::Grayscale {} => "grayscale",
            Op::Blur { .. } => "blur",
            Op::Solarize { .. } => "solarize",
        }
    }

    /// Applies the operation alone.
    ///
    /// # Errors
    /// When the image is broken, or the operation does not fit it.
    pub fn apply(&self, image: &Image) -> Result<Image, OpError> {
        apply_all(image, std::slice::from_ref(self))
    }

    /// Whether the operation can be applied to an image of these sides, columns and rows; the sides that it leaves.
    ///
    /// # Errors
    /// When it does not fit, or a parameter is out of its range.
    pub fn check(&self, (image_width, image_height): (u32, u32)) -> Result<(u32, u32), OpError> {
        let name = self.name();
        match *self {
            Op::Crop {
                left,
                top,
                width,
                height,
            } => {
                check_size(name, width, height)?;
                let inside = |start: u32, length: u32, side: u32| {
                    start.checked_add(length).is_some_and(|end| end <= side)
                };
                if inside(left, width, image_width) && inside(top, height, image_height) {
                    return Ok((width, height));
                }
                return Err(OpError::CropOutside {
                    left,
                    top,
                    width,
                    height,
                    image_width,
                    image_height,
                });
            }
            Op::Resize { width, height } => {
                check_size(name, width, height)?;
                // Between its two passes a resize holds the new width at the old height.
                check_size(name, width, image_height)?;
                return Ok((width, height));
            }
            // The arithmetic is in f32, so the factor must be finite there.
            Op::Brightness { factor } | Op::Contrast { factor } | Op::Saturation { factor } => {
                check_range(name, "factor", factor, 0.0, f64::from(f32::MAX) / 512.0)?;
            }
            Op::Hue { delta } => check_range(name, "delta", delta, -0.5, 0.5)?,
            Op::Blur { sigma } => check_range(name, "sigma", sigma, 0.0, MAX_SIGMA)?,
            Op::Solarize { threshold } => {
                check_range(name, "threshold", f64::from(threshold), 0.0, 256.0)?;
            }
            Op::Hflip {} | Op::Grayscale {} => {}
        }
        Ok((image_width, image_height))
    }
}

/// Applies operations in order. An empty list gives the image back.
///
/// For image after image a [`Canvas`] does the same and keeps its buffers.
///
/// # Errors
/// The first operation that cannot be applied; nothing is computed then.
pub fn apply_all(image: &Image, ops: &[Op]) -> Result<Image, OpError> {
    let mut canvas = Canvas::default();
    canvas.apply(image, ops)?;
    Ok(canvas.to_image())
}

/// Whether the operations can be applied to an image, in order.
pub(crate) fn check_all(image: &Image, ops: &[Op]) -> Result<(), OpError> {
    check_image(image)?;
    let mut size = (image.width, image.height);
    for op in ops {
        size = op.check(size)?;
    }
    Ok(())
}

/// Whether an image has allowed sides and the bytes that go with them.
///
/// # Errors
/// When it has not.
pub fn check_image(image: &Image) -> Result<(), OpError> {
    let Image {
        width,
        height,
        ref data,
    } = *image;
    check_size("input", width, height)?;
    let expected = 3 * u64::from(width) * u64::from(height);
    if data.len() as u64 == expected {
        return Ok(());
    }
    Err(OpError::ImageLength {
        width,
        height,
        expected,
        found: data.len(),
    })
}

fn check_size(what: &'static str, width: u32, height: u32) -> Result<(), OpError> {
    let sides = 1..=MAX_SIDE;
    if sides.contains(&width)
        && sides.contains(&height)
        && u64::from(width) * u64::from(height) <= MAX_PIXELS
    {
        return Ok(());
    }
    Err(OpError::Size {
        what,
        width,
        height,
    })
}

fn check_range(
    op: &'static str,
    name: &'static str,
    value: f64,
    min: f64,
    max: f64,
) -> Result<(), OpError> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(OpError::Parameter {
        op,
        name,
        value,
        min,
        max,
    })
}
