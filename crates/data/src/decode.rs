//! Decoding of JPEG, PNG and WebP files.

use std::io::Cursor;

use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use parallax_views::Image;

use crate::error::DataError;
use crate::jpeg::check_complete;
#[cfg(libjpeg)]
use crate::libjpeg;

/// The most pixels that a header may declare. Larger files are refused before anything is allocated.
pub const MAX_PIXELS: u64 = 1 << 28;

/// Memory limit of a decoder: four bytes for each pixel of the largest image.
const MAX_BYTES: u64 = MAX_PIXELS * 4;

/// What decodes JPEG files in this build: `libjpeg-turbo`, or the crate `image` in the browser and without the feature
/// `libjpeg-turbo`.
pub const JPEG_DECODER: &str = if cfg!(libjpeg) {
    "libjpeg-turbo"
} else {
    "image"
};

/// Decodes a JPEG, PNG or WebP file to RGB. The format is detected from the content; `name` is for errors.
///
/// Conversion follows Pillow's `convert("RGB")`: alpha is dropped without blending, grey is copied to the three channels,
/// palettes are looked up, CMYK and YCCK are taken as inverted, as Adobe's programs write them, 16-bit channels keep their
/// high byte, and 16-bit grey without alpha is clipped at 255. EXIF orientation is not applied, as is usual in training code.
/// Of an animation, the first frame is decoded.
///
/// PNG and WebP give the same bytes as Pillow, and so does JPEG by libjpeg-turbo. The crate `image` ([`JPEG_DECODER`]) rounds
/// the inverse DCT and continues chroma otherwise: values of a photo differ by at most 3 without chroma subsampling (0.05 on
/// average) and by at most 5 with it (0.4 on average). Where width or height are even, those of the last column or row differ
/// by up to 11; in images of fewer than five columns, values of noise differ by up to 70.
///
/// # Errors
/// When the file is of another format, damaged, truncated or too large.
pub fn decode(bytes: &[u8], name: &str) -> Result<Image, DataError> {
    #[cfg(libjpeg)]
    if guess(bytes, name)? == ImageFormat::Jpeg {
        return by_libjpeg(bytes, name);
    }
    decode_by_image(bytes, name)
}

/// As [`decode`] in a build without libjpeg-turbo: JPEG files, too, are decoded by the crate `image`.
///
/// # Errors
/// As [`decode`].
pub fn decode_by_image(bytes: &[u8], name: &str) -> Result<Image, DataError> {
    if guess(bytes, name)? == ImageFormat::Jpeg {
        check_complete(bytes).map_err(|reason| broken(name, reason))?;
    }
    let decoder = header(bytes, name)?;
    let image = DynamicImage::from_decoder(decoder).map_err(|error| broken(name, plain(&error)))?;
    Ok(to_rgb(image))
}

/// Width and height of an image, from its header alone.
///
/// # Errors
/// When the header is not valid, or declares too many pixels.
pub fn dimensions(bytes: &[u8], name: &str) -> Result<(u32, u32), DataError> {
    #[cfg(libjpeg)]
    if guess(bytes, name)? == ImageFormat::Jpeg {
        let (width, height) = libjpeg::dimensions(bytes).map_err(|reason| broken(name, reason))?;
        return check_sides(name, width, height).map(|()| (width, height));
    }
    header(bytes, name).map(|decoder| decoder.dimensions())
}

#[cfg(libjpeg)]
fn by_libjpeg(bytes: &[u8], name: &str) -> Result<Image, DataError> {
    check_complete(bytes).map_err(|reason| broken(name, reason))?;
    let mut refused = None;
    let decoded = libjpeg::decode(bytes, |width, height| {
        check_sides(name, width, height).map_err(|error| {
            let text = error.to_string();
            refused = Some(error);
            text
        })
    });
    decoded.map_err(|reason| refused.unwrap_or_else(|| broken(name, reason)))
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
    check_sides(name, width, height)?;
    Ok(decoder)
}

/// Refuses sizes that no image can have, or that are too large.
fn check_sides(name: &str, width: u32, height: u32) -> Result<(), DataError> {
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(DataError::TooLarge {
            name: name.into(),
            width,
            height,
            limit: MAX_PIXELS,
        });
    }
    match width == 0 || height == 0 {
        true => Err(broken(name, format!("it is {width} x {height} pixels"))),
        false => Ok(()),
    }
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
            "its first bytes belong to none of these formats".into(),
        )),
    }
}

fn broken(name: &str, reason: String) -> DataError {
    DataError::Decode {
        name: name.into(),
        reason,
    }
}

/// The decoder's message; truncation and memory limits get messages of their own.
fn plain(error: &ImageError) -> String {
    match error {
        ImageError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the file is truncated".into()
        }
        ImageError::Limits(_) => format!(
            "it needs more than {} MiB of memory to decode",
            MAX_BYTES >> 20
        ),
        // Messages of some decoders contain line breaks.
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
        // `image` would round 16 bits to 8. Pillow clips grey and otherwise keeps the high byte.
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
