//! Inverse transforms of Winograd convolution, of the output and of the weight gradient: plain loops, as in
//! [`super::transform`].
#![allow(
    clippy::needless_range_loop,
    reason = "the index runs over the second dimension"
)]

use pulp::Simd;

use super::super::tile::{load_planes, put};
use super::transform::{Run, plane, runs};

/// A row of `A^T m`: m0 + m1 + m2, m1 - m2 - m3.
#[inline(always)]
fn output_row<S: Simd>(simd: S, m: [S::f32s; 4]) -> [S::f32s; 2] {
    [
        simd.add_f32s(simd.add_f32s(m[0], m[1]), m[2]),
        simd.sub_f32s(simd.sub_f32s(m[1], m[2]), m[3]),
    ]
}

/// A row of `G^T m`: m0 + (m1 + m2) / 2, (m1 - m2) / 2, (m1 + m2) / 2 + m3.
#[inline(always)]
fn weight_row<S: Simd>(simd: S, m: [S::f32s; 4]) -> [S::f32s; 3] {
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
pub fn inverse_weight<S: Simd>(simd: S, m: &[[S::f32s; 4]; 4]) -> [[S::f32s; 3]; 3] {
    let mut columns = [[simd.splat_f32s(0.0); 3]; 4];
    for (j, column) in columns.iter_mut().enumerate() {
        *column = weight_row(simd, [m[0][j], m[1][j], m[2][j], m[3][j]]);
    }
    let mut taps = [[simd.splat_f32s(0.0); 3]; 3];
    for (i, row) in taps.iter_mut().enumerate() {
        let across = [columns[0][i], columns[1][i], columns[2][i], columns[3][i]];
        *row = weight_row(simd, across);
    }
    taps
}

/// Layout of the output.
pub struct Outputs {
    /// Height and width of an image, and its rows and columns of tiles.
    pub size: [usize; 2],
    pub tiles: [usize; 2],
    /// Channels of an output pixel, and values of a row of products.
    pub columns: usize,
    pub line: usize,
}

impl Outputs {
    /// Writes `A^T m A` of `count` tiles from `first` on, cropped to the images. `out` begins with the image of tile 0, products
    /// are `[16][capacity][line]`.
    #[inline(always)]
    pub fn transform<S: Simd>(
        &self,
        simd: S,
        (products, capacity): (&[f32], usize),
        (first, count): (usize, usize),
        out: &mut [f32],
    ) {
        let lanes = S::F32_LANES;
        let [height, width] = self.size;
        let len = width * self.columns;
        for (tile, run) in runs(self.tiles, first..first + count) {
            let top = 2 * run.down;
            let out = &mut out[(run.image * height + top) * len..];
            let (upper, lower) = out.split_at_mut(len);
            let lower = match top + 1 < height {
                true => &mut lower[..len],
                false => &mut [],
            };
            for begin in (0..self.columns).step_by(lanes) {
                let from = (tile * self.line + begin, plane(capacity * self.line));
                let rows = (&mut *upper, &mut *lower);
                // Full vectors separately, so that the compiler knows their length.
                match self.columns - begin {
                    len if len < lanes => {
                        self.write(simd, products, from, &run, (begin, len), rows)
                    }
                    _ => self.write(simd, products, from, &run, (begin, lanes), rows),
                }
            }
        }
    }

    /// The outputs of a run of tiles, `len` columns.
    #[inline(always)]
    fn write<S: Simd>(
        &self,
        simd: S,
        products: &[f32],
        (mut from, stride): (usize, usize),
        run: &Run,
        (begin, len): (usize, usize),
        (upper, lower): (&mut [f32], &mut [f32]),
    ) {
        for tile in run.across.clone() {
            let m = load_planes(simd, products, from, stride);
            from += self.line;
            let mut sums = [[simd.splat_f32s(0.0); 2]; 4];
            for j in 0..4 {
                sums[j] = output_row(simd, [m[0][j], m[1][j], m[2][j], m[3][j]]);
            }
            let above = output_row(simd, [sums[0][0], sums[1][0], sums[2][0], sums[3][0]]);
            let below = output_row(simd, [sums[0][1], sums[1][1], sums[2][1], sums[3][1]]);
            for j in 0..2 {
                let at = (2 * tile + j) * self.columns + begin;
                // A tile may reach beyond the image's last row or column.
                if let Some(out) = upper.get_mut(at..at + len) {
                    put(simd, above[j], out);
                }
                if let Some(out) = lower.get_mut(at..at + len) {
                    put(simd, below[j], out);
                }
            }
        }
    }
}
