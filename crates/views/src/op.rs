//! Operations as data: an augmented view is a list of them, which any implementation can replay.

use serde::{Deserialize, Serialize};

use crate::error::OpError;
use crate::image::{Image, MAX_PIXELS, MAX_SIDE};

/// The largest standard deviation of a blur, in pixels.
pub const MAX_SIGMA: f64 = 1000.0;

/// An operation with all its parameters.
///
/// Each is bit for bit what Pillow 9 to 11 computes (methods.md 1.4). In JSON it is an object with its lower-case name as
/// `op` and its parameters: `{"op":"crop","left":3,"top":2,"width":13,"height":11}`, `{"op":"hflip"}`. Unknown keys are
/// errors.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "typescript", derive(tsify::Tsify))]
#[serde(tag = "op", rename_all = "lowercase", deny_unknown_fields)]
pub enum Op {
    /// Crops to a rectangle inside the image.
    Crop {
        /// First column.
        left: u32,
        /// First row.
        top: u32,
        /// Width in pixels, at least 1.
        width: u32,
        /// Height in pixels, at least 1.
        height: u32,
    },
    /// Antialiased bilinear resize, along rows first, then down columns.
    Resize {
        /// New width in pixels, at least 1.
        width: u32,
        /// New height in pixels, at least 1.
        height: u32,
    },
    // With braces serde refuses unknown keys here as well; for a unit variant it would ignore them.
    /// Horizontal flip.
    Hflip {},
    /// Blends with black.
    Brightness {
        /// At least 0; 0 is black, 1 changes nothing.
        factor: f64,
    },
    /// Blends with the mean luma of the image.
    Contrast {
        /// At least 0; 0 is uniform grey, 1 changes nothing.
        factor: f64,
    },
    /// Blends with the grayscale image.
    Saturation {
        /// At least 0; 0 is grayscale, 1 changes nothing.
        factor: f64,
    },
    /// Shifts the hue, in 8-bit HSV.
    Hue {
        /// In full turns, -0.5 to 0.5.
        delta: f64,
    },
    /// Replaces all three channels by the luma.
    Grayscale {},
    /// Gaussian blur, approximated by extended boxes.
    Blur {
        /// Standard deviation in pixels, 0 to [`MAX_SIGMA`].
        sigma: f64,
    },
    /// Inverts values at or above a threshold.
    Solarize {
        /// 0 inverts all values, 256 none.
        threshold: u16,
    },
}

impl Op {
    /// The name of the operation, as in JSON.
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

    /// Checks the operation for an image of this width and height, and returns width and height of the result.
    ///
    /// # Errors
    /// When the operation does not fit the image, or a parameter is out of range.
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
                // The intermediate result has the new width and the old height.
                check_size(name, width, image_height)?;
                return Ok((width, height));
            }
            // The arithmetic is in f32, where the factor must be finite.
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

/// Checks operations that are applied to an image in order.
pub(crate) fn check_all(image: &Image, ops: &[Op]) -> Result<(), OpError> {
    check_image(image)?;
    let mut size = (image.width, image.height);
    for op in ops {
        size = op.check(size)?;
    }
    Ok(())
}

/// Checks the sides of an image and the length of its data.
///
/// # Errors
/// When a side is out of range or the length does not match.
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
