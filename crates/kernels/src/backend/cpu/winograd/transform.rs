//! What goes into the products of Winograd's way.
//!
//! Everything here is a plain loop in a function that is inlined: a closure, or the `map` of an array, would be
//! compiled without the wide vectors of the processor.
#![allow(
    clippy::needless_range_loop,
    reason = "the index runs over the second dimension"
)]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::tile::{put, spread, take};

/// One panel of the kernel.
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
                *column = spread_kernel(simd, [values[0][j], values[1][j], values[2][j]]);
            }
            for i in 0..4 {
                let row = spread_kernel(simd, [columns[0][i], columns[1][i], columns[2][i]]);
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
fn spread_kernel<S: Simd>(simd: S, g: [S::f32s; 3]) -> [S::f32s; 4] {
    let half = simd.splat_f32s(0.5);
    let outer = simd.add_f32s(g[0], g[2]);
    let plus = simd.mul_f32s(half, simd.add_f32s(outer, g[1]));
    let minus = simd.mul_f32s(half, simd.sub_f32s(outer, g[1]));
    [g[0], plus, minus, g[2]]
}

/// A row of `B^T d`: d0 - d2, d1 + d2, d2 - d1, d1 - d3.
#[inline(always)]
fn spread_patch<S: Simd>(simd: S, d: [S::f32s; 4]) -> [S::f32s; 4] {
    [
        simd.sub_f32s(d[0], d[2]),
        simd.add_f32s(d[1], d[2]),
        simd.sub_f32s(d[2], d[1]),
        simd.sub_f32s(d[1], d[3]),
    ]
}

/// Images seen as tiles of 2x2 outputs, numbered over the whole batch.
pub struct Grid<'a> {
    pub values: &'a [f32],
    /// Height and width of the images.
    pub size: [usize; 2],
    pub channels: usize,
    /// Zeros above and to the left.
    pub before: [usize; 2],
    /// Tiles of an image, down and across.
    pub tiles: [usize; 2],
}

/// Tiles side by side in one image.
pub struct Run {
    pub image: usize,
    pub down: usize,
    pub across: Range<usize>,
}

/// Cuts tiles where rows of tiles end: the number of the first tile of each run in `tiles`, and the run.
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
    /// `N` rows of pixels from the first one of a run of tiles on, empty ones outside of the image.
    #[inline(always)]
    fn rows<const N: usize>(&self, run: &Run) -> [&[f32]; N] {
        let [height, width] = self.size;
        let mut rows = [&self.values[..0]; N];
        for (i, row) in rows.iter_mut().enumerate() {
            // What lies above wraps round.
            let y = (2 * run.down + i).wrapping_sub(self.before[0]);
            if y < height {
                let len = width * self.channels;
                *row = &self.values[(run.image * height + y) * len..][..len];
            }
        }
        rows
    }
}

/// `len` values of a row, zeros outside of it.
#[inline(always)]
fn pixel<S: Simd>(simd: S, row: &[f32], begin: usize, len: usize) -> S::f32s {
    match row.get(begin..begin.wrapping_add(len)) {
        Some(values) => take(simd, values),
        None => simd.splat_f32s(0.0),
    }
}

/// Values from one of the 16 planes to the next: not a power of two apart, or all of a tile's values would fall on the
/// same few lines of the nearest cache.
pub fn plane(len: usize) -> usize {
    len.next_multiple_of(16) + 16
}

/// What goes into one of the products: how a run of tiles is transformed.
pub trait Operand {
    /// The run's tiles, `len` channels from `begin` on, to place `to` and every `width` behind it of each plane.
    fn transform<S: Simd>(
        simd: S,
        grid: &Grid<'_>,
        run: &Run,
        channels: (usize, usize),
        places: (usize, usize),
        stride: usize,
        out: &mut [f32],
    );
}

/// `B^T d B`
pub struct Inputs;

/// `A dy A^T`
pub struct Grads;

/// Some tiles as `O` transforms them: `[16][panel of width channels][tile of a block][width]`, zeros behind the last channel.
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
            // The lanes are named so that the compiler knows the length of whole vectors.
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
        // What lies to the left wraps round, to where no row reaches.
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
                values[i] = spread_patch(simd, [left[0][i], left[1][i], right[0][i], right[1][i]]);
            }
            spread(simd, &values, out, to, stride);
            to += width;
        }
    }
}

/// Two neighbouring columns of patches, spread downwards.
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
        columns[j] = spread_patch(simd, column);
    }
    columns
}

/// Zeros for as many tiles.
#[inline(always)]
fn put_zeros<S: Simd>(
    simd: S,
    (to, width): (usize, usize),
    tiles: usize,
    stride: usize,
    out: &mut [f32],
) {
    for tile in 0..tiles {
        spread(
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
fn spread_grad<S: Simd>(simd: S, g: [S::f32s; 2]) -> [S::f32s; 4] {
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
                columns[j] = spread_grad(simd, [above, below]);
                at = at.wrapping_add(grid.channels);
            }
            let [left, right] = columns;
            let mut values = [[simd.splat_f32s(0.0); 4]; 4];
            for i in 0..4 {
                values[i] = spread_grad(simd, [left[i], right[i]]);
            }
            spread(simd, &values, out, to, stride);
            to += width;
        }
    }
}
