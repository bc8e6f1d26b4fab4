//! The hue shift, in 8-bit HSV (methods.md 1.4).
//!
//! The reference mixes f32 and f64. Here all arithmetic is in f32, in an order of operations that gives the same 8-bit values
//! for every colour in both directions; the tests compare all 2^24 colours with Pillow.

use crate::planes::Planes;
use crate::vectors::{nearest, truncate};

/// Shifts the hue by `delta` of a full turn.
///
/// The shift is truncated to whole steps of 1/255 of a turn but wraps at 256, as in the reference. The 8-bit round trip
/// changes colours even for a shift of 0.
pub(crate) fn hue(planes: &mut Planes, delta: f64) {
    let shift = (255.0 * delta) as i32 as u8; // truncated toward zero, then modulo 256
    shift_hue(planes.channels_mut(), shift);
}

vectorized! {
    fn shift_hue(channels: [&'a mut [u8]; 3], shift: u8) -> () {
        let [red, green, blue] = channels;
        for ((r, g), b) in red.iter_mut().zip(green).zip(blue) {
            let [h, s, v] = rgb_to_hsv([*r, *g, *b]);
            [*r, *g, *b] = hsv_to_rgb([h.wrapping_add(shift), s, v]);
        }
    }
}

/// Hue, saturation and value, each in 0..=255.
#[inline(always)]
pub(crate) fn rgb_to_hsv([r, g, b]: [u8; 3]) -> [u8; 3] {
    let [ri, gi, bi] = [r, g, b].map(i32::from);
    let max = ri.max(gi).max(bi);
    let min = ri.min(gi).min(bi);
    let range = max - min;
    let middle = ri + gi + bi - max - min;
    // The distance of the middle channel from the largest one, as a fraction of the range.
    let x = (max - middle) as f32 / range.max(1) as f32;
    // The hue in sextants from red. Of equal largest channels red counts first, then green.
    let sextants = if ri == max {
        if bi == min { 1.0 - x } else { x - 1.0 }
    } else if gi == max {
        if bi == min { 1.0 + x } else { 3.0 - x }
    } else if gi == min {
        5.0 - x
    } else {
        3.0 + x
    };
    let turn = sextants / 6.0;
    let turn = if turn < 0.0 { 1.0 + turn } else { turn };
    let saturation = range as f32 / max.max(1) as f32;
    let hue = if range == 0 { 0.0 } else { turn * 255.0 };
    [truncate(hue), truncate(saturation * 255.0), max as u8]
}

/// The RGB colour of a hue, a saturation and a value, each in 0..=255.
#[inline(always)]
pub(crate) fn hsv_to_rgb([h, s, v]: [u8; 3]) -> [u8; 3] {
    // The sextant and the position in it. Multiplying by 772 / 2^16 divides by 85 exactly for all values that occur.
    let position = 2 * i32::from(h);
    let sextant = (position * 772) >> 16;
    let f = (position - 85 * sextant) as f32 / 85.0;
    let s = f32::from(s) / 255.0;
    let value = f32::from(v);
    // No ties occur: 2 * 85 * 255 is not a multiple of 4.
    let p = nearest(value * (1.0 - s));
    let q = nearest(value * (1.0 - s * f));
    let t = nearest(value * (1.0 - s * (1.0 - f)));
    let pick = |at: [u8; 6]| {
        // Hue 255 is a full turn: sextant 6 is sextant 0.
        let mut value = at[0];
        for i in 1..6 {
            value = if sextant == i { at[i as usize] } else { value };
        }
        value
    };
    [
        pick([v, q, p, p, t, v]),
        pick([t, v, v, q, p, p]),
        pick([p, p, t, v, v, q]),
    ]
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// Both conversions of all 2^24 values, against checksums of Pillow's results.
    #[test]
    fn conversions() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../tests/pillow/chains.json")).unwrap();
        for (name, convert) in [
            ("rgb_to_hsv", rgb_to_hsv as fn([u8; 3]) -> [u8; 3]),
            ("hsv_to_rgb", hsv_to_rgb),
        ] {
            let mut hasher = crc32fast::Hasher::new();
            let mut row = Vec::new();
            for number in 0..1u32 << 24 {
                let [low, middle, high, _] = number.to_le_bytes();
                row.extend_from_slice(&convert([low, middle, high]));
                if row.len() == 3 << 12 {
                    hasher.update(&row);
                    row.clear();
                }
            }
            assert_eq!(file["conversions"][name], hasher.finalize(), "{name}");
        }
    }
}
