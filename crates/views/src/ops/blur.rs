//! Gaussian blur by three extended box filters along the rows and three down the columns (methods.md 1.4).
//!
//! This is Pillow's blur, not the truncated Gaussian kernel of other implementations. Values are rounded to 8 bits after each
//! of the six passes. Source: Gwosdek et al., "Theoretical foundations of Gaussian convolution by extended box filtering",
//! SSVM 2011.

use crate::planes::Planes;

/// A box filter whose two outermost taps have a smaller weight than the others. Weights are fixed-point with 24 fractional
/// bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExtendedBox {
    /// Full taps on each side of the centre one.
    pub radius: usize,
    /// Weight of a full tap.
    pub full: u32,
    /// Weight of each of the two taps at distance `radius + 1`.
    pub far: u32,
}

impl ExtendedBox {
    /// The box for which three passes have the variance of a Gaussian with standard deviation `sigma`, in pixels.
    pub fn for_sigma(sigma: f32) -> Self {
        let variance = sigma * sigma / 3.0;
        let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
        let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
        let part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
            / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
        let size = whole + part;

        let radius = size as u32;
        let full = (16_777_216.0 / (size * 2.0 + 1.0)) as u32;
        // The reference wraps in unsigned arithmetic as well.
        let far = 16_777_216u32.wrapping_sub((2 * radius + 1).wrapping_mul(full)) / 2;
        Self {
            radius: radius as usize,
            full,
            far,
        }
    }

    #[inline(always)]
    fn weigh(self, full_sum: u32, far_sum: u32) -> u8 {
        let sum = self
            .full
            .wrapping_mul(full_sum)
            .wrapping_add(self.far.wrapping_mul(far_sum));
        (sum.wrapping_add(1 << 23) >> 24) as u8
    }
}

/// Buffers that are reused from blur to blur.
#[derive(Default)]
pub(crate) struct Scratch {
    /// A padded row.
    line: Vec<u8>,
    /// Sums of the full taps, for a row.
    sums: Vec<u32>,
    /// The result of a pass down the columns.
    other: Vec<u8>,
}

/// Blurs with standard deviation `sigma`, in pixels. The image is padded with its edge pixels.
pub(crate) fn blur(planes: &mut Planes, sigma: f32, scratch: &mut Scratch) {
    let kernel = ExtendedBox::for_sigma(sigma);
    let width = planes.width;
    let Scratch { line, sums, other } = scratch;
    sums.clear();
    sums.resize(width, 0);
    line.resize(width + 2 * (kernel.radius + 1), 0);
    for plane in planes.channels_mut() {
        along_rows(plane, line, sums, kernel);
        other.resize(plane.len(), 0);
        pass_down(plane, other, sums, kernel);
        pass_down(other, plane, sums, kernel);
        pass_down(plane, other, sums, kernel);
        plane.copy_from_slice(other);
    }
}

vectorized! {
    /// Three passes along every row.
    fn along_rows(plane: &'a mut [u8], line: &'a mut [u8], sums: &'a mut [u32], kernel: ExtendedBox) -> () {
        for row in plane.chunks_exact_mut(sums.len()) {
            for _ in 0..3 {
                pass_along(row, line, sums, kernel);
            }
        }
    }
}

/// One pass along a row, by way of `line`, the row padded with its edge pixels.
#[inline(always)]
fn pass_along(row: &mut [u8], line: &mut [u8], sums: &mut [u32], kernel: ExtendedBox) {
    let (margin, width) = (kernel.radius + 1, row.len());
    line[..margin].fill(row[0]);
    line[margin..margin + width].copy_from_slice(row);
    line[margin + width..].fill(row[width - 1]);
    // The window of `row[x]` is line[x] (far), line[x + 1 ..= x + taps] (full), line[x + taps + 1] (far).
    let taps = 2 * kernel.radius + 1;
    sum_windows(&line[1..], taps, sums);
    weigh(row, sums, line, &line[taps + 1..], kernel);
}

/// The sum of `taps` values from each position on.
#[inline(always)]
fn sum_windows(line: &[u8], taps: usize, sums: &mut [u32]) {
    // A running sum is sequential; for few taps, sums of many positions at once are faster.
    if taps <= 7 {
        sums.fill(0);
        for k in 0..taps {
            for (sum, &v) in sums.iter_mut().zip(&line[k..]) {
                *sum += u32::from(v);
            }
        }
    } else {
        let mut sum: u32 = line[..taps - 1].iter().map(|&v| u32::from(v)).sum();
        for ((out, &leaving), &entering) in sums.iter_mut().zip(line).zip(&line[taps - 1..]) {
            sum += u32::from(entering);
            *out = sum;
            sum -= u32::from(leaving);
        }
    }
}

vectorized! {
    /// One pass down all columns at once, row by row, with a running sum for each column.
    fn pass_down(from: &'a [u8], to: &'a mut [u8], sums: &'a mut [u32], kernel: ExtendedBox) -> () {
        let width = sums.len();
        let last = from.len() / width - 1;
        let row = |y: usize| &from[y * width..(y + 1) * width];
        let radius = kernel.radius;

        sums.fill(0);
        for y in 0..=2 * radius {
            for (sum, &v) in sums.iter_mut().zip(row(y.saturating_sub(radius).min(last))) {
                *sum += u32::from(v);
            }
        }
        for (y, out) in to.chunks_exact_mut(width).enumerate() {
            let far_above = row(y.saturating_sub(radius + 1));
            let leaving = row(y.saturating_sub(radius));
            let entering = row((y + radius + 1).min(last));
            weigh(out, sums, far_above, entering, kernel);
            for ((sum, &entering), &leaving) in sums.iter_mut().zip(entering).zip(leaving) {
                *sum = *sum + u32::from(entering) - u32::from(leaving);
            }
        }
    }
}

/// The results of a row from the sums of the full taps and the two far taps.
#[inline(always)]
fn weigh(out: &mut [u8], sums: &[u32], before: &[u8], after: &[u8], kernel: ExtendedBox) {
    for (((out, &sum), &before), &after) in out.iter_mut().zip(sums).zip(before).zip(after) {
        *out = kernel.weigh(sum, u32::from(before) + u32::from(after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference points of methods.md 1.4. For sigma 1 the quotient, rounded to f32 before it is truncated, gives one
    /// more than the exact quotient; Pillow's results show the same.
    #[test]
    fn weights_for_known_sigmas() {
        for (sigma, radius, full) in [
            (0.1, 0, 16_721_291),
            (0.5, 0, 15_379_114),
            (1.0, 0, 11_184_811),
            (1.5, 1, 5_452_595),
            (2.0, 1, 4_473_924),
        ] {
            let kernel = ExtendedBox::for_sigma(sigma);
            assert_eq!(
                (kernel.radius, kernel.full),
                (radius, full),
                "sigma {sigma}"
            );
        }
        assert_eq!(
            ExtendedBox::for_sigma(0.0),
            ExtendedBox {
                radius: 0,
                full: 1 << 24,
                far: 0
            }
        );
    }
}
