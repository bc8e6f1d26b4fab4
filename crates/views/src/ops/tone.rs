//! Luma, grayscale, solarize and horizontal flip (methods.md 1.4).

use crate::planes::Planes;

/// The luma of ITU-R 601-2 in integers, rounded to nearest.
#[inline(always)]
pub(crate) fn luma([r, g, b]: [u8; 3]) -> u8 {
    ((19_595 * u32::from(r) + 38_470 * u32::from(g) + 7_471 * u32::from(b) + 0x8000) >> 16) as u8
}

/// Replaces every channel by the luma.
pub(crate) fn grayscale(planes: &mut Planes) {
    grey(planes.channels_mut());
}

vectorized! {
    fn grey(channels: [&'a mut [u8]; 3]) -> () {
        let [red, green, blue] = channels;
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let grey = luma([*r, *g, *b]);
            (*r, *g, *b) = (grey, grey, grey);
        }
    }
}

/// Inverts values at or above `threshold`; 256 inverts none.
pub(crate) fn solarize(planes: &mut Planes, threshold: u16) {
    if let Ok(threshold) = u8::try_from(threshold) {
        invert(&mut planes.data, threshold);
    }
}

vectorized! {
    fn invert(values: &'a mut [u8], threshold: u8) -> () {
        for value in values {
            *value = if *value >= threshold { !*value } else { *value };
        }
    }
}

/// Mirrors the image left to right.
pub(crate) fn hflip(planes: &mut Planes) {
    mirror(&mut planes.data, planes.width);
}

vectorized! {
    fn mirror(values: &'a mut [u8], width: usize) -> () {
        for row in values.chunks_exact_mut(width) {
            row.reverse();
        }
    }
}
