//! From 8-bit pixels to the numbers that a network sees (methods.md 1.1, 1.4).

use crate::image::Image;

/// Means of the red, green and blue values in [0, 1].
pub const MEAN: [f32; 3] = [0.485, 0.456, 0.406];

/// Standard deviations of the red, green and blue values in [0, 1].
pub const STD: [f32; 3] = [0.229, 0.224, 0.225];

/// A buffer that does not fit the picture.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a picture of {width} x {height} pixels with {bytes} bytes does not fit {values} values; both must be 3 a pixel"
)]
pub struct LengthMismatch {
    /// Columns of the picture.
    pub width: u32,
    /// Rows of the picture.
    pub height: u32,
    /// Bytes of the picture.
    pub bytes: usize,
    /// Values that the output holds.
    pub values: usize,
}

/// Writes `(value / 255 - MEAN) / STD` in f32, all red values first, then green, then blue, each row by row.
pub fn write_normalized(image: &Image, out: &mut [f32]) -> Result<(), LengthMismatch> {
    let Image {
        width,
        height,
        ref data,
    } = *image;
    let pixels = u64::from(width) * u64::from(height);
    if [data.len(), out.len()]
        .iter()
        .any(|&found| found as u64 != 3 * pixels)
    {
        return Err(LengthMismatch {
            width,
            height,
            bytes: data.len(),
            values: out.len(),
        });
    }
    if pixels == 0 {
        return Ok(());
    }
    let (data, _) = data.as_chunks::<3>();
    for (channel, plane) in out.chunks_exact_mut(data.len()).enumerate() {
        let table = table(channel);
        for (value, pixel) in plane.iter_mut().zip(data) {
            *value = table[usize::from(pixel[channel])];
        }
    }
    Ok(())
}

/// The normalised value of each of the 256 bytes. Each step is rounded to f32, as PyTorch does it.
fn table(channel: usize) -> [f32; 256] {
    let mut table = [0.0; 256];
    for (byte, entry) in (0u8..=255).zip(table.iter_mut()) {
        *entry = (f32::from(byte) / 255.0 - MEAN[channel]) / STD[channel];
    }
    table
}
