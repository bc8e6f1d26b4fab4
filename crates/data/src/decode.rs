//! Bytes of a JPEG, PNG or WebP file -> an RGB image.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use parallax_views::Image;

use crate::DataError;
use crate::jpeg::check_whole;

/// The most pixels that a header may declare. Beyond it a file is broken or hostile, and nothing is allocated for it.
pub const MAX_PIXELS: u64 = 1 << 28;

/// Memory for one decoded image: four bytes a pixel of the largest one.
const MAX_BYTES: u64 = MAX_PIXELS * 4;

/// Decodes a JPEG, PNG or WebP file. The content decides, not the ending of the name; `name` is for the error.
///
/// What Pillow's `convert("RGB")` does: alpha is dropped without blending, grey is repeated in the three channels, a
/// palette is looked up, CMYK is taken as inverted where Adobe's mark says so, 16 bits a channel keep their high byte,
/// and 16-bit grey without alpha is cut off at 255. A rotation noted in the camera's data is not applied, as training
/// code elsewhere does not apply it either. Of an animation the first frame counts.
///
/// PNG and WebP give Pillow's bytes. JPEG leaves the rounding of its transform, and how colour of lower resolution is
/// spread, to the decoder. Beside libjpeg-turbo, which Pillow uses, a value of a photo differs by at most 3 with colour
/// at full resolution (0.05 on average) and by at most 5 with colour at half of it (0.4 on average). Where the number of
/// columns or rows is even, those of the last one differ by up to 11; in images of fewer than five columns, whose colour
/// libjpeg-turbo repeats instead of blending it, values of noise differ by up to 70.
pub fn decode(bytes: &[u8], name: &str) -> Result<Image, DataError> {
    if guess(bytes, name)? == ImageFormat::Jpeg {
        check_whole(bytes).map_err(|reason| broken(name, reason))?;
    }
    let decoder = header(bytes, name)?;
    let image = DynamicImage::from_decoder(decoder).map_err(|error| broken(name, plain(&error)))?;
    Ok(to_rgb(image))
}

/// The sides of an image, (width, height), from its header alone. Refuses what [`decode`] refuses by the header.
pub fn dimensions(bytes: &[u8], name: &str) -> Result<(u32, u32), DataError> {
    header(bytes, name).map(|decoder| decoder.dimensions())
}

fn header<'a>(bytes: &'a [u8], name: &str) -> Result<impl ImageDecoder + 'a, DataError> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), guess(bytes, name)?);
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    let decoder = reader
        .into_decoder()
        .map_err(|error| broken(name, plain(&error)))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(DataError::TooLarge {
            name: name.into(),
            width,
            height,
            limit: MAX_PIXELS,
        });
    }
    if width == 0 || height == 0 {
        return Err(broken(name, format!("it is {width} x {height} pixels")));
    }
    Ok(decoder)
}

fn guess(bytes: &[u8], name: &str) -> Result<ImageFormat, DataError> {
    if bytes.is_empty() {
        return Err(broken(name, "the file is empty".into()));
    }
    match image::guess_format(bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) => Ok(format),
        Ok(other) => Err(broken(
            name,
            format!(
                "it is a {} file",
                other.extensions_str().join("/").to_uppercase()
            ),
        )),
        Err(_) => Err(broken(
            name,
            "its first bytes belong to none of the three".into(),
        )),
    }
}

fn broken(name: &str, reason: String) -> DataError {
    DataError::Decode {
        name: name.into(),
        reason,
    }
}

/// The decoder's own words; the plain case of a file that stops short gets words that say so.
fn plain(error: &ImageError) -> String {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the file is cut short".into()
        }
        ImageError::Limits(_) => format!(
            "it needs more than {} MiB of memory to decode",
            MAX_BYTES >> 20
        ),
        // Some decoders put line breaks into their messages.
        other => other
            .to_string()
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" "),
    }
}

fn to_rgb(image: DynamicImage) -> Image {
    let (width, height) = (image.width(), image.height());
    let data = match image {
        // `image` rounds 16 bits to 8. Pillow cuts grey off, where the file's values are numbers to it; otherwise it
        // keeps the high byte.
        DynamicImage::ImageLuma16(grey) => grey
            .into_raw()
            .iter()
            .flat_map(|&v| [v.min(255) as u8; 3])
            .collect(),
        DynamicImage::ImageLumaA16(grey) => grey
            .into_raw()
            .chunks_exact(2)
            .flat_map(|p| [(p[0] >> 8) as u8; 3])
            .collect(),
        DynamicImage::ImageRgb16(rgb) => rgb.into_raw().iter().map(|&v| (v >> 8) as u8).collect(),
        DynamicImage::ImageRgba16(rgba) => rgba
            .into_raw()
            .chunks_exact(4)
            .flat_map(|p| [p[0], p[1], p[2]].map(|v| (v >> 8) as u8))
            .collect(),
        other => other.into_rgb8().into_raw(),
    };
    Image {
        width,
        height,
        data,
    }
}
