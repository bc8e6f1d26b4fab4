//! Antialiased bilinear resize: a triangle filter, along the rows first, then down the columns (methods.md 1.4).

use crate::image::Image;

/// Fixed-point bits of a weight.
const BITS: u32 = 22;
/// One half, so that the shift rounds to nearest.
const HALF: i32 = 1 << (BITS - 1);

/// The weights of one axis: output `i` is the sum of `weights(i)` times the inputs from `first[i]` on.
struct Taps {
    first: Vec<usize>,
    /// Where the weights of output `i` start in `weights`; one entry more than outputs.
    bounds: Vec<usize>,
    weights: Vec<i32>,
}

impl Taps {
    fn new(from: u32, to: u32) -> Self {
        let scale = f64::from(from) / f64::from(to);
        // Enlarging interpolates between neighbours; reducing averages over as much as an output pixel covers.
        let support = scale.max(1.0);
        let inverse = 1.0 / support;
        let mut taps = Self {
            first: Vec::with_capacity(to as usize),
            bounds: Vec::with_capacity(to as usize + 1),
            weights: Vec::new(),
        };
        let mut exact: Vec<f64> = Vec::new();
        taps.bounds.push(0);
        for i in 0..to {
            let centre = (f64::from(i) + 0.5) * scale;
            let start = (centre - support + 0.5).max(0.0) as u32;
            let end = ((centre + support + 0.5) as u32).min(from);
            exact.clear();
            exact.extend((start..end).map(|j| triangle((f64::from(j) - centre + 0.5) * inverse)));
            let sum: f64 = exact.iter().fold(0.0, |sum, w| sum + w);
            taps.first.push(start as usize);
            taps.weights.extend(
                exact
                    .iter()
                    .map(|w| (0.5 + w / sum * f64::from(1 << BITS)) as i32),
            );
            taps.bounds.push(taps.weights.len());
        }
        taps
    }

    fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.first
            .iter()
            .zip(self.bounds.windows(2))
            .map(|(&first, ends)| (first, &self.weights[ends[0]..ends[1]]))
    }
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

#[inline]
fn to_byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// The picture at `width` x `height`. An axis that keeps its length is not touched.
pub fn resize(image: &Image, width: u32, height: u32) -> Image {
    let mut data = if width == image.width {
        image.data.clone()
    } else {
        along_rows(&image.data, image.width, width)
    };
    if height != image.height {
        data = down_columns(&data, width as usize * 3, image.height, height);
    }
    Image {
        width,
        height,
        data,
    }
}

fn along_rows(data: &[u8], from: u32, to: u32) -> Vec<u8> {
    let taps = Taps::new(from, to);
    let rows = data.len() / (from as usize * 3);
    let mut out = vec![0u8; rows * to as usize * 3];
    for (row, out) in data
        .chunks_exact(from as usize * 3)
        .zip(out.chunks_exact_mut(to as usize * 3))
    {
        let (pixels, _) = row.as_chunks::<3>();
        for (out, (first, weights)) in out.as_chunks_mut::<3>().0.iter_mut().zip(taps.iter()) {
            let mut sums = [HALF; 3];
            for (pixel, &weight) in pixels[first..].iter().zip(weights) {
                for c in 0..3 {
                    sums[c] += i32::from(pixel[c]) * weight;
                }
            }
            *out = sums.map(to_byte);
        }
    }
    out
}

fn down_columns(data: &[u8], stride: usize, from: u32, to: u32) -> Vec<u8> {
    let taps = Taps::new(from, to);
    let mut out = vec![0u8; to as usize * stride];
    let mut sums = vec![HALF; stride];
    for (out, (first, weights)) in out.chunks_exact_mut(stride).zip(taps.iter()) {
        sums.fill(HALF);
        for (row, &weight) in data[first * stride..].chunks_exact(stride).zip(weights) {
            for (sum, &v) in sums.iter_mut().zip(row) {
                *sum += i32::from(v) * weight;
            }
        }
        for (out, &sum) in out.iter_mut().zip(&sums) {
            *out = to_byte(sum);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_picture_stays_constant() {
        for (from, to) in [(1, 7), (7, 1), (3, 224), (500, 224), (65_536, 3)] {
            let image = Image {
                width: from,
                height: 1,
                data: vec![200; from as usize * 3],
            };
            let out = resize(&image, to, 2);
            assert_eq!(out.data.len(), to as usize * 6);
            // Weights are rounded to 2^-22 each; many small ones can lose a level.
            assert!(
                out.data.iter().all(|v| v.abs_diff(200) <= 1),
                "{from} to {to}"
            );
        }
    }
}
