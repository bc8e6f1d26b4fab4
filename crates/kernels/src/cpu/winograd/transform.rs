//! What goes into the products of Winograd's way and what comes out of them.
//!
//! Everything here is a plain loop in a function that is inlined: a closure, or the `map` of an array, would be
//! compiled without the wide vectors of the processor.
#![allow(
    clippy::needless_range_loop,
    reason = "the index runs over the second dimension"
)]

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

/// Where a tile begins in the framed pictures, its picture, and its first output.
#[derive(Clone, Copy)]
pub struct Place {
    pub from: usize,
    pub picture: usize,
    pub y: usize,
    pub x: usize,
}

/// Values from one of the 16 planes to the next: not a power of two apart, or all of a tile's values would fall on the
/// same few lines of the nearest cache.
pub fn plane(len: usize) -> usize {
    len.next_multiple_of(16) + 16
}

/// `B^T d B` of every tile: `[16][tile][channel]`.
#[inline(always)]
pub fn transform_patches<S: Simd>(
    simd: S,
    frame: &[f32],
    places: &[Place],
    (row, channels): (usize, usize),
    out: &mut [f32],
) {
    let stride = plane(places.len() * channels);
    for (tile, place) in places.iter().enumerate() {
        let mut begin = 0;
        while begin < channels {
            let len = S::F32_LANES.min(channels - begin);
            let mut patch = [[simd.splat_f32s(0.0); 4]; 4];
            for (i, row_of) in patch.iter_mut().enumerate() {
                for (j, value) in row_of.iter_mut().enumerate() {
                    let from = place.from + i * row + j * channels + begin;
                    *value = take(simd, &frame[from..from + len]);
                }
            }
            let mut columns = [[simd.splat_f32s(0.0); 4]; 4];
            for (j, column) in columns.iter_mut().enumerate() {
                let down = [patch[0][j], patch[1][j], patch[2][j], patch[3][j]];
                *column = spread_patch(simd, down);
            }
            for i in 0..4 {
                let across = [columns[0][i], columns[1][i], columns[2][i], columns[3][i]];
                for (j, &value) in spread_patch(simd, across).iter().enumerate() {
                    let to = (i * 4 + j) * stride + tile * channels + begin;
                    put(simd, value, &mut out[to..to + len]);
                }
            }
            begin += len;
        }
    }
}

/// How outputs lie.
pub struct Outputs {
    pub size: [usize; 2],
    pub columns: usize,
    pub line: usize,
}

impl Outputs {
    /// `A^T m A` of every tile, what is inside the picture.
    #[inline(always)]
    pub fn transform<S: Simd>(&self, simd: S, products: &[f32], places: &[Place], out: &mut [f32]) {
        let Self {
            size: [height, width],
            columns,
            line,
        } = *self;
        let stride = plane(places.len() * line);
        for (tile, place) in places.iter().enumerate() {
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
                        let (y, x) = (place.y + i, place.x + j);
                        if y < height && x < width {
                            let to = ((place.picture * height + y) * width + x) * columns + begin;
                            put(simd, value, &mut out[to..to + len]);
                        }
                    }
                }
            }
        }
    }
}
