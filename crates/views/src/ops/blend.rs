//! Brightness, contrast and saturation: a blend of the picture with a degenerate one (methods.md 1.4).

use super::tone::luma;

/// `d + factor * (v - d)`, cut off (not rounded) to 8 bits.
///
/// `as u8` cuts toward zero and saturates at 0 and 255, which is all that is asked for factors inside and outside of
/// [0, 1]. Factors 0 and 1 give exactly `d` and `v`, because the small integers here are exact in f32.
#[inline]
fn blend(v: u8, d: f32, factor: f32) -> u8 {
    (d + factor * (f32::from(v) - d)) as u8
}

/// The blend with one constant as a table of its 256 results.
fn blend_with(data: &mut [u8], d: f32, factor: f32) {
    let mut table = [0u8; 256];
    for (v, entry) in (0..=255).zip(table.iter_mut()) {
        *entry = blend(v, d, factor);
    }
    for value in data {
        *value = table[usize::from(*value)];
    }
}

/// Blends with black: 0 is black, 1 leaves the picture, more brightens.
pub fn brightness(data: &mut [u8], factor: f32) {
    blend_with(data, 0.0, factor);
}

/// Blends with the mean grey of the picture: 0 is that grey everywhere, 1 leaves the picture.
pub fn contrast(data: &mut [u8], factor: f32) {
    let (pixels, _) = data.as_chunks::<3>();
    let sum: u64 = pixels.iter().map(|&pixel| u64::from(luma(pixel))).sum();
    let mean = (sum as f64 / pixels.len() as f64 + 0.5).floor();
    blend_with(data, mean as f32, factor);
}

/// Blends each pixel with its own grey: 0 is a grey picture, 1 leaves the picture.
pub fn saturation(data: &mut [u8], factor: f32) {
    let (pixels, _) = data.as_chunks_mut::<3>();
    for pixel in pixels {
        let grey = f32::from(luma(*pixel));
        *pixel = pixel.map(|v| blend(v, grey, factor));
    }
}
