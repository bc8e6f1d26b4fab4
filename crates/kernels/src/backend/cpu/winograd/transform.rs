//! Transforms of Winograd convolution: of the weight, the input, and the output's gradient.
//!
//! All are plain loops in inlined functions: a closure, or the `map` of an array, would be compiled without the processor's
//! wide vectors.
#![allow(
    clippy::needless_range_loop,
    reason = "the index runs over the second dimension"
)]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::tile::{put, store_planes, take};

/// `G g G^T` of one panel of columns.
pub struct Kernel<'a, const V: usize> {
    pub taps: &'a [f32],
    pub channels: usize,
    pub out: &'a mut [f32],
}

impl<const V: usize> WithSimd for Kernel<'_, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let line = V * lanes;
        for begin in (0..self.channels * line).step_by(lanes) {
            let mut values = [[simd.splat_f32s(0.0); 3]; 3];
            for (number, tap) in values.as_flattened_mut().iter_mut().enumerate() {
                let at = number * self.channels * line + begin;
                *tap = take(simd, &self.taps[at..at + lanes]);
            }
            let mut columns = [[simd.splat_f32s(0.0); 4]; 3];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = weight_row(simd, [values[0][j], values[1][j], values[2][j]]);
            }
            for i in 0..4 {
                let row = weight_row(simd, [columns[0][i], columns[1][i], columns[2][i]]);
                for (j, &value) in row.iter().enumerate() {
                    let at = (i * 4 + j) * self.channels * line + begin;
                    put(simd, value, &mut self.out[at..at + lanes]);
                }
            }
        }
    }
}

/// A row of `G g`: g0, (g0 + g1 + g2) / 2, (g0 - g1 + g2) / 2, g2.
#[inline(always)]
fn weight_row<S: Simd>(simd: S, g: [S::f32s; 3]) -> [S::f32s; 4] {
    let half = simd.splat_f32s(0.5);
    let outer = simd.add_f32s(g[0], g[2]);
    let plus = simd.mul_f32s(half, simd.add_f32s(outer, g[1]));
    let minus = simd.mul_f32s(half, simd.sub_f32s(outer, g[1]));
    [g[0], plus, minus, g[2]]
}

/// A row of `B^T d`: d0 - d2, d1 + d2, d2 - d1, d1 - d3.
#[inline(always)]
fn input_row<S: Simd>(simd: S, d: [S::f32s; 4]) -> [S::f32s; 4] {
    [
        simd.sub_f32s(d[0], d[2]),
        simd.add_f32s(d[1], d[2]),
        simd.sub_f32s(d[2], d[1]),
        simd.sub_f32s(d[1], d[3]),
    ]
}

/// Rows and columns of 2x2 tiles that cover an image.
pub fn tiles(size: [usize; 2]) -> [usize; 2] {
    size.map(|side| side.div_ceil(2))
}

/// Images and their tiles of 2x2 outputs, numbered over the whole batch.
pub struct Grid<'a> {
    pub values: &'a [f32],
    /// Height and width of the images.
    pub size: [usize; 2],
    pub channels: usize,
    /// Padding above and to the left.
    pub before: [usize; 2],
    /// Rows and columns of tiles of an image.
    pub tiles: [usize; 2],
}

/// Neighbouring tiles of one row of an image.
pub struct Run {
    pub image: usize,
    pub down: usize,
    pub across: Range<usize>,
}

/// Splits tiles where a row of tiles ends: each run, with the position of its first tile in `tiles`.
#[inline(always)]
pub fn runs([down, across]: [usize; 2], tiles: Range<usize>) -> impl Iterator<Item = (usize, Run)> {
    let mut next = tiles.start;
    std::iter::from_fn(move || {
        let first = next;
        let (row, begin) = (first / across, first % across);
        let count = (across - begin).min(tiles.end - first);
        next += count;
        let run = Run {
            image: row / down,
            down: row % down,
            across: begin..begin + count,
        };
        (count > 0).then_some((first - tiles.start, run))
    })
}

impl Grid<'_> {
    /// `N` rows of pixels from the first row of a run of tiles on, empty where they are outside the image.
    #[inline(always)]
    fn rows<const N: usize>(&self, run: &Run) -> [&[f32]; N] {
        let [height, width] = self.size;
        let mut rows = [&self.values[..0]; N];
        for (i, row) in rows.iter_mut().enumerate() {
            // Rows above the image wrap around.
            let y = (2 * run.down + i).wrapping_sub(self.before[0]);
            if y < height {
                let len = width * self.channels;
                *row = &self.values[(run.image * height + y) * len..][..len];
            }
        }
        rows
    }
}

/// `len` values of a row, zeros outside it.
#[inline(always)]
fn pixel<S: Simd>(simd: S, row: &[f32], begin: usize, len: usize) -> S::f32s {
    match row.get(begin..begin.wrapping_add(len)) {
        Some(values) => take(simd, values),
        None => simd.splat_f32s(0.0),
    }
}

/// Stride of the 16 planes: not a power of two, or all of a tile's values would map to the same few sets of L1.
pub fn plane(len: usize) -> usize {
    len.next_multiple_of(16) + 16
}

/// The transform of an operand.
pub trait Operand {
    /// Transforms a run's tiles, `len` channels from `begin` on, and writes them to `to`, `to + width` and so on in each plane.
    fn transform<S: Simd>(
        simd: S,
        grid: &Grid<'_>,
        run: &Run,
        channels: (usize, usize),
        to: (usize, usize),
        stride: usize,
        out: &mut [f32],
    );
}

/// `B^T d B`
pub struct Inputs;

/// `A dy A^T`
pub struct Grads;

/// Transforms some tiles: `[16][panel of width channels][tile of a block][width]`, zeros beyond the last channel.
#[inline(always)]
pub fn transform<S: Simd, O: Operand>(
    simd: S,
    grid: &Grid<'_>,
    tiles: Range<usize>,
    (block, width): (usize, usize),
    out: &mut [f32],
) {
    let (channels, lanes) = (grid.channels, S::F32_LANES);
    let stride = plane(channels.div_ceil(width) * block * width);
    for (tile, run) in runs(grid.tiles, tiles) {
        for begin in (0..channels.next_multiple_of(width)).step_by(lanes) {
            let to = begin / width * block * width + tile * width + begin % width;
            // Full vectors separately, so that the compiler knows their length.
            match channels.saturating_sub(begin) {
                0 => put_zeros(simd, (to, width), run.across.len(), stride, out),
                len if len < lanes => {
                    O::transform(simd, grid, &run, (begin, len), (to, width), stride, out)
                }
                _ => O::transform(simd, grid, &run, (begin, lanes), (to, width), stride, out),
            }
        }
    }
}

impl Operand for Inputs {
    #[inline(always)]
    fn transform<S: Simd>(
        simd: S,
        grid: &Grid<'_>,
        run: &Run,
        (begin, len): (usize, usize),
        (mut to, width): (usize, usize),
        stride: usize,
        out: &mut [f32],
    ) {
        let rows = grid.rows::<4>(run);
        // Pixels left of the image wrap around, to where no row reaches.
        let first = (2 * run.across.start).wrapping_sub(grid.before[1]);
        let mut at = first.wrapping_mul(grid.channels).wrapping_add(begin);
        // Neighbours share two of their four columns.
        let mut right = two_columns(simd, &rows, at, grid.channels, len);
        for _ in run.across.clone() {
            at = at.wrapping_add(2 * grid.channels);
            let left = right;
            right = two_columns(simd, &rows, at, grid.channels, len);
            let mut values = [[simd.splat_f32s(0.0); 4]; 4];
            for i in 0..4 {
                values[i] = input_row(simd, [left[0][i], left[1][i], right[0][i], right[1][i]]);
            }
            store_planes(simd, &values, out, to, stride);
            to += width;
        }
    }
}

/// Two neighbouring columns of a tile's patch, transformed along the height.
#[inline(always)]
fn two_columns<S: Simd>(
    simd: S,
    rows: &[&[f32]; 4],
    at: usize,
    channels: usize,
    len: usize,
) -> [[S::f32s; 4]; 2] {
    let mut columns = [[simd.splat_f32s(0.0); 4]; 2];
    for j in 0..2 {
        let at = at.wrapping_add(j * channels);
        let mut column = [simd.splat_f32s(0.0); 4];
        for i in 0..4 {
            column[i] = pixel(simd, rows[i], at, len);
        }
        columns[j] = input_row(simd, column);
    }
    columns
}

/// Zeros for some tiles.
#[inline(always)]
fn put_zeros<S: Simd>(
    simd: S,
    (to, width): (usize, usize),
    tiles: usize,
    stride: usize,
    out: &mut [f32],
) {
    for tile in 0..tiles {
        store_planes(
            simd,
            &[[simd.splat_f32s(0.0); 4]; 4],
            out,
            to + tile * width,
            stride,
        );
    }
}

/// A row of `A g`: g0, g0 + g1, g0 - g1, -g1.
#[inline(always)]
fn grad_row<S: Simd>(simd: S, g: [S::f32s; 2]) -> [S::f32s; 4] {
    [
        g[0],
        simd.add_f32s(g[0], g[1]),
        simd.sub_f32s(g[0], g[1]),
        simd.sub_f32s(simd.splat_f32s(0.0), g[1]),
    ]
}

impl Operand for Grads {
    #[inline(always)]
    fn transform<S: Simd>(
        simd: S,
        grid: &Grid<'_>,
        run: &Run,
        (begin, len): (usize, usize),
        (mut to, width): (usize, usize),
        stride: usize,
        out: &mut [f32],
    ) {
        let rows = grid.rows::<2>(run);
        let first = (2 * run.across.start).wrapping_sub(grid.before[1]);
        let mut at = first.wrapping_mul(grid.channels).wrapping_add(begin);
        for _ in run.across.clone() {
            let mut columns = [[simd.splat_f32s(0.0); 4]; 2];
            for j in 0..2 {
                let above = pixel(simd, rows[0], at, len);
                let below = pixel(simd, rows[1], at, len);
                columns[j] = grad_row(simd, [above, below]);
                at = at.wrapping_add(grid.channels);
            }
            let [left, right] = columns;
            let mut values = [[simd.splat_f32s(0.0); 4]; 4];
            for i in 0..4 {
                values[i] = grad_row(simd, [left[i], right[i]]);
            }
            store_planes(simd, &values, out, to, stride);
            to += width;
        }
    }
}
