//! What goes into the products of Winograd's way and what comes out of them.
//!
//! Everything here is a plain loop in a function that is inlined: a closure, or the `map` of an array, would be
//! compiled without the wide vectors of the processor.
#![allow(
    clippy::needless_range_loop,
    reason = "the index runs over the second dimension"
)]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::super::tile::{put, take};

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

/// A row of `A^T m`: m0 + m1 + m2, m1 - m2 - m3.
#[inline(always)]
fn join_products<S: Simd>(simd: S, m: [S::f32s; 4]) -> [S::f32s; 2] {
    [
        simd.add_f32s(simd.add_f32s(m[0], m[1]), m[2]),
        simd.sub_f32s(simd.sub_f32s(m[1], m[2]), m[3]),
    ]
}

/// Pictures seen as tiles of 2x2 outputs, numbered over the whole batch.
pub struct Grid<'a> {
    pub values: &'a [f32],
    /// Height and width of the pictures.
    pub size: [usize; 2],
    pub channels: usize,
    /// Zeros above and to the left.
    pub before: [usize; 2],
    /// Tiles of a picture, down and across.
    pub tiles: [usize; 2],
}

/// The place of what lies outside of a picture.
const OUTSIDE: usize = usize::MAX;

impl Grid<'_> {
    /// Where the `side` x `side` pixels from a tile's first on lie, row by row.
    #[inline(always)]
    fn places<const N: usize>(&self, tile: usize, side: usize) -> [usize; N] {
        let [height, width] = self.size;
        let [down, across] = self.tiles;
        let (picture, tile) = (tile / (down * across), tile % (down * across));
        let (top, left) = (2 * (tile / across), 2 * (tile % across));
        let mut places = [OUTSIDE; N];
        for i in 0..side {
            for j in 0..side {
                let (y, x) = (top + i, left + j);
                let inside = y >= self.before[0] && x >= self.before[1];
                if inside && y - self.before[0] < height && x - self.before[1] < width {
                    let row = picture * height + y - self.before[0];
                    places[i * side + j] = (row * width + x - self.before[1]) * self.channels;
                }
            }
        }
        places
    }
}

/// `len` values of a pixel, zeros outside of the picture.
#[inline(always)]
fn pixel<S: Simd>(simd: S, values: &[f32], place: usize, begin: usize, len: usize) -> S::f32s {
    if place == OUTSIDE || len == 0 {
        return simd.splat_f32s(0.0);
    }
    take(simd, &values[place + begin..place + begin + len])
}

/// Values from one of the 16 planes to the next: not a power of two apart, or all of a tile's values would fall on the
/// same few lines of the nearest cache.
pub fn plane(len: usize) -> usize {
    len.next_multiple_of(16) + 16
}

/// `B^T d B` of some tiles: `[16][panel of width channels][tile of a block][width]`, zeros behind the last channel.
#[inline(always)]
pub fn transform_patches<S: Simd>(
    simd: S,
    grid: &Grid<'_>,
    tiles: Range<usize>,
    (block, width): (usize, usize),
    out: &mut [f32],
) {
    let stride = plane(grid.channels.div_ceil(width) * block * width);
    for (tile, number) in tiles.enumerate() {
        let places = grid.places::<16>(number, 4);
        for (panel, first) in (0..grid.channels).step_by(width).enumerate() {
            for begin in (0..width).step_by(S::F32_LANES) {
                let channel = first + begin;
                let len = S::F32_LANES.min(grid.channels.saturating_sub(channel));
                let mut patch = [[simd.splat_f32s(0.0); 4]; 4];
                for (value, &place) in patch.as_flattened_mut().iter_mut().zip(&places) {
                    *value = pixel(simd, grid.values, place, channel, len);
                }
                let mut columns = [[simd.splat_f32s(0.0); 4]; 4];
                for (j, column) in columns.iter_mut().enumerate() {
                    let down = [patch[0][j], patch[1][j], patch[2][j], patch[3][j]];
                    *column = spread_patch(simd, down);
                }
                let to = (panel * block + tile) * width + begin;
                for i in 0..4 {
                    let across = [columns[0][i], columns[1][i], columns[2][i], columns[3][i]];
                    for (j, &value) in spread_patch(simd, across).iter().enumerate() {
                        let to = (i * 4 + j) * stride + to;
                        put(simd, value, &mut out[to..to + S::F32_LANES]);
                    }
                }
            }
        }
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

/// `A dy A^T` of some tiles, laid out as by [`transform_patches`].
#[inline(always)]
pub fn transform_grads<S: Simd>(
    simd: S,
    grid: &Grid<'_>,
    tiles: Range<usize>,
    (block, width): (usize, usize),
    out: &mut [f32],
) {
    let stride = plane(grid.channels.div_ceil(width) * block * width);
    for (tile, number) in tiles.enumerate() {
        let places = grid.places::<4>(number, 2);
        for (panel, first) in (0..grid.channels).step_by(width).enumerate() {
            for begin in (0..width).step_by(S::F32_LANES) {
                let channel = first + begin;
                let len = S::F32_LANES.min(grid.channels.saturating_sub(channel));
                let mut grads = [[simd.splat_f32s(0.0); 2]; 2];
                for (value, &place) in grads.as_flattened_mut().iter_mut().zip(&places) {
                    *value = pixel(simd, grid.values, place, channel, len);
                }
                let left = spread_grad(simd, [grads[0][0], grads[1][0]]);
                let right = spread_grad(simd, [grads[0][1], grads[1][1]]);
                let to = (panel * block + tile) * width + begin;
                for i in 0..4 {
                    let row = spread_grad(simd, [left[i], right[i]]);
                    for (j, &value) in row.iter().enumerate() {
                        let to = (i * 4 + j) * stride + to;
                        put(simd, value, &mut out[to..to + S::F32_LANES]);
                    }
                }
            }
        }
    }
}

/// A row of `G^T m`: m0 + (m1 + m2) / 2, (m1 - m2) / 2, (m1 + m2) / 2 + m3.
#[inline(always)]
fn join_row<S: Simd>(simd: S, m: [S::f32s; 4]) -> [S::f32s; 3] {
    let half = simd.splat_f32s(0.5);
    let middle = simd.mul_f32s(half, simd.add_f32s(m[1], m[2]));
    [
        simd.add_f32s(m[0], middle),
        simd.mul_f32s(half, simd.sub_f32s(m[1], m[2])),
        simd.add_f32s(middle, m[3]),
    ]
}

/// `G^T m G`
#[inline(always)]
pub fn join_weight<S: Simd>(simd: S, m: &[[S::f32s; 4]; 4]) -> [[S::f32s; 3]; 3] {
    let mut columns = [[simd.splat_f32s(0.0); 3]; 4];
    for (j, column) in columns.iter_mut().enumerate() {
        *column = join_row(simd, [m[0][j], m[1][j], m[2][j], m[3][j]]);
    }
    let mut taps = [[simd.splat_f32s(0.0); 3]; 3];
    for (i, row) in taps.iter_mut().enumerate() {
        let across = [columns[0][i], columns[1][i], columns[2][i], columns[3][i]];
        *row = join_row(simd, across);
    }
    taps
}

/// How outputs lie.
pub struct Outputs {
    /// Height and width of a picture, and its tiles, down and across.
    pub size: [usize; 2],
    pub tiles: [usize; 2],
    /// Channels of an output pixel, and of the rows of products.
    pub columns: usize,
    pub line: usize,
}

impl Outputs {
    /// `A^T m A` of `count` tiles from the `first` on, what is inside the pictures, of which `out` holds the first.
    #[inline(always)]
    pub fn transform<S: Simd>(
        &self,
        simd: S,
        products: &[f32],
        (first, count): (usize, usize),
        out: &mut [f32],
    ) {
        let Self {
            size: [height, width],
            tiles: [down, across],
            columns,
            line,
        } = *self;
        let stride = plane(count * line);
        for tile in 0..count {
            let number = first + tile;
            let (picture, place) = (number / (down * across), number % (down * across));
            let (top, left) = (2 * (place / across), 2 * (place % across));
            for begin in (0..columns).step_by(S::F32_LANES) {
                let mut products_of = [[simd.splat_f32s(0.0); 4]; 4];
                for (number, value) in products_of.as_flattened_mut().iter_mut().enumerate() {
                    let from = number * stride + tile * line + begin;
                    *value = take(simd, &products[from..from + S::F32_LANES]);
                }
                let m = &products_of;
                let mut sums = [[simd.splat_f32s(0.0); 2]; 4];
                for (j, sums) in sums.iter_mut().enumerate() {
                    *sums = join_products(simd, [m[0][j], m[1][j], m[2][j], m[3][j]]);
                }
                let len = S::F32_LANES.min(columns - begin);
                for i in 0..2 {
                    let across = [sums[0][i], sums[1][i], sums[2][i], sums[3][i]];
                    let values = join_products(simd, across);
                    for (j, &value) in values.iter().enumerate() {
                        let (y, x) = (top + i, left + j);
                        if y < height && x < width {
                            let to = ((picture * height + y) * width + x) * columns + begin;
                            put(simd, value, &mut out[to..to + len]);
                        }
                    }
                }
            }
        }
    }
}
