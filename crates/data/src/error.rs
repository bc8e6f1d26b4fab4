//! Errors of data sources.

use thiserror::Error;

/// An error of a data source. Each one names the file or the source.
#[derive(Clone, Debug, Error, PartialEq)]
#[non_exhaustive]
pub enum DataError {
    /// The file cannot be read.
    #[error("{name}: cannot be read: {reason}")]
    Read {
        /// The file.
        name: String,
        /// The message of the system.
        reason: String,
    },
    /// The file is not an image of a supported format, or is damaged.
    #[error("{name}: not a valid JPEG, PNG or WebP image: {reason}")]
    Decode {
        /// The file.
        name: String,
        /// The message of the decoder.
        reason: String,
    },
    /// An image that cannot be written as a file.
    #[error("{name}: cannot be encoded: {reason}")]
    Encode {
        /// The image.
        name: String,
        /// What is wrong, or the message of the encoder.
        reason: String,
    },
    /// An annotation of boxes or masks that cannot be used.
    #[error("{name}: {reason}")]
    Annotation {
        /// The file.
        name: String,
        /// What is wrong, with the field.
        reason: String,
    },
    /// The header declares more pixels than are decoded.
    #[error(
        "{name}: declares {width} x {height} pixels, more than the limit of {limit} pixels; make it smaller"
    )]
    TooLarge {
        /// The file.
        name: String,
        /// Declared width.
        width: u32,
        /// Declared height.
        height: u32,
        /// The most pixels that are decoded.
        limit: u64,
    },
    /// The length of an image's data does not match its sides.
    #[error(
        "{name}: image {index} has {width} x {height} pixels but {bytes} bytes; it needs 3 bytes a pixel"
    )]
    Shape {
        /// The source.
        name: String,
        /// Index of the image.
        index: usize,
        /// Width.
        width: u32,
        /// Height.
        height: u32,
        /// Bytes of its data.
        bytes: usize,
    },
    /// The numbers of images and labels differ.
    #[error("{name}: {images} images but {labels} labels; each image needs one label")]
    Lengths {
        /// The source.
        name: String,
        /// Number of images.
        images: usize,
        /// Number of labels.
        labels: usize,
    },
    /// Fewer than two images.
    #[error("{name}: holds {found} image(s); training needs at least 2")]
    TooFew {
        /// The source.
        name: String,
        /// Number of images.
        found: usize,
    },
    /// More images than indices.
    #[error("{name}: holds {found} images, more than the limit of {limit}")]
    TooMany {
        /// The source.
        name: String,
        /// Number of images.
        found: usize,
        /// The most images of a source.
        limit: usize,
    },
    /// A label that is not an index of a class.
    #[error(
        "{name}: image {index} has label {label}, but there are {classes} classes (labels start at 0)"
    )]
    Label {
        /// The source.
        name: String,
        /// Index of the image.
        index: usize,
        /// Its label.
        label: u32,
        /// Number of classes.
        classes: usize,
    },
    /// An index out of range.
    #[error("{name}: has no image {index}; the last one is {last}")]
    Index {
        /// The source.
        name: String,
        /// The index.
        index: usize,
        /// The last valid index.
        last: usize,
    },
    /// A sprite that is not a grid of its tiles, or does not match its labels.
    #[error("{name}: {reason}")]
    Sprite {
        /// The sprite.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// A fraction of classes or images out of range.
    #[error("a ratio of {ratio}: must be greater than 0 and at most 1")]
    Ratio {
        /// The ratio.
        ratio: f64,
    },
    /// A line of a list of images that cannot be read.
    #[error("{name} line {line}: {reason}")]
    List {
        /// The list's file.
        name: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong, and what to do.
        reason: String,
    },
}
