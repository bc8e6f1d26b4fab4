//! Images with the orientation that their EXIF metadata asks for, as detection reads them.

use std::io::Cursor;

use image::metadata::Orientation;
use image::{ImageDecoder as _, ImageReader};
use parallax_views::Image;

use crate::decode::{decode, dimensions};
use crate::error::DataError;

/// Decodes an image as [`decode`] does and turns it as its EXIF orientation says. One that cannot be read is ignored.
///
/// # Errors
/// As [`decode`].
pub fn decode_upright(bytes: &[u8], name: &str) -> Result<Image, DataError> {
    let image = decode(bytes, name)?;
    Ok(turn(image, orientation(bytes)))
}

/// Width and height of the turned image, from the start of a file.
///
/// # Errors
/// As [`dimensions`].
pub fn upright_dimensions(bytes: &[u8], name: &str) -> Result<(u32, u32), DataError> {
    let (width, height) = dimensions(bytes, name)?;
    Ok(match swaps_sides(orientation(bytes)) {
        true => (height, width),
        false => (width, height),
    })
}

fn orientation(bytes: &[u8]) -> Orientation {
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let decoder = reader.ok().and_then(|reader| reader.into_decoder().ok());
    let found = decoder.and_then(|mut decoder| decoder.orientation().ok());
    found.unwrap_or(Orientation::NoTransforms)
}

fn swaps_sides(orientation: Orientation) -> bool {
    use Orientation::*;
    matches!(
        orientation,
        Rotate90 | Rotate270 | Rotate90FlipH | Rotate270FlipH
    )
}

fn turn(image: Image, orientation: Orientation) -> Image {
    use Orientation::*;
    if orientation == NoTransforms {
        return image;
    }
    let (w, h) = (image.width as usize, image.height as usize);
    let (width, height) = match swaps_sides(orientation) {
        true => (h, w),
        false => (w, h),
    };
    let mut data = Vec::with_capacity(image.data.len());
    for y in 0..height {
        for x in 0..width {
            let (from_x, from_y) = match orientation {
                NoTransforms => (x, y),
                FlipHorizontal => (w - 1 - x, y),
                Rotate180 => (w - 1 - x, h - 1 - y),
                FlipVertical => (x, h - 1 - y),
                // Transposed, and transposed along the other diagonal.
                Rotate90FlipH => (y, x),
                Rotate270FlipH => (w - 1 - y, h - 1 - x),
                // Clockwise.
                Rotate90 => (y, h - 1 - x),
                Rotate270 => (w - 1 - y, x),
            };
            let at = 3 * (from_y * w + from_x);
            data.extend_from_slice(&image.data[at..at + 3]);
        }
    }
    Image {
        width: width as u32,
        height: height as u32,
        data,
    }
}
