//! Images with a label for each pixel.

use parallax_kernels::PixelLabels;
use parallax_views::Image;

use crate::error::TransferError;

/// The label of pixels without a class.
pub const IGNORE: u8 = 255;

/// An image with its labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Labelled {
    /// As the network sees it, without padding.
    pub image: Image,
    /// Of each pixel, row by row: a class or [`IGNORE`].
    pub labels: Vec<u8>,
}

/// The labels of a batch, padded as [`crate::Images`] are, with [`IGNORE`].
///
/// # Errors
/// When there are fewer or more labels than pixels, or one is not a class.
pub(crate) fn labels(
    batch: &[Labelled],
    [height, width]: [usize; 2],
    classes: usize,
) -> Result<PixelLabels, TransferError> {
    let mut values = vec![IGNORE; batch.len() * height * width];
    for (number, example) in batch.iter().enumerate() {
        let wrong = |reason: String| {
            Err(TransferError::Example {
                image: number,
                reason,
            })
        };
        let (rows, columns) = (example.image.height as usize, example.image.width as usize);
        if example.labels.len() != rows * columns {
            let count = example.labels.len();
            return wrong(format!("{count} labels for {rows} x {columns} pixels"));
        }
        let known = |&&label: &&u8| label == IGNORE || usize::from(label) < classes;
        if let Some(label) = example.labels.iter().find(|label| !known(label)) {
            let expected = format!("0 to {} or {IGNORE}", classes - 1);
            return wrong(format!("label {label}; the model has {expected}"));
        }
        let own = values[number * height * width..].chunks_mut(width);
        for (row, padded) in example.labels.chunks(columns).zip(own) {
            padded[..columns].copy_from_slice(row);
        }
    }
    Ok(PixelLabels {
        values,
        batch: batch.len(),
        size: [height, width],
        ignore: IGNORE,
    })
}
