//! Operations on the colour of one pixel, encoded as a list of steps.
//!
//! A colour is `r | g << 8 | b << 16`. A step is one word: its code in the low three bits, its argument above. These
//! functions are plain Rust as well, so that the tests can try all colours.

use cubecl::prelude::*;

use crate::{blend, hue};

/// Blend with black by the table at word `argument`.
pub(crate) const BRIGHTNESS: u32 = 0;
/// Blend with the mean by the table at word `argument`.
pub(crate) const CONTRAST: u32 = 1;
/// Blend with the luma by the table at word `argument`.
pub(crate) const SATURATION: u32 = 2;
/// Hue shift by `argument`.
pub(crate) const HUE: u32 = 3;
/// Luma in all channels.
pub(crate) const GRAYSCALE: u32 = 4;
/// Inversion from `argument` on.
pub(crate) const SOLARIZE: u32 = 5;

/// The luma of ITU-R 601-2 in integers, rounded to nearest (methods.md 1.4).
#[cube]
pub(crate) fn luma(colour: u32) -> u32 {
    let r = colour & 255u32;
    let g = (colour >> 8u32) & 255u32;
    let b = colour >> 16u32;
    (19595u32 * r + 38470u32 * g + 7471u32 * b + 32768u32) >> 16u32
}

#[cube]
fn inverted(value: u32, threshold: u32) -> u32 {
    select(value >= threshold, 255u32 - value, value)
}

/// Applies the steps at words `begin..end` to a colour. Contrast blends with `mean`.
#[cube]
pub(crate) fn run(encoded: &[u32], begin: u32, end: u32, mean: u32, input: u32) -> u32 {
    let mut colour = input;
    let mut at = begin;
    while at < end {
        let step = encoded[at as usize];
        let code = step & 7u32;
        let argument = step >> 3u32;
        if code <= SATURATION {
            let mut base = 0u32;
            if code == CONTRAST {
                base = mean;
            }
            if code == SATURATION {
                base = luma(colour);
            }
            let r = blend::blended(encoded, argument, base, colour & 255u32);
            let g = blend::blended(encoded, argument, base, (colour >> 8u32) & 255u32);
            let b = blend::blended(encoded, argument, base, colour >> 16u32);
            colour = r | (g << 8u32) | (b << 16u32);
        } else if code == HUE {
            colour = hue::shifted(encoded, colour, argument);
        } else if code == GRAYSCALE {
            colour = luma(colour) * 0x10101u32;
        } else {
            let r = inverted(colour & 255u32, argument);
            let g = inverted((colour >> 8u32) & 255u32, argument);
            let b = inverted(colour >> 16u32, argument);
            colour = r | (g << 8u32) | (b << 16u32);
        }
        at += 1u32;
    }
    colour
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use parallax_views::{Image, Op};

    use super::*;
    use crate::hue::ROUNDED_DOWN;

    /// All colours, in the order of `r | g << 8 | b << 16`.
    fn all_colours() -> Image {
        Image {
            width: 4096,
            height: 4096,
            data: (0..1u32 << 24)
                .flat_map(|colour| [colour as u8, (colour >> 8) as u8, (colour >> 16) as u8])
                .collect(),
        }
    }

    /// Runs one step on all colours and compares with the CPU engine.
    fn check(code: u32, argument: u32, op: &Op) {
        let mut encoded = ROUNDED_DOWN.to_vec();
        encoded.push(code | argument << 3);
        let expected = op.apply(&all_colours()).unwrap();
        let differing = expected.data.as_chunks::<3>().0.iter().zip(0u32..);
        let differing = differing
            .filter(|&(expected, colour)| {
                run(&encoded, 8, 9, 0, colour).to_le_bytes()[..3] != expected[..]
            })
            .count();
        assert_eq!(differing, 0, "{op:?}");
    }

    #[test]
    fn hue_of_every_colour() {
        for delta in [0.0, 0.02, -0.037, 0.1, -0.4, 0.5, -0.5] {
            let shift = u32::from((255.0 * delta) as i32 as u8);
            check(HUE, shift, &Op::Hue { delta });
        }
    }

    #[test]
    fn grayscale_and_solarize_of_every_colour() {
        check(GRAYSCALE, 0, &Op::Grayscale {});
        for threshold in [0, 1, 128, 256] {
            check(SOLARIZE, u32::from(threshold), &Op::Solarize { threshold });
        }
    }
}
