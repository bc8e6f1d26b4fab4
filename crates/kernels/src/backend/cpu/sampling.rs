//! Separable resampling: first the taps along y make one row of a region, then those along x its pixels. The gradient goes the
//! other way, one row of the input a task, so that every sum has one order.

use pulp::{Arch, Simd, WithSimd};

use super::buffers::{Scratch, buffer};
use super::norm_loops::{read, write};
use super::threads;
use crate::sampling::{Sampling, Transposed};

/// `x` `[batch, height, width, channels]` to `[regions, height', width', channels]`.
pub fn sample(sampling: &Sampling, channels: usize, x: &[f32]) -> Vec<f32> {
    let [rows, columns] = sampling.output;
    let mut out = buffer(sampling.regions() * rows * columns * channels);
    let work = sampling.work() * channels;
    threads::each(work, out.chunks_mut(columns * channels), |place, out| {
        let (region, row) = (place / rows, place % rows);
        Arch::new().dispatch(Forward {
            sampling,
            channels,
            x,
            region,
            row,
            out,
        });
    });
    out
}

/// The input gradient of [`sample`].
pub fn sample_backward(sampling: &Sampling, channels: usize, grad: &[f32]) -> Vec<f32> {
    let [height, width] = sampling.size;
    let transposed = Transposed::new(sampling);
    let mut input = buffer(sampling.batch * height * width * channels);
    let work = sampling.work() * channels;
    threads::each(work, input.chunks_mut(width * channels), |row, input| {
        Arch::new().dispatch(Backward {
            sampling,
            transposed: &transposed,
            channels,
            grad,
            row,
            input,
        });
    });
    input
}

/// One row of a region.
struct Forward<'a> {
    sampling: &'a Sampling,
    channels: usize,
    x: &'a [f32],
    region: usize,
    row: usize,
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            sampling, channels, ..
        } = self;
        let ([height, width], list) = (sampling.size, sampling.list(self.region));
        let [down, across] = &sampling.taps;
        // Only the columns that some pixel of the row needs.
        let support = across.support(list);
        let image = sampling.images[self.region] as usize * height;
        let (begin, length) = (support.start * channels, support.len() * channels);
        let mut line = Scratch::new(length);
        let values = &self.x[image * width * channels + begin..];
        let rows = Terms::new(down.entries(list, self.row), values, width * channels);
        let line = match (rows.index, rows.weight) {
            // A row as it is.
            (&[row], &[1.0]) => &rows.values[row as usize * rows.stride..][..length],
            _ => {
                rows.sum(simd, &mut line, false);
                &line
            }
        };
        for (column, out) in self.out.chunks_exact_mut(channels).enumerate() {
            let pixels = Terms::new(across.entries(list, column), line, channels);
            pixels.sum_from(simd, support.start, out, false);
        }
    }
}

/// One row of the input.
struct Backward<'a> {
    sampling: &'a Sampling,
    transposed: &'a Transposed,
    channels: usize,
    grad: &'a [f32],
    row: usize,
    input: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self {
            sampling, channels, ..
        } = self;
        let [rows, columns] = sampling.output;
        let [down, across] = &self.transposed.reached;
        let y = self.row % sampling.size[0];
        let mut line = Scratch::new(columns * channels);
        self.input.fill(0.0);
        for &region in self.transposed.at(self.row) {
            let list = sampling.list(region as usize);
            let from = region as usize * rows * columns * channels;
            let values = &self.grad[from..];
            let terms = Terms::new(down.entries(list, y), values, columns * channels);
            terms.sum(simd, &mut line, false);
            for x in across.support[list].clone() {
                let terms = Terms::new(across.entries(list, x), &line, channels);
                let input = &mut self.input[x * channels..(x + 1) * channels];
                terms.sum(simd, input, true);
            }
        }
    }
}

/// Rows of `values`, `stride` apart, each with a weight.
#[derive(Clone, Copy)]
struct Terms<'a> {
    index: &'a [u32],
    weight: &'a [f32],
    values: &'a [f32],
    stride: usize,
}

impl<'a> Terms<'a> {
    #[inline(always)]
    fn new((index, weight): (&'a [u32], &'a [f32]), values: &'a [f32], stride: usize) -> Self {
        Self {
            index,
            weight,
            values,
            stride,
        }
    }

    /// Writes their weighted sum, or adds it.
    #[inline(always)]
    fn sum<S: Simd>(&self, simd: S, out: &mut [f32], add: bool) {
        self.sum_from(simd, 0, out, add);
    }

    /// As [`Terms::sum`] where `values` begin with row `first`.
    #[inline(always)]
    fn sum_from<S: Simd>(&self, simd: S, first: usize, out: &mut [f32], add: bool) {
        let mut begin = 0;
        // Full vectors separately, so that the compiler knows their length.
        while begin + 4 * S::F32_LANES <= out.len() {
            self.pass::<S, 4>(simd, first, (begin, S::F32_LANES), out, add);
            begin += 4 * S::F32_LANES;
        }
        while begin + S::F32_LANES <= out.len() {
            self.pass::<S, 1>(simd, first, (begin, S::F32_LANES), out, add);
            begin += S::F32_LANES;
        }
        if begin < out.len() {
            self.pass::<S, 1>(simd, first, (begin, out.len() - begin), out, add);
        }
    }

    /// `N` vectors from `begin` on, the last of `len` values.
    #[inline(always)]
    fn pass<S: Simd, const N: usize>(
        &self,
        simd: S,
        first: usize,
        (begin, len): (usize, usize),
        out: &mut [f32],
        add: bool,
    ) {
        let mut sums = match add {
            true => read::<S, N>(simd, out, begin, len),
            false => [simd.splat_f32s(0.0); N],
        };
        for (&index, &weight) in self.index.iter().zip(self.weight) {
            let from = (index as usize - first) * self.stride + begin;
            let values = read::<S, N>(simd, self.values, from, len);
            let weight = simd.splat_f32s(weight);
            for (sum, value) in sums.iter_mut().zip(values) {
                *sum = simd.add_f32s(*sum, simd.mul_f32s(weight, value));
            }
        }
        write(simd, sums, out, begin, len);
    }
}
