//! The loops of batch norm over one block of rows. Some vectors of channels at a time go down the rows, so that what
//! belongs to channels stays in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::tile::{put, take};

/// Values of an operand that all vectors of channels pass before the next ones come: they stay in the nearest cache.
const NEAR: usize = 2 * 1024;

/// A loop down the rows.
trait Columns {
    /// Works on `N` vectors of channels from `begin` on, in rows of which the first begins at `rows.start`. The last
    /// vector has `len` channels, the others are whole.
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    );
}

/// Has a loop pass all values of a block, in the order of its rows for every channel.
#[inline(always)]
fn all<S: Simd>(simd: S, values: usize, channels: usize, mut columns: impl Columns) {
    let near = (NEAR / channels).max(1) * channels;
    for first in (0..values).step_by(near) {
        let rows = first..(first + near).min(values);
        let mut begin = 0;
        // The lanes are named anew each time so that the compiler knows the length of whole vectors.
        while begin + 4 * S::F32_LANES <= channels {
            columns.pass::<S, 4>(simd, rows.clone(), begin, S::F32_LANES);
            begin += 4 * S::F32_LANES;
        }
        while begin + 2 * S::F32_LANES <= channels {
            columns.pass::<S, 2>(simd, rows.clone(), begin, S::F32_LANES);
            begin += 2 * S::F32_LANES;
        }
        while begin + S::F32_LANES <= channels {
            columns.pass::<S, 1>(simd, rows.clone(), begin, S::F32_LANES);
            begin += S::F32_LANES;
        }
        if begin < channels {
            columns.pass::<S, 1>(simd, rows, begin, channels - begin);
        }
    }
}

/// `N` vectors, the last of `len` values.
#[inline(always)]
fn read<S: Simd, const N: usize>(
    simd: S,
    values: &[f32],
    begin: usize,
    len: usize,
) -> [S::f32s; N] {
    let mut row = [simd.splat_f32s(0.0); N];
    let values = &values[begin..begin + (N - 1) * S::F32_LANES + len];
    for (n, value) in row.iter_mut().enumerate() {
        *value = take(simd, &values[n * S::F32_LANES..n * S::F32_LANES + len]);
    }
    row
}

#[inline(always)]
fn write<S: Simd, const N: usize>(
    simd: S,
    row: [S::f32s; N],
    out: &mut [f32],
    begin: usize,
    len: usize,
) {
    let out = &mut out[begin..begin + (N - 1) * S::F32_LANES + len];
    for (n, value) in row.into_iter().enumerate() {
        put(
            simd,
            value,
            &mut out[n * S::F32_LANES..n * S::F32_LANES + len],
        );
    }
}

/// `act((x - mean) * scale + bias + residual)`
pub struct Normalize<'a> {
    pub x: &'a [f32],
    /// Empty where there is none.
    pub residual: &'a [f32],
    pub mean: &'a [f32],
    pub scale: &'a [f32],
    pub bias: &'a [f32],
    pub relu: bool,
    pub out: &'a mut [f32],
}

impl WithSimd for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all(simd, self.x.len(), self.mean.len(), self);
    }
}

impl Columns for Normalize<'_> {
    #[inline(always)]
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    ) {
        let mean = read::<S, N>(simd, self.mean, begin, len);
        let scale = read::<S, N>(simd, self.scale, begin, len);
        let bias = read::<S, N>(simd, self.bias, begin, len);
        let zero = simd.splat_f32s(0.0);
        for row in rows.step_by(self.mean.len()) {
            let mut values = read::<S, N>(simd, self.x, row + begin, len);
            for (n, value) in values.iter_mut().enumerate() {
                let apart = simd.sub_f32s(*value, mean[n]);
                *value = simd.add_f32s(simd.mul_f32s(apart, scale[n]), bias[n]);
            }
            if !self.residual.is_empty() {
                let residual = read::<S, N>(simd, self.residual, row + begin, len);
                for (value, residual) in values.iter_mut().zip(residual) {
                    *value = simd.add_f32s(*value, residual);
                }
            }
            if self.relu {
                for value in &mut values {
                    // Not `max`, which would lose a NaN.
                    let below = simd.less_than_f32s(*value, zero);
                    *value = simd.select_f32s(below, zero, *value);
                }
            }
            write(simd, values, self.out, row + begin, len);
        }
    }
}

/// The sum of every channel, added to what is there.
pub struct Sum<'a> {
    pub values: &'a [f32],
    pub sum: &'a mut [f32],
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all(simd, self.values.len(), self.sum.len(), self);
    }
}

impl Columns for Sum<'_> {
    #[inline(always)]
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    ) {
        let mut sums = read::<S, N>(simd, self.sum, begin, len);
        for row in rows.step_by(self.sum.len()) {
            let values = read::<S, N>(simd, self.values, row + begin, len);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = simd.add_f32s(*sum, value);
            }
        }
        write(simd, sums, self.sum, begin, len);
    }
}

/// The squares of every channel's values around `mean`, added to what is there.
pub struct Spread<'a> {
    pub values: &'a [f32],
    pub mean: &'a [f32],
    pub spread: &'a mut [f32],
}

impl WithSimd for Spread<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all(simd, self.values.len(), self.mean.len(), self);
    }
}

impl Columns for Spread<'_> {
    #[inline(always)]
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    ) {
        let mean = read::<S, N>(simd, self.mean, begin, len);
        let mut spread = read::<S, N>(simd, self.spread, begin, len);
        for row in rows.step_by(self.mean.len()) {
            let values = read::<S, N>(simd, self.values, row + begin, len);
            for (n, spread) in spread.iter_mut().enumerate() {
                let apart = simd.sub_f32s(values[n], mean[n]);
                *spread = simd.add_f32s(*spread, simd.mul_f32s(apart, apart));
            }
        }
        write(simd, spread, self.spread, begin, len);
    }
}

/// The gradient in front of ReLU, where there was one: else `output` is empty.
#[inline(always)]
fn through<S: Simd, const N: usize>(
    simd: S,
    grad: &[f32],
    output: &[f32],
    begin: usize,
    len: usize,
) -> [S::f32s; N] {
    let mut grad = read::<S, N>(simd, grad, begin, len);
    if !output.is_empty() {
        let zero = simd.splat_f32s(0.0);
        let output = read::<S, N>(simd, output, begin, len);
        for (grad, output) in grad.iter_mut().zip(output) {
            // As PyTorch: nothing passes where the output is zero or less, a NaN lets it pass.
            let shut = simd.less_than_or_equal_f32s(output, zero);
            *grad = simd.select_f32s(shut, zero, *grad);
        }
    }
    grad
}

/// Sums of the gradient in front of ReLU and of its products with `x - mean`, added to what is there. `residual` takes
/// that gradient unless it is empty.
pub struct Sums<'a> {
    pub x: &'a [f32],
    /// Empty where no ReLU was.
    pub output: &'a [f32],
    pub grad: &'a [f32],
    pub mean: &'a [f32],
    pub residual: &'a mut [f32],
    pub plain: &'a mut [f32],
    pub weighted: &'a mut [f32],
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all(simd, self.x.len(), self.mean.len(), self);
    }
}

impl Columns for Sums<'_> {
    #[inline(always)]
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    ) {
        let mean = read::<S, N>(simd, self.mean, begin, len);
        let mut plain = read::<S, N>(simd, self.plain, begin, len);
        let mut weighted = read::<S, N>(simd, self.weighted, begin, len);
        for row in rows.step_by(self.mean.len()) {
            let grad = through::<S, N>(simd, self.grad, self.output, row + begin, len);
            let x = read::<S, N>(simd, self.x, row + begin, len);
            for n in 0..N {
                let apart = simd.sub_f32s(x[n], mean[n]);
                plain[n] = simd.add_f32s(plain[n], grad[n]);
                weighted[n] = simd.add_f32s(weighted[n], simd.mul_f32s(grad[n], apart));
            }
            if !self.residual.is_empty() {
                write(simd, grad, self.residual, row + begin, len);
            }
        }
        write(simd, plain, self.plain, begin, len);
        write(simd, weighted, self.weighted, begin, len);
    }
}

/// `own g - (x - mean) pull - shift`, with g the gradient in front of ReLU.
pub struct InputGrad<'a> {
    pub x: &'a [f32],
    /// Empty where no ReLU was, or where `grad` is in front of it already.
    pub output: &'a [f32],
    pub grad: &'a [f32],
    pub mean: &'a [f32],
    pub own: &'a [f32],
    pub pull: &'a [f32],
    pub shift: &'a [f32],
    pub out: &'a mut [f32],
}

impl WithSimd for InputGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all(simd, self.x.len(), self.mean.len(), self);
    }
}

impl Columns for InputGrad<'_> {
    #[inline(always)]
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    ) {
        let mean = read::<S, N>(simd, self.mean, begin, len);
        let own = read::<S, N>(simd, self.own, begin, len);
        let pull = read::<S, N>(simd, self.pull, begin, len);
        let shift = read::<S, N>(simd, self.shift, begin, len);
        for row in rows.step_by(self.mean.len()) {
            let grad = through::<S, N>(simd, self.grad, self.output, row + begin, len);
            let mut values = read::<S, N>(simd, self.x, row + begin, len);
            for (n, value) in values.iter_mut().enumerate() {
                let apart = simd.sub_f32s(*value, mean[n]);
                let own = simd.mul_f32s(own[n], grad[n]);
                let near = simd.sub_f32s(own, simd.mul_f32s(apart, pull[n]));
                *value = simd.sub_f32s(near, shift[n]);
            }
            write(simd, values, self.out, row + begin, len);
        }
    }
}
