//! Images as PNG files.

use anyhow::{Context as _, Result};
use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};
use parallax_views::Image;

/// The bytes of a PNG file.
pub fn encode(image: &Image) -> Result<Vec<u8>> {
    let (width, height) = (image.width, image.height);
    written(&image.data, width, height, ExtendedColorType::Rgb8)
}

/// The bytes of a PNG file of one channel.
pub fn encode_grey(values: &[u8], width: u32, height: u32) -> Result<Vec<u8>> {
    written(values, width, height, ExtendedColorType::L8)
}

fn written(values: &[u8], width: u32, height: u32, color: ExtendedColorType) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(values, width, height, color)
        .context("the image cannot be written as PNG")?;
    Ok(bytes)
}
