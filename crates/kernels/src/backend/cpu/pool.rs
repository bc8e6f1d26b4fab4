//! Max-pool, and its gradient without stored indices: the first tap that equals the output is the maximum.

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::buffers::buffer;
use super::threads;
use super::tile::{put, take};
use crate::shape::PoolShape;

/// Max-pool of `x` `[batch, height, width, channels]` to `[batch, out height, out width, channels]`.
pub fn max_pool(shape: &PoolShape, x: &[f32]) -> Vec<f32> {
    let [height, width] = shape.out_size();
    let (from, to) = (
        shape.size[0] * shape.size[1] * shape.channels,
        height * width * shape.channels,
    );
    let mut out = buffer(shape.batch * to);
    let work = shape.kernel * shape.kernel * out.len();
    threads::each(work, out.chunks_mut(to), |image, out| {
        let x = &x[image * from..(image + 1) * from];
        out.fill(f32::NEG_INFINITY);
        Arch::new().dispatch(Forward { shape, x, out });
    });
    out
}

/// The input gradient of [`max_pool`], from its input, output and the output's gradient.
pub fn max_pool_backward(shape: &PoolShape, x: &[f32], output: &[f32], grad: &[f32]) -> Vec<f32> {
    let [height, width] = shape.out_size();
    let (from, to) = (
        shape.size[0] * shape.size[1] * shape.channels,
        height * width * shape.channels,
    );
    let mut input = buffer(shape.batch * from);
    let work = shape.kernel * shape.kernel * output.len();
    threads::each(work, input.chunks_mut(from), |image, input| {
        let range = image * to..(image + 1) * to;
        input.fill(0.0);
        Arch::new().dispatch(Backward {
            shape,
            x: &x[image * from..(image + 1) * from],
            output: &output[range.clone()],
            grad: &grad[range],
            input,
        });
    });
    input
}

/// The input coordinates along one axis in the window of the output at `place`, cropped to the image.
#[inline(always)]
fn inside(shape: &PoolShape, axis: usize, place: usize) -> Range<usize> {
    let begin = place * shape.stride;
    let end = (begin + shape.kernel).saturating_sub(shape.padding);
    begin.saturating_sub(shape.padding)..end.min(shape.size[axis])
}

/// Calls `visit(output pixel, input pixel)` for every tap inside the image, in the order of the window.
#[inline(always)]
fn taps(shape: &PoolShape, mut visit: impl FnMut(usize, usize)) {
    let [height, width] = shape.out_size();
    for y in 0..height {
        for x in 0..width {
            for row in inside(shape, 0, y) {
                for column in inside(shape, 1, x) {
                    visit(y * width + x, row * shape.size[1] + column);
                }
            }
        }
    }
}

struct Forward<'a> {
    shape: &'a PoolShape,
    x: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.shape.channels;
        taps(self.shape, |to, from| {
            let out = &mut self.out[to * channels..(to + 1) * channels];
            let x = &self.x[from * channels..(from + 1) * channels];
            for (out, &x) in out.iter_mut().zip(x) {
                // NaN propagates, as in PyTorch.
                *out = if x > *out || x.is_nan() { x } else { *out };
            }
        });
    }
}

struct Backward<'a> {
    shape: &'a PoolShape,
    x: &'a [f32],
    output: &'a [f32],
    grad: &'a [f32],
    input: &'a mut [f32],
}

impl WithSimd for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let channels = self.shape.channels;
        let [height, width] = self.shape.out_size();
        for y in 0..height {
            let down = inside(self.shape, 0, y);
            for x in 0..width {
                let across = inside(self.shape, 1, x);
                let to = (y * width + x) * channels;
                for begin in (0..channels).step_by(S::F32_LANES) {
                    // Full vectors separately, so that the compiler knows their length.
                    match channels - begin {
                        len if len < S::F32_LANES => {
                            self.window(simd, [&down, &across], to, begin, len)
                        }
                        _ => self.window(simd, [&down, &across], to, begin, S::F32_LANES),
                    }
                }
            }
        }
    }
}

impl Backward<'_> {
    /// Adds a window's gradient to the inputs that are its maximum, for `len` channels from `begin` on.
    #[inline(always)]
    fn window<S: Simd>(
        &mut self,
        simd: S,
        [down, across]: [&Range<usize>; 2],
        to: usize,
        begin: usize,
        len: usize,
    ) {
        let channels = self.shape.channels;
        let zero = simd.splat_f32s(0.0);
        let output = take(simd, &self.output[to + begin..][..len]);
        // The gradient of the channels whose maximum has not been found yet.
        let mut left = take(simd, &self.grad[to + begin..][..len]);
        for row in down.clone() {
            for column in across.clone() {
                let at = (row * self.shape.size[1] + column) * channels + begin;
                let value = take(simd, &self.x[at..at + len]);
                let is_max = simd.equal_f32s(value, output);
                let number = simd.equal_f32s(value, value);
                let input = &mut self.input[at..at + len];
                let share = simd.select_f32s(number, zero, left);
                let share = simd.select_f32s(is_max, left, share);
                put(simd, simd.add_f32s(take(simd, input), share), input);
                left = simd.select_f32s(number, left, zero);
                left = simd.select_f32s(is_max, zero, left);
            }
        }
    }
}
