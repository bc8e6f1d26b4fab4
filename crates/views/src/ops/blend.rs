//! Brightness, contrast and saturation: a blend of the image with a degenerate one (methods.md 1.4).

use super::tone::luma;
use crate::planes::Planes;
use crate::vectors::cut;

/// `d + factor * (v - d)`, cut off (not rounded) to 8 bits.
///
/// What lies outside of 0 to 255 becomes 0 or 255; that happens for factors above 1 alone. Factors 0 and 1 give exactly
/// `d` and `v`, because the small integers here are exact in f32.
#[inline(always)]
fn blend(v: u8, d: f32, factor: f32) -> u8 {
    let x = d + factor * (f32::from(v) - d);
    let x = if x > 0.0 { x } else { 0.0 };
    cut(if x < 255.0 { x } else { 255.0 })
}

vectorized! {
    /// The blend with one constant.
    fn blend_with(values: &'a mut [u8], d: f32, factor: f32) -> () {
        for value in values {
            *value = blend(*value, d, factor);
        }
    }
}

/// Blends with black: 0 is black, 1 leaves the image, more brightens.
pub(crate) fn brightness(planes: &mut Planes, factor: f32) {
    blend_with(&mut planes.data, 0.0, factor);
}

/// Blends with the mean grey of the image: 0 is that grey everywhere, 1 leaves the image.
pub(crate) fn contrast(planes: &mut Planes, factor: f32) {
    let pixels = planes.width * planes.height;
    let mean = (luma_sum(planes.channels()) as f64 / pixels as f64 + 0.5).floor();
    blend_with(&mut planes.data, mean as f32, factor);
}

vectorized! {
    fn luma_sum(channels: [&'a [u8]; 3]) -> u64 {
        // As many values as 32 bits surely hold the sum of.
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

/// Blends each pixel with its own grey: 0 is a grey image, 1 leaves the image.
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
