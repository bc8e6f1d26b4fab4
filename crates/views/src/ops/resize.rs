//! Antialiased bilinear resize: a triangle filter along the rows, then down the columns (methods.md 1.4).

use std::ops::Range;

use crate::planes::{Planes, Window};

/// Fractional bits of a fixed-point weight.
pub const BITS: u32 = 22;
/// One half, for rounding to nearest.
const HALF: i32 = 1 << (BITS - 1);
/// Source rows that are filtered together.
const ROWS: usize = 4;
/// Weights that the second pass applies together.
const WEIGHTS: usize = 4;

/// A pixel between the two passes: three channels, padded to a word.
type Pixel = [u8; 4];
/// The pixels of [`ROWS`] rows in the same column.
type Column = [u8; 4 * ROWS];

/// The result of a resize: its full size, and the part of it that is computed.
#[derive(Clone)]
pub(crate) struct Target {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) columns: Range<u32>,
    pub(crate) rows: Range<u32>,
}

/// Buffers that are reused from resize to resize.
#[derive(Default)]
pub(crate) struct Scratch {
    across: Taps,
    down: Taps,
    /// [`ROWS`] rows of the source, interleaved.
    source: Vec<Column>,
    /// The same rows after the first pass.
    mixed: Vec<Column>,
    /// All rows after the first pass.
    filtered: Vec<Pixel>,
    /// Sums of a row in the second pass.
    sums: Vec<i32>,
    /// The row.
    row: Vec<Pixel>,
}

/// The filter weights of one axis: each output is a weighted sum of consecutive inputs. Weights are fixed-point with
/// [`RESIZE_BITS`](crate::RESIZE_BITS) fractional bits, and not negative.
#[derive(Default)]
pub struct Taps {
    first: Vec<usize>,
    /// Output `i` has the weights `bounds[i]..bounds[i + 1]`.
    bounds: Vec<usize>,
    weights: Vec<i32>,
    exact: Vec<f64>,
}

impl Taps {
    /// Computes the weights of the outputs `wanted` for a resize of `from` pixels to `to`, both at least 1.
    pub fn set(&mut self, from: usize, to: u32, wanted: Range<u32>) {
        let scale = from as f64 / f64::from(to);
        // Upsampling interpolates between neighbours; downsampling averages over what an output pixel covers.
        let support = scale.max(1.0);
        let inverse = 1.0 / support;
        let Self {
            first,
            bounds,
            weights,
            exact,
        } = self;
        first.clear();
        bounds.clear();
        weights.clear();
        bounds.push(0);
        for i in wanted {
            let centre = (f64::from(i) + 0.5) * scale;
            let start = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(from);
            exact.clear();
            exact.extend((start..end).map(|j| triangle((j as f64 - centre + 0.5) * inverse)));
            let sum: f64 = exact.iter().fold(0.0, |sum, w| sum + w);
            first.push(start);
            weights.extend(
                exact
                    .iter()
                    .map(|w| (0.5 + w / sum * f64::from(1 << BITS)) as i32),
            );
            bounds.push(weights.len());
        }
    }

    /// For each output its first input, and the weights of the inputs from there on.
    pub fn iter(&self) -> impl Iterator<Item = (usize, &[i32])> {
        self.first
            .iter()
            .zip(self.bounds.windows(2))
            .map(|(&first, ends)| (first, &self.weights[ends[0]..ends[1]]))
    }

    /// The inputs that any output depends on.
    fn inputs(&self) -> Range<usize> {
        let start = self.first.first().copied().unwrap_or(0);
        let end = self
            .iter()
            .last()
            .map_or(start, |(first, w)| first + w.len());
        start..end
    }
}

fn triangle(x: f64) -> f64 {
    (1.0 - x.abs()).max(0.0)
}

#[inline(always)]
fn to_byte(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}

/// Resizes the window and computes the part in `target`. Pixels that it does not depend on are not read.
///
/// An axis that keeps its length has a single weight of 1 for each output and stays unchanged.
pub(crate) fn resize(window: &Window, target: &Target, planes: &mut Planes, scratch: &mut Scratch) {
    let Scratch {
        across,
        down,
        source,
        mixed,
        filtered,
        sums,
        row,
    } = scratch;
    across.set(window.width, target.width, target.columns.clone());
    down.set(window.height, target.height, target.rows.clone());
    let (width, height) = (target.columns.len(), target.rows.len());
    planes.reshape(width, height);

    let (columns, rows) = (across.inputs(), down.inputs());
    source.resize(columns.len(), Column::default());
    mixed.resize(width, Column::default());
    filtered.resize(rows.len().next_multiple_of(ROWS) * width, Pixel::default());
    let groups = filtered.chunks_exact_mut(ROWS * width);
    for (y, out) in rows.clone().step_by(ROWS).zip(groups) {
        let group = std::array::from_fn(|i| window.pixels((y + i).min(rows.end - 1), &columns));
        gather(group, source);
        along_rows(source, columns.start, across, mixed);
        scatter(mixed, out);
    }

    row.resize(width, Pixel::default());
    sums.resize(4 * width, 0);
    let [red, green, blue] = planes.channels_mut();
    let outs = red
        .chunks_exact_mut(width)
        .zip(green.chunks_exact_mut(width))
        .zip(blue.chunks_exact_mut(width));
    for ((start, weights), ((red, green), blue)) in down.iter().zip(outs) {
        down_columns(&filtered[(start - rows.start) * width..], weights, sums);
        finish(sums, row, [red, green, blue]);
    }
}

vectorized! {
    /// Interleaves the pixels of [`ROWS`] rows.
    fn gather(rows: [&'a [[u8; 3]]; ROWS], out: &'a mut [Column]) -> () {
        let [a, b, c, d] = rows;
        for ((((out, a), b), c), d) in out.iter_mut().zip(a).zip(b).zip(c).zip(d) {
            *out = [
                a[0], a[1], a[2], 0, b[0], b[1], b[2], 0, c[0], c[1], c[2], 0, d[0], d[1], d[2], 0,
            ];
        }
    }
}

vectorized! {
    /// The first pass. `source` begins at column `base`.
    fn along_rows(source: &'a [Column], base: usize, taps: &'a Taps, out: &'a mut [Column]) -> () {
        for (out, (start, weights)) in out.iter_mut().zip(taps.iter()) {
            let mut sums = [HALF; 4 * ROWS];
            for (column, &weight) in source[start - base..].iter().zip(weights) {
                for (sum, &v) in sums.iter_mut().zip(column) {
                    *sum += i32::from(v) * weight;
                }
            }
            *out = sums.map(to_byte);
        }
    }
}

vectorized! {
    /// The inverse of `gather`.
    fn scatter(columns: &'a [Column], out: &'a mut [Pixel]) -> () {
        let (a, rest) = out.split_at_mut(columns.len());
        let (b, rest) = rest.split_at_mut(columns.len());
        let (c, d) = rest.split_at_mut(columns.len());
        for ((((column, a), b), c), d) in columns.iter().zip(a).zip(b).zip(c).zip(d) {
            let (pixels, _) = column.as_chunks::<4>();
            (*a, *b, *c, *d) = (pixels[0], pixels[1], pixels[2], pixels[3]);
        }
    }
}

vectorized! {
    /// The second pass for one row of the result: the weighted sum of the leading rows of `rows`.
    fn down_columns(rows: &'a [Pixel], weights: &'a [i32], sums: &'a mut [i32]) -> () {
        let width = sums.len() / 4;
        sums.fill(HALF);
        let groups = weights.chunks(WEIGHTS).zip(rows.chunks(WEIGHTS * width));
        for (weights, rows) in groups {
            // Missing weights are 0, for any row.
            let weight: [i32; WEIGHTS] = std::array::from_fn(|k| weights.get(k).copied().unwrap_or(0));
            let row: [&[u8]; WEIGHTS] = std::array::from_fn(|k| {
                let k = k.min(weights.len() - 1);
                rows[k * width..(k + 1) * width].as_flattened()
            });
            let [a, b, c, d] = row;
            for ((((sum, &a), &b), &c), &d) in sums.iter_mut().zip(a).zip(b).zip(c).zip(d) {
                *sum += i32::from(a) * weight[0]
                    + i32::from(b) * weight[1]
                    + i32::from(c) * weight[2]
                    + i32::from(d) * weight[3];
            }
        }
    }
}

vectorized! {
    /// Rounds the sums of a row to bytes and writes them to planes.
    fn finish(sums: &'a [i32], row: &'a mut [Pixel], channels: [&'a mut [u8]; 3]) -> () {
        for (byte, &sum) in row.as_flattened_mut().iter_mut().zip(sums) {
            *byte = to_byte(sum);
        }
        let [red, green, blue] = channels;
        for (((pixel, r), g), b) in row.iter().zip(red).zip(green).zip(blue) {
            let word = u32::from_le_bytes(*pixel);
            (*r, *g, *b) = (word as u8, (word >> 8) as u8, (word >> 16) as u8);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Image;

    #[test]
    fn a_constant_image_stays_constant() {
        for (from, to) in [(1, 7), (7, 1), (3, 224), (500, 224), (65_536, 3)] {
            let image = Image {
                width: from,
                height: 1,
                data: vec![200; from as usize * 3],
            };
            let target = Target {
                width: to,
                height: 2,
                columns: 0..to,
                rows: 0..2,
            };
            let mut planes = Planes::default();
            resize(
                &Window::whole(&image),
                &target,
                &mut planes,
                &mut Scratch::default(),
            );
            assert_eq!(planes.data.len(), to as usize * 6);
            // Every weight is rounded to 2^-22; with many small ones the result can be one lower.
            assert!(
                planes.data.iter().all(|v| v.abs_diff(200) <= 1),
                "{from} to {to}"
            );
        }
    }
}
