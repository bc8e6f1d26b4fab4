//! Normalisation of 8-bit pixels to the input of a network (methods.md 1.1, 1.4).

use crate::image::Image;
use crate::planes::{Planes, Window};

/// ImageNet means of red, green and blue, for values in [0, 1].
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// ImageNet standard deviations of red, green and blue, for values in [0, 1].
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// An output whose length does not match the image.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an image of {width} x {height} pixels with {bytes} bytes does not fit {values} values; both must be 3 a pixel"
)]
pub struct LengthMismatch {
    /// Width of the image.
    pub width: u32,
    /// Height of the image.
    pub height: u32,
    /// Bytes of the image's data.
    pub bytes: usize,
    /// Length of the output.
    pub values: usize,
}

/// Writes `(value / 255 - MEAN) / STD` in f32, channels first: `[3, height, width]`.
///
/// # Errors
/// When the image's data or `out` has another length than three values a pixel.
pub fn write_normalized(image: &Image, out: &mut [f32]) -> Result<(), LengthMismatch> {
    let pixels = u64::from(image.width) * u64::from(image.height);
    if image.data.len() as u64 != 3 * pixels {
        return Err(mismatch(image.width, image.height, image.data.len(), out));
    }
    if pixels == 0 && out.is_empty() {
        return Ok(());
    }
    let mut planes = Planes::default();
    Window::whole(image).read(&mut planes);
    normalize(&planes, out)
}

/// As [`write_normalized`], for planes.
pub(crate) fn normalize(planes: &Planes, out: &mut [f32]) -> Result<(), LengthMismatch> {
    if out.len() != planes.data.len() {
        let (width, height) = (planes.width as u32, planes.height as u32);
        return Err(mismatch(width, height, planes.data.len(), out));
    }
    let outs = out.chunks_exact_mut(out.len() / 3);
    for (channel, (plane, out)) in planes.channels().into_iter().zip(outs).enumerate() {
        scale(plane, out, MEAN[channel], STD[channel]);
    }
    Ok(())
}

/// The normalised value of each of the 256 byte values, for red, green and blue.
pub fn normalized_values() -> [[f32; 256]; 3] {
    let values: [u8; 256] = std::array::from_fn(|value| value as u8);
    let mut numbers = [[0.0; 256]; 3];
    for (channel, numbers) in numbers.iter_mut().enumerate() {
        scale(&values, numbers, MEAN[channel], STD[channel]);
    }
    numbers
}

vectorized! {
    fn scale(plane: &'a [u8], out: &'a mut [f32], mean: f32, std: f32) -> () {
        for (out, &v) in out.iter_mut().zip(plane) {
            // Every operation rounds to f32, as in PyTorch.
            *out = (f32::from(v) / 255.0 - mean) / std;
        }
    }
}

fn mismatch(width: u32, height: u32, bytes: usize, out: &[f32]) -> LengthMismatch {
    LengthMismatch {
        width,
        height,
        bytes,
        values: out.len(),
    }
}
