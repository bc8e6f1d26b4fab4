//! What can be wrong with a policy, an operation or the image it is applied to.

use crate::op::{MAX_PIXELS, MAX_SIDE};

/// Why views cannot be sampled from a policy.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum PolicyError {
    /// A number lies outside of its range or is not a number.
    #[error("{what} is {value}, but must lie between {min} and {max}")]
    Value {
        /// Which number.
        what: &'static str,
        /// What it is.
        value: f64,
        /// The smallest allowed.
        min: f64,
        /// The largest allowed.
        max: f64,
    },
    /// A range that holds nothing.
    #[error("{what} goes from {least} to {most}: the least is above the most")]
    Order {
        /// Which range.
        what: &'static str,
        /// Its least.
        least: f64,
        /// Its most.
        most: f64,
    },
}

/// Why an operation cannot be applied.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum OpError {
    /// The image's `data` does not fit its sides.
    #[error("an image of {width} x {height} pixels needs {expected} bytes, found {found}")]
    ImageLength {
        /// Columns that the image claims.
        width: u32,
        /// Rows that the image claims.
        height: u32,
        /// `3 * width * height`.
        expected: u64,
        /// Bytes that it has.
        found: usize,
    },
    /// An image without pixels, or one beyond [`MAX_SIDE`] or [`MAX_PIXELS`], is there or was asked for.
    #[error(
        "{what}: {width} x {height} pixels; sides go from 1 to {MAX_SIDE} and an image has at most {MAX_PIXELS} pixels"
    )]
    Size {
        /// Which image: `"input"`, or the operation that would make it.
        what: &'static str,
        /// Its columns.
        width: u32,
        /// Its rows.
        height: u32,
    },
    /// A crop leaves the image.
    #[error(
        "crop: {width} x {height} pixels from column {left}, row {top} do not lie inside {image_width} x {image_height}"
    )]
    CropOutside {
        /// First column asked for.
        left: u32,
        /// First row asked for.
        top: u32,
        /// Columns asked for.
        width: u32,
        /// Rows asked for.
        height: u32,
        /// Columns of the image.
        image_width: u32,
        /// Rows of the image.
        image_height: u32,
    },
    /// A parameter lies outside of its range or is not a number.
    #[error("{op}: {name} is {value}, but must lie between {min} and {max}")]
    Parameter {
        /// The operation's name.
        op: &'static str,
        /// The parameter's name.
        name: &'static str,
        /// What was asked for.
        value: f64,
        /// The smallest value allowed.
        min: f64,
        /// The largest value allowed.
        max: f64,
    },
}
