//! Max-pool, and its gradient without stored places: the first tap that equals the output has won.

use pulp::{Arch, Simd, WithSimd};

use super::scratch::buffer;
use super::shape::PoolShape;
use super::threads;

/// `x` `[batch, height, width, channels]` to `[batch, out height, out width, channels]`.
pub fn max_pool(shape: &PoolShape, x: &[f32]) -> Vec<f32> {
    let [height, width] = shape.out_size();
    let (from, to) = (
        shape.size[0] * shape.size[1] * shape.channels,
        height * width * shape.channels,
    );
    let mut out = buffer(shape.batch * to);
    let work = shape.kernel * shape.kernel * out.len();
    threads::each(work, out.chunks_mut(to), |picture, out| {
        let x = &x[picture * from..(picture + 1) * from];
        out.fill(f32::NEG_INFINITY);
        Arch::new().dispatch(Forward { shape, x, out });
    });
    out
}

/// The gradient by the input; `output` is what [`max_pool`] gave.
pub fn max_pool_backward(shape: &PoolShape, x: &[f32], output: &[f32], grad: &[f32]) -> Vec<f32> {
    let [height, width] = shape.out_size();
    let (from, to) = (
        shape.size[0] * shape.size[1] * shape.channels,
        height * width * shape.channels,
    );
    let mut input = buffer(shape.batch * from);
    let work = shape.kernel * shape.kernel * output.len();
    threads::each(work, input.chunks_mut(from), |picture, input| {
        let range = picture * to..(picture + 1) * to;
        input.fill(0.0);
        Arch::new().dispatch(Backward {
            shape,
            x: &x[picture * from..(picture + 1) * from],
            output: &output[range.clone()],
            grad: &grad[range],
            input,
        });
    });
    input
}

/// Calls `visit(output pixel, input pixel)` for every tap inside the picture, in the order of the window.
#[inline(always)]
fn taps(shape: &PoolShape, mut visit: impl FnMut(usize, usize)) {
    let [height, width] = shape.out_size();
    for y in 0..height {
        for x in 0..width {
            for i in 0..shape.kernel {
                for j in 0..shape.kernel {
                    let row = (y * shape.stride + i).wrapping_sub(shape.padding);
                    let column = (x * shape.stride + j).wrapping_sub(shape.padding);
                    if row < shape.size[0] && column < shape.size[1] {
                        visit(y * width + x, row * shape.size[1] + column);
                    }
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
                // A NaN wins, as in PyTorch.
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
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.shape.channels;
        // What of each window's gradient is still to be given away.
        let mut left = self.grad.to_vec();
        taps(self.shape, |to, from| {
            let output = &self.output[to * channels..(to + 1) * channels];
            let left = &mut left[to * channels..(to + 1) * channels];
            let x = &self.x[from * channels..(from + 1) * channels];
            let input = &mut self.input[from * channels..(from + 1) * channels];
            for c in 0..channels {
                let won = x[c] == output[c] || x[c].is_nan();
                let share = if won { left[c] } else { 0.0 };
                left[c] = if won { 0.0 } else { left[c] };
                input[c] += share;
            }
        });
    }
}
