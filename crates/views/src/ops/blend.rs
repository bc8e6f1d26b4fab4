//! Brightness, contrast and saturation: blends of the image with a degenerate image (methods.md 1.4).

use super::tone::luma;
use crate::planes::Planes;
use crate::vectors::truncate;

/// `d + factor * (v - d)`, clamped to 0..=255 and truncated to an integer.
///
/// Clamping matters for factors above 1 alone. Factors 0 and 1 give exactly `d` and `v`, since small integers are exact in
/// f32.
#[inline(always)]
fn blend(v: u8, d: f32, factor: f32) -> u8 {
    let x = d + factor * (f32::from(v) - d);
    let x = if x > 0.0 { x } else { 0.0 };
    truncate(if x < 255.0 { x } else { 255.0 })
}

vectorized! {
    /// Blends all values with a constant.
    fn blend_with(values: &'a mut [u8], d: f32, factor: f32) -> () {
        for value in values {
            *value = blend(*value, d, factor);
        }
    }
}

/// Blends with black. Factor 0 gives black, 1 the image, more brightens.
pub(crate) fn brightness(planes: &mut Planes, factor: f32) {
    blend_with(&mut planes.data, 0.0, factor);
}

/// Blends with the mean luma of the image. Factor 0 gives uniform grey, 1 the image.
pub(crate) fn contrast(planes: &mut Planes, factor: f32) {
    let pixels = planes.width * planes.height;
    let mean = (luma_sum(planes.channels()) as f64 / pixels as f64 + 0.5).floor();
    blend_with(&mut planes.data, mean as f32, factor);
}

vectorized! {
    fn luma_sum(channels: [&'a [u8]; 3]) -> u64 {
        // The sum of so many bytes fits in 32 bits.
        const RUN: usize = 1 << 16;
        let [red, green, blue] = channels.map(|channel| channel.chunks(RUN));
        let runs = red.zip(green).zip(blue).map(|((red, green), blue)| {
            let mut sum = 0u32;
            for ((&r, &g), &b) in red.iter().zip(green).zip(blue) {
                sum += u32::from(luma([r, g, b]));
            }
            u64::from(sum)
        });
        runs.sum()
    }
}

/// Blends each pixel with its luma. Factor 0 gives the grayscale image, 1 the image.
pub(crate) fn saturation(planes: &mut Planes, factor: f32) {
    blend_with_grey(planes.channels_mut(), factor);
}

vectorized! {
    fn blend_with_grey(channels: [&'a mut [u8]; 3], factor: f32) -> () {
        let [red, green, blue] = channels;
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let grey = f32::from(luma([*r, *g, *b]));
            *r = blend(*r, grey, factor);
            *g = blend(*g, grey, factor);
            *b = blend(*b, grey, factor);
        }
    }
}
