//! Luma, grayscale and solarize (methods.md 1.4).

/// The luma of ITU-R 601-2 in integers, rounded to nearest.
#[inline]
pub fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 0x8000) >> 16) as u8
}

/// Every channel becomes the luma.
pub fn grayscale(data: &mut [u8]) {
    let (pixels, _) = data.as_chunks_mut::<3>();
    for pixel in pixels {
        *pixel = [luma(*pixel); 3];
    }
}

/// Values from `threshold` on are inverted; 256 inverts none.
pub fn solarize(data: &mut [u8], threshold: u16) {
    for value in data {
        if u16::from(*value) >= threshold {
            *value = 255 - *value;
        }
    }
}
