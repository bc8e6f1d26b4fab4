//! The hue shift in integers.
//!
//! The CPU converts to 8-bit HSV and back in f32. Saturation and the conversion back equal exact integer quotients for every
//! colour. So does the hue, except where the quotient is an integer: some of those come out one lower, depending on the
//! quotient alone ([`ROUNDED_DOWN`]). The tests try all colours.

use cubecl::prelude::*;

/// Bit `h` is set where a hue of exactly `h` comes out as `h - 1`.
pub(crate) const ROUNDED_DOWN: [u32; 8] = [
    0xFFFF_FFFE,
    0,
    0x1100_0000,
    0x0000_0111,
    0x222A_AAAA,
    0x2323_2222,
    0x0002_2222,
    0,
];

/// The colour with its hue shifted by `shift`, modulo 256. Colours are `r | g << 8 | b << 16`; `encoded` begins with
/// [`ROUNDED_DOWN`].
#[cube]
pub(crate) fn shifted(encoded: &[u32], colour: u32, shift: u32) -> u32 {
    let r = colour & 255u32;
    let g = (colour >> 8u32) & 255u32;
    let b = colour >> 16u32;
    let max = u32::max(r, u32::max(g, b));
    let min = u32::min(r, u32::min(g, b));
    let range = max - min;
    // Grey has no hue and is left unchanged.
    let mut result = colour;
    if range > 0u32 {
        let saturation = 255u32 * range / max;
        // In sixths of a turn the hue is `corner +- (max - middle) / range`, where the corner is odd.
        let rising_r = b <= g;
        let rising_g = b > r;
        let rising_b = r > g;
        let corner = select(
            r == max,
            select(rising_r, 1u32, 5u32),
            select(
                g == max,
                select(rising_g, 3u32, 1u32),
                select(rising_b, 5u32, 3u32),
            ),
        );
        let minus = select(r == max, rising_r, select(g == max, rising_g, rising_b));
        let middle = r + g + b - max - min;
        let part = max - middle;
        let whole = corner * range;
        let sixths = 85u32 * select(minus, whole - part, whole + part);
        let half = 2u32 * range;
        let quotient = sixths / half;
        let bits = encoded[(quotient >> 5u32) as usize];
        let down = (bits >> (quotient & 31u32)) & 1u32;
        let exact = quotient * half == sixths;
        let hue = select(exact, quotient - down, quotient);

        let position = 2u32 * ((hue + shift) & 255u32);
        let sextant = position / 85u32;
        let into = position - 85u32 * sextant;
        let odd = sextant & 1u32 == 1u32;
        let low = (2u32 * max * (255u32 - saturation) + 255u32) / 510u32;
        let away = select(odd, into, 85u32 - into);
        let between = (2u32 * max * (21675u32 - saturation * away) + 21675u32) / 43350u32;
        // 0: v t p, 1: q v p, 2: p v t, 3: p q v, 4: t p v, 5: v p q, 6 as 0
        let red = select(
            sextant == 1u32 || sextant == 4u32,
            between,
            select(sextant == 2u32 || sextant == 3u32, low, max),
        );
        let green = select(
            sextant == 1u32 || sextant == 2u32,
            max,
            select(sextant == 4u32 || sextant == 5u32, low, between),
        );
        let blue = select(
            sextant == 3u32 || sextant == 4u32,
            max,
            select(sextant == 2u32 || sextant == 5u32, between, low),
        );
        result = red | (green << 8u32) | (blue << 16u32);
    }
    result
}
