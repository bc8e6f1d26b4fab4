//! Why a score cannot be computed.

use thiserror::Error;

/// An error in ground truth or predictions.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScoreError {
    /// A detection of an image that the ground truth does not have.
    #[error("detection {index} is of image '{image}', which the ground truth does not have")]
    UnknownImage {
        /// Its place in the list, from 0.
        index: usize,
        /// The image.
        image: String,
    },
    /// A detection of a category that the ground truth does not have.
    #[error("detection {index} is of category '{category}', which the ground truth does not have")]
    UnknownCategory {
        /// Its place in the list, from 0.
        index: usize,
        /// The category.
        category: String,
    },
    /// A detection whose score or box is NaN or infinite.
    #[error("detection {index} has a NaN or an infinity in its score or box")]
    NotFinite {
        /// Its place in the list, from 0.
        index: usize,
    },
    /// A detection without the box or the mask that is scored.
    #[error("detection {index} has no '{field}'")]
    Missing {
        /// Its place in the list, from 0.
        index: usize,
        /// `bbox` or `segmentation`.
        field: &'static str,
    },
    /// A mask that cannot be read or has another size than its image.
    #[error("{of}: {reason}")]
    Mask {
        /// Whose mask it is.
        of: String,
        /// What is wrong.
        reason: String,
    },
    /// Two label maps of different sizes.
    #[error(
        "the prediction has {} x {} pixels, the ground truth {} x {}",
        prediction[0], prediction[1], truth[0], truth[1]
    )]
    Size {
        /// Width and height of the prediction.
        prediction: [u32; 2],
        /// Width and height of the ground truth.
        truth: [u32; 2],
    },
    /// A value that is no label id.
    #[error("{of} holds the value {value}, which is no label id of Cityscapes (0 to 33)")]
    Label {
        /// Prediction or ground truth.
        of: &'static str,
        /// The value.
        value: u8,
    },
}
