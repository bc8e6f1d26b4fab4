//! Brightness, contrast and saturation without floats on the device.
//!
//! The CPU computes `base + factor * (value - base)` in f32 and truncates it. The product depends on `value - base` alone,
//! so a table of 511 entries holds it. Adding an integer base to the product instead of to its integer part changes the
//! result only where f32 rounds the sum up to the next integer, and f32 is finer near zero. An entry is therefore the
//! integer part of the product and the first power of two for which a sum rounds up.

use cubecl::prelude::*;

/// Words of a table: two entries a word, for the differences from -255 to 255.
pub(crate) const TABLE_WORDS: u32 = 256;

/// Added to integer parts, which are clamped to -512..=511: outside, every base gives 0 or 255.
const OFFSET: u32 = 512;
/// The exponent of a power that no sum reaches.
const NEVER: u32 = 15;

/// The table of a factor.
pub(crate) fn table(factor: f32) -> impl Iterator<Item = u32> {
    let entry = move |index: i32| entry(factor * (index - 255) as f32);
    // The upper half of the last word is unused.
    (0..TABLE_WORDS as i32).map(move |word| entry(2 * word) | entry(2 * word + 1) << 16)
}

fn entry(product: f32) -> u32 {
    let whole = product.floor();
    let power = match product - whole > 0.9999 && whole.abs() <= OFFSET as f32 {
        // The f32 sum of this product and the base for which it lies just below 2^power.
        true => (0..=8u32).find(|&power| {
            let next = f32::from(1u16 << power);
            (next - 1.0 - whole) + product == next
        }),
        false => None,
    };
    let offset = OFFSET as f32;
    let whole = whole.clamp(-offset, offset - 1.0) + offset;
    (whole as u32) << 4 | power.unwrap_or(NEVER)
}

/// One channel's blend with `base`, by the table at word `table`.
#[cube]
pub(crate) fn blended(encoded: &[u32], table: u32, base: u32, value: u32) -> u32 {
    let index = value + 255 - base;
    let pair = encoded[(table + (index >> 1u32)) as usize];
    let entry = (pair >> ((index & 1u32) << 4u32)) & 0xFFFFu32;
    let below = base + (entry >> 4u32);
    // One more than half the power: 1, 2, 3, 5, 9, ..
    let from = ((1u32 << (entry & 15u32)) >> 1u32) + comptime!(1 + OFFSET);
    let sum = select(below + 1u32 >= from, below + 1u32, below);
    u32::min(u32::max(sum, OFFSET), comptime!(255 + OFFSET)) - OFFSET
}

#[cfg(test)]
mod tests {
    use parallax_rng::{Draws, Stream};

    use super::*;

    /// Compares every base and value with the definition (methods.md 1.4).
    fn check(factor: f32) {
        let table: Vec<u32> = table(factor).collect();
        for base in 0..=255u8 {
            for value in 0..=255u8 {
                let (d, v) = (f32::from(base), f32::from(value));
                let expected = (d + factor * (v - d)) as u8;
                let found = blended(&table, 0, u32::from(base), u32::from(value));
                assert_eq!(found, u32::from(expected), "{factor} of {value} on {base}");
            }
        }
    }

    #[test]
    fn every_base_and_value_for_special_factors() {
        let mut factors = vec![
            0.0,
            f32::MIN_POSITIVE,
            1e-45,
            f32::MAX / 512.0,
            1e9,
            2.0,
            3.0,
        ];
        for near in [
            1.0f32,
            0.5,
            2.0,
            1.0 / 3.0,
            0.1,
            1.0 / 255.0,
            256.0,
            1e-7,
            0.999,
        ] {
            for ulps in -3i32..=3 {
                factors.push(f32::from_bits((near.to_bits() as i32 + ulps) as u32));
            }
        }
        // Factors whose products are the largest f32 below an integer.
        for difference in 1u16..=255 {
            for integer in [1u16, 2, 7, 64, 100, 128, 255, 300] {
                let factor = f32::from(integer) / f32::from(difference);
                factors.push(f32::from_bits(factor.to_bits() - 1));
                factors.push(factor);
            }
        }
        factors.into_iter().for_each(check);
    }

    #[test]
    fn every_base_and_value_for_drawn_factors() {
        let mut draws = Draws::new(1, Stream::View, 0, 0, 0);
        for _ in 0..500 {
            check(draws.uniform(0.0, 2.0) as f32);
        }
    }
}
