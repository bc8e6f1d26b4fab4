//! Gaussian blur as three extended-box passes along the rows and three down the columns (methods.md 1.4).
//!
//! This is Pillow's blur, not the truncated Gaussian kernel of some other implementations. Values are rounded to 8 bits
//! after each of the six passes. (The radius: Gwosdek et al., "Theoretical foundations of Gaussian convolution by
//! extended box filtering", SSVM 2011.)

use crate::image::Image;

/// A box whose two end taps have a smaller weight than the others. Weights are fixed-point, 2^24 is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct ExtendedBox {
    /// Full taps on each side of the middle one.
    radius: usize,
    /// Weight of a full tap.
    full: u32,
    /// Weight of each of the two taps at distance `radius + 1`.
    far: u32,
}

impl ExtendedBox {
    /// The box of which three passes have the variance of a Gaussian of standard deviation `sigma`, in pixels.
    fn for_sigma(sigma: f32) -> Self {
        let variance = sigma * sigma / 3.0;
        let length = (12.0 * f64::from(variance) + 1.0).sqrt() as f32;
        let whole = ((f64::from(length) - 1.0) / 2.0).floor() as f32;
        let part = (2.0 * whole + 1.0) * (whole * (whole + 1.0) - 3.0 * variance)
            / (6.0 * (variance - (whole + 1.0) * (whole + 1.0)));
        let size = whole + part;

        let radius = size as u32;
        let full = (16_777_216.0 / (size * 2.0 + 1.0)) as u32;
        // The reference computes in unsigned words too, and would wrap alike.
        let far = 16_777_216u32.wrapping_sub((2 * radius + 1).wrapping_mul(full)) / 2;
        Self {
            radius: radius as usize,
            full,
            far,
        }
    }

    #[inline]
    fn weigh(self, full_sum: u32, far_sum: u32) -> u8 {
        let sum = self
            .full
            .wrapping_mul(full_sum)
            .wrapping_add(self.far.wrapping_mul(far_sum));
        (sum.wrapping_add(1 << 23) >> 24) as u8
    }
}

/// Blurs with standard deviation `sigma`, in pixels. Outside of the picture its edge pixels continue.
pub fn blur(image: &mut Image, sigma: f32) {
    let kernel = ExtendedBox::for_sigma(sigma);
    let stride = image.width as usize * 3;
    along_rows(&mut image.data, stride, kernel);
    down_columns(&mut image.data, stride, kernel);
}

/// Three passes over each row, in a line that carries `radius + 1` copies of the end pixels on both sides.
fn along_rows(data: &mut [u8], stride: usize, kernel: ExtendedBox) {
    let margin = 3 * (kernel.radius + 1);
    let mut line = vec![0u8; stride + 2 * margin];
    for row in data.chunks_exact_mut(stride) {
        for _ in 0..3 {
            line[margin..margin + stride].copy_from_slice(row);
            let (left, right) = line.split_at_mut(margin + stride);
            left[..margin]
                .as_chunks_mut::<3>()
                .0
                .fill([row[0], row[1], row[2]]);
            right
                .as_chunks_mut::<3>()
                .0
                .fill([row[stride - 3], row[stride - 2], row[stride - 1]]);
            pass_along(&line, row, kernel);
        }
    }
}

/// One pass: `line` is the row with its margins, `row` receives the result.
fn pass_along(line: &[u8], row: &mut [u8], kernel: ExtendedBox) {
    let (line, _) = line.as_chunks::<3>();
    let (row, _) = row.as_chunks_mut::<3>();
    let taps = 2 * kernel.radius + 1;
    // The window of `row[x]` is line[x] (far), line[x + 1 ..= x + taps] (full), line[x + taps + 1] (far).
    let mut sums = [0u32; 3];
    for pixel in &line[1..=taps] {
        for c in 0..3 {
            sums[c] += u32::from(pixel[c]);
        }
    }
    let windows = line.iter().zip(&line[1..]).zip(&line[taps + 1..]);
    for (out, ((far_left, leaving), entering)) in row.iter_mut().zip(windows) {
        for c in 0..3 {
            out[c] = kernel.weigh(sums[c], u32::from(far_left[c]) + u32::from(entering[c]));
            sums[c] = sums[c] + u32::from(entering[c]) - u32::from(leaving[c]);
        }
    }
}

/// Three passes down all columns at once, row by row, with one running sum a column.
fn down_columns(data: &mut Vec<u8>, stride: usize, kernel: ExtendedBox) {
    let mut other = vec![0u8; data.len()];
    let mut sums = vec![0u32; stride];
    for _ in 0..3 {
        pass_down(data, &mut other, &mut sums, kernel);
        std::mem::swap(data, &mut other);
    }
}

fn pass_down(from: &[u8], to: &mut [u8], sums: &mut [u32], kernel: ExtendedBox) {
    let stride = sums.len();
    let last = from.len() / stride - 1;
    let row = |y: usize| &from[y * stride..(y + 1) * stride];
    let radius = kernel.radius;

    sums.fill(0);
    for y in 0..=2 * radius {
        for (sum, &v) in sums.iter_mut().zip(row(y.saturating_sub(radius).min(last))) {
            *sum += u32::from(v);
        }
    }
    for (y, out) in to.chunks_exact_mut(stride).enumerate() {
        let far_above = row(y.saturating_sub(radius + 1));
        let leaving = row(y.saturating_sub(radius));
        let entering = row((y + radius + 1).min(last));
        let sources = far_above.iter().zip(leaving).zip(entering);
        for ((out, sum), ((&far, &leaving), &entering)) in
            out.iter_mut().zip(sums.iter_mut()).zip(sources)
        {
            *out = kernel.weigh(*sum, u32::from(far) + u32::from(entering));
            *sum = *sum + u32::from(entering) - u32::from(leaving);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The reference points of methods.md 1.4, but for sigma 1: the quotient is rounded to f32 before it is cut, which
    /// gives one more than the exact quotient there, and Pillow's results show that one more.
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
