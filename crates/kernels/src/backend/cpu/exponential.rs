//! Exponential and logarithm in f32 within about an ulp, of operations that every processor rounds alike and that the compiler
//! makes vectors of. Cephes' polynomials (S. L. Moshier, `expf` and `logf`).

const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// Adding it rounds to an integer, which then stands in the lowest bits.
const ROUND: f32 = 12_582_912.0;
/// Smaller arguments have a result that f32 does not hold as a normal number.
const LEAST: f32 = -87.0;

/// `e^x` for x of 88 at most; of a smaller one than -87, as of that. A NaN stays one.
#[inline(always)]
pub fn exp(x: f32) -> f32 {
    let x = if x < LEAST { LEAST } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = (x - whole * LN2_HIGH) - whole * LN2_LOW;
    let mut sum = 1.987_569_1e-4;
    for coefficient in [
        1.398_2e-3,
        8.333_452e-3,
        4.166_579_6e-2,
        1.666_666_5e-1,
        0.5,
    ] {
        sum = sum * rest + coefficient;
    }
    let value = sum * (rest * rest) + rest + 1.0;
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(0x3f80_0000));
    value * power
}

/// `ln(x)` of a positive normal x. A NaN stays one.
#[inline(always)]
pub fn ln(x: f32) -> f32 {
    let bits = x.to_bits();
    // The mantissa between the roots of 1/2 and of 2.
    let offset = bits.wrapping_sub(0x3f35_04f3);
    let exponent = (offset as i32 >> 23) as f32;
    let m = f32::from_bits((offset & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    let mut sum = 7.037_683_6e-2;
    for coefficient in [
        -1.151_461e-1,
        1.167_699_9e-1,
        -1.242_014_1e-1,
        1.424_932_3e-1,
        -1.666_805_8e-1,
        2.000_071_5e-1,
        -2.499_999_4e-1,
        3.333_333e-1,
    ] {
        sum = sum * m + coefficient;
    }
    let square = m * m;
    let tail = sum * m * square + exponent * LN2_LOW - 0.5 * square;
    let value = m + tail + exponent * LN2_HIGH;
    if x.is_nan() { x } else { value }
}

#[cfg(test)]
mod tests {
    use super::{exp, ln};

    #[test]
    fn both_are_within_two_ulps() {
        let near = |found: f32, expected: f64, scale: f64| {
            let error = (f64::from(found) - expected).abs() / scale;
            assert!(error < 2.5e-7, "{found} is not {expected}");
        };
        for step in 0..200_000 {
            let x = -(step as f32) * 4.3e-4;
            let expected = f64::from(x).exp();
            near(exp(x), expected, expected);
            let x = 1.0 + step as f32 * 1.3e-3;
            let expected = f64::from(x).ln();
            near(ln(x), expected, expected.max(0.5));
        }
        assert_eq!((exp(0.0), ln(1.0)), (1.0, 0.0));
        assert!(exp(-1e30) < 1.7e-38 && exp(f32::NEG_INFINITY) < 1.7e-38);
        assert!(exp(f32::NAN).is_nan() && ln(f32::NAN).is_nan());
    }
}
