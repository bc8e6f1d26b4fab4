//! Errors of policies, operations and the images that they are applied to.

use crate::image::{MAX_PIXELS, MAX_SIDE};

/// Why a policy is invalid.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// A parameter is out of range or NaN.
    #[error("{what} is {value}, but must lie between {min} and {max}")]
    Value {
        /// The parameter.
        what: &'static str,
        /// Its value.
        value: f64,
        /// Smallest valid value.
        min: f64,
        /// Largest valid value.
        max: f64,
    },
    /// An empty range.
    #[error("{what} ranges from {least} to {most}, but the minimum must not exceed the maximum")]
    Order {
        /// The parameter.
        what: &'static str,
        /// Its minimum.
        least: f64,
        /// Its maximum.
        most: f64,
    },
}

/// Why an operation cannot be applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OpError {
    /// The length of the image's `data` does not match its sides.
    #[error("an image of {width} x {height} pixels needs {expected} bytes, found {found}")]
    ImageLength {
        /// The image's width.
        width: u32,
        /// The image's height.
        height: u32,
        /// `3 * width * height`.
        expected: u64,
        /// Bytes of `data`.
        found: usize,
    },
    /// An image without pixels, or one larger than [`MAX_SIDE`] or [`MAX_PIXELS`].
    #[error(
        "{what}: {width} x {height} pixels; sides range from 1 to {MAX_SIDE}, and an image has at most {MAX_PIXELS} pixels"
    )]
    Size {
        /// `"input"`, or the operation whose result it would be.
        what: &'static str,
        /// Its width.
        width: u32,
        /// Its height.
        height: u32,
    },
    /// A crop that is not inside the image.
    #[error(
        "crop: {width} x {height} pixels at column {left}, row {top} are not inside {image_width} x {image_height}"
    )]
    CropOutside {
        /// First column of the crop.
        left: u32,
        /// First row of the crop.
        top: u32,
        /// Width of the crop.
        width: u32,
        /// Height of the crop.
        height: u32,
        /// Width of the image.
        image_width: u32,
        /// Height of the image.
        image_height: u32,
    },
    /// A parameter is out of range or NaN.
    #[error("{op}: {name} is {value}, but must lie between {min} and {max}")]
    Parameter {
        /// The operation's name.
        op: &'static str,
        /// The parameter's name.
        name: &'static str,
        /// Its value.
        value: f64,
        /// Smallest valid value.
        min: f64,
        /// Largest valid value.
        max: f64,
    },
}
