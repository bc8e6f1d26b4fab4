//! What can be wrong with the data, in words that say what to do.

use thiserror::Error;

/// An error of a data source. Each one names the file or the source that it is about.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum DataError {
    /// The file is there but cannot be read.
    #[error("{name}: cannot be read: {reason}")]
    Read {
        /// The file.
        name: String,
        /// What the system says.
        reason: String,
    },
    /// The bytes are no image, or a broken one.
    #[error("{name}: not a whole JPEG, PNG or WebP image: {reason}")]
    Decode {
        /// The file.
        name: String,
        /// What the decoder says.
        reason: String,
    },
    /// The header declares more pixels than any image of a training set has.
    #[error(
        "{name}: declares {width} x {height} pixels, more than the limit of {limit} pixels; make it smaller"
    )]
    TooLarge {
        /// The file.
        name: String,
        /// Declared columns.
        width: u32,
        /// Declared rows.
        height: u32,
        /// The most pixels that are decoded.
        limit: u64,
    },
    /// An image whose bytes do not fit its sides.
    #[error(
        "{name}: image {index} says {width} x {height} pixels but holds {bytes} bytes; it needs 3 a pixel"
    )]
    Shape {
        /// The source.
        name: String,
        /// Which image.
        index: usize,
        /// Columns.
        width: u32,
        /// Rows.
        height: u32,
        /// Bytes that it holds.
        bytes: usize,
    },
    /// Images and labels do not pair up.
    #[error("{name}: {images} images but {labels} labels; each image needs one label")]
    Lengths {
        /// The source.
        name: String,
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// Nothing can be learned by comparing fewer than two images.
    #[error("{name}: holds {found} image(s); training needs at least 2")]
    TooFew {
        /// The source.
        name: String,
        /// Number of images.
        found: usize,
    },
    /// More images than a position in the order can name.
    #[error("{name}: holds {found} images, more than the limit of {limit}")]
    TooMany {
        /// The source.
        name: String,
        /// Number of images.
        found: usize,
        /// The most that a source can hold.
        limit: usize,
    },
    /// A label without a class.
    #[error(
        "{name}: image {index} has label {label}, but there are {classes} classes (labels start at 0)"
    )]
    Label {
        /// The source.
        name: String,
        /// Which image.
        index: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// An image was asked for that is not there.
    #[error("{name}: has no image {index}; the last one is {last}")]
    Index {
        /// The source.
        name: String,
        /// The index asked for.
        index: usize,
        /// The last index.
        last: usize,
    },
    /// A sprite whose grid does not fit its tiles or labels.
    #[error("{name}: {reason}")]
    Sprite {
        /// The sprite.
        name: String,
        /// What does not fit.
        reason: String,
    },
    /// A share of classes outside the sensible range.
    #[error("class_ratio = {ratio}: must be greater than 0 and at most 1")]
    Ratio {
        /// The ratio asked for.
        ratio: f64,
    },
}
