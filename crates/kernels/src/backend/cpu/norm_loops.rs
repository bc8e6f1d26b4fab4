//! The loops of batch norm over one block of rows. Each goes down the rows with a few vectors of channels, whose statistics and
//! sums stay in registers.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::tile::{put, take};

/// Values of an operand that all vectors of channels pass before the next ones come: they stay in L1.
const L1_BLOCK: usize = 2 * 1024;

/// A loop down the rows.
pub(super) trait Columns {
    /// Processes `N` vectors of channels from `begin` on, in rows of which the first begins at `rows.start`. The last vector has
    /// `len` channels, the others are full.
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    );
}

/// Runs a loop over all values of a block, in the order of its rows for every channel.
#[inline(always)]
pub(super) fn all<S: Simd>(simd: S, values: usize, channels: usize, mut columns: impl Columns) {
    let step = (L1_BLOCK / channels).max(1) * channels;
    for first in (0..values).step_by(step) {
        let rows = first..(first + step).min(values);
        let mut begin = 0;
        // Full vectors separately, so that the compiler knows their length.
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
pub(super) fn read<S: Simd, const N: usize>(
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
pub(super) fn write<S: Simd, const N: usize>(
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

/// Adds the residual, whose values begin at a position and of whose last vector `len` count, if there is one; then ReLU, if
/// asked for.
#[inline(always)]
pub(super) fn add_and_activate<S: Simd, const N: usize>(
    simd: S,
    values: &mut [S::f32s; N],
    (residual, begin, len): (&[f32], usize, usize),
    relu: bool,
) {
    if !residual.is_empty() {
        let residual = read::<S, N>(simd, residual, begin, len);
        for (value, residual) in values.iter_mut().zip(residual) {
            *value = simd.add_f32s(*value, residual);
        }
    }
    if relu {
        let zero = simd.splat_f32s(0.0);
        for value in values {
            // Not `max`, which does not propagate NaN.
            let below = simd.less_than_f32s(*value, zero);
            *value = simd.select_f32s(below, zero, *value);
        }
    }
}

/// `act((x - mean) * scale + bias + residual)`
pub struct Normalize<'a> {
    pub x: &'a [f32],
    /// Empty if there is none.
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
        for row in rows.step_by(self.mean.len()) {
            let mut values = read::<S, N>(simd, self.x, row + begin, len);
            for (n, value) in values.iter_mut().enumerate() {
                let centred = simd.sub_f32s(*value, mean[n]);
                *value = simd.add_f32s(simd.mul_f32s(centred, scale[n]), bias[n]);
            }
            let residual = (self.residual, row + begin, len);
            add_and_activate(simd, &mut values, residual, self.relu);
            write(simd, values, self.out, row + begin, len);
        }
    }
}

/// Adds the sum of every channel to `sum`.
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

/// Adds every channel's sum of squared deviations from `mean` to `squares`.
pub struct Deviations<'a> {
    pub values: &'a [f32],
    pub mean: &'a [f32],
    pub squares: &'a mut [f32],
}

impl WithSimd for Deviations<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all(simd, self.values.len(), self.mean.len(), self);
    }
}

impl Columns for Deviations<'_> {
    #[inline(always)]
    fn pass<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        begin: usize,
        len: usize,
    ) {
        let mean = read::<S, N>(simd, self.mean, begin, len);
        let mut squares = read::<S, N>(simd, self.squares, begin, len);
        for row in rows.step_by(self.mean.len()) {
            let values = read::<S, N>(simd, self.values, row + begin, len);
            for (n, squares) in squares.iter_mut().enumerate() {
                let centred = simd.sub_f32s(values[n], mean[n]);
                *squares = simd.add_f32s(*squares, simd.mul_f32s(centred, centred));
            }
        }
        write(simd, squares, self.squares, begin, len);
    }
}

/// Where the ReLU behind a block is open.
#[derive(Clone, Copy)]
pub enum Gate<'a> {
    /// Everywhere: there is none.
    None,
    /// Where these outputs of the block are not zero.
    Output(&'a [f32]),
    /// Where `(x - mean) * scale + bias` is above zero, with these values of the channels.
    Shift(&'a [f32], &'a [f32]),
}

/// A [`Gate`] with the values of `N` vectors of channels.
#[derive(Clone, Copy)]
enum LoadedGate<'a, T> {
    None,
    Output(&'a [f32]),
    Shift(T, T),
}

impl<'a> Gate<'a> {
    #[inline(always)]
    fn load<S: Simd, const N: usize>(
        self,
        simd: S,
        begin: usize,
        len: usize,
    ) -> LoadedGate<'a, [S::f32s; N]> {
        match self {
            Gate::None => LoadedGate::None,
            Gate::Output(output) => LoadedGate::Output(output),
            Gate::Shift(scale, bias) => {
                let [scale, bias] = [scale, bias].map(|of| read::<S, N>(simd, of, begin, len));
                LoadedGate::Shift(scale, bias)
            }
        }
    }
}

/// The gradient before ReLU; `centred` is `x - mean`.
#[inline(always)]
fn before_relu<S: Simd, const N: usize>(
    simd: S,
    mut grad: [S::f32s; N],
    centred: [S::f32s; N],
    gate: LoadedGate<'_, [S::f32s; N]>,
    (begin, len): (usize, usize),
) -> [S::f32s; N] {
    let output = match gate {
        LoadedGate::None => return grad,
        LoadedGate::Output(output) => read::<S, N>(simd, output, begin, len),
        LoadedGate::Shift(scale, bias) => {
            let mut output = centred;
            for (n, output) in output.iter_mut().enumerate() {
                *output = simd.add_f32s(simd.mul_f32s(*output, scale[n]), bias[n]);
            }
            output
        }
    };
    let zero = simd.splat_f32s(0.0);
    for (grad, output) in grad.iter_mut().zip(output) {
        // As in PyTorch, the gradient is zero where the output is zero or less, but not where it is NaN.
        let closed = simd.less_than_or_equal_f32s(output, zero);
        *grad = simd.select_f32s(closed, zero, *grad);
    }
    grad
}

#[inline(always)]
fn centred<S: Simd, const N: usize>(
    simd: S,
    mut x: [S::f32s; N],
    mean: [S::f32s; N],
) -> [S::f32s; N] {
    for (x, mean) in x.iter_mut().zip(mean) {
        *x = simd.sub_f32s(*x, mean);
    }
    x
}

/// Adds the sums of the gradient before ReLU to `plain` and those of its products with `x - mean` to `weighted`. Writes that
/// gradient to `residual` unless it is empty.
pub struct GradSums<'a> {
    pub x: &'a [f32],
    pub gate: Gate<'a>,
    pub grad: &'a [f32],
    pub mean: &'a [f32],
    pub residual: &'a mut [f32],
    pub plain: &'a mut [f32],
    pub weighted: &'a mut [f32],
}

impl WithSimd for GradSums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        all(simd, self.x.len(), self.mean.len(), self);
    }
}

impl Columns for GradSums<'_> {
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
        let gate = self.gate.load::<S, N>(simd, begin, len);
        for row in rows.step_by(self.mean.len()) {
            let x = centred(simd, read::<S, N>(simd, self.x, row + begin, len), mean);
            let grad = read::<S, N>(simd, self.grad, row + begin, len);
            let grad = before_relu(simd, grad, x, gate, (row + begin, len));
            for n in 0..N {
                plain[n] = simd.add_f32s(plain[n], grad[n]);
                weighted[n] = simd.add_f32s(weighted[n], simd.mul_f32s(grad[n], x[n]));
            }
            if !self.residual.is_empty() {
                write(simd, grad, self.residual, row + begin, len);
            }
        }
        write(simd, plain, self.plain, begin, len);
        write(simd, weighted, self.weighted, begin, len);
    }
}

/// `scale g - (x - mean) slope - shift`, where g is the gradient before ReLU.
pub struct InputGrad<'a> {
    pub x: &'a [f32],
    /// None also where `grad` is the gradient before ReLU already.
    pub gate: Gate<'a>,
    pub grad: &'a [f32],
    pub mean: &'a [f32],
    pub scale: &'a [f32],
    pub slope: &'a [f32],
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
        let scale = read::<S, N>(simd, self.scale, begin, len);
        let slope = read::<S, N>(simd, self.slope, begin, len);
        let shift = read::<S, N>(simd, self.shift, begin, len);
        let gate = self.gate.load::<S, N>(simd, begin, len);
        for row in rows.step_by(self.mean.len()) {
            let mut values = centred(simd, read::<S, N>(simd, self.x, row + begin, len), mean);
            let grad = read::<S, N>(simd, self.grad, row + begin, len);
            let grad = before_relu(simd, grad, values, gate, (row + begin, len));
            for (n, value) in values.iter_mut().enumerate() {
                let scaled = simd.mul_f32s(scale[n], grad[n]);
                let sloped = simd.sub_f32s(scaled, simd.mul_f32s(*value, slope[n]));
                *value = simd.sub_f32s(sloped, shift[n]);
            }
            write(simd, values, self.out, row + begin, len);
        }
    }
}
