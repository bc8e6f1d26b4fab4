//! The linear layer for few rows and many outputs, as most heads and the similarity with a queue have it: the product is
//! computed turned, `[outputs, batch]`, so that weights are read as they lie and only the smaller operand is packed. Every
//! sum runs in the same order as in [`super::linear`].

use pulp::{Simd, WithSimd};

use super::linear::{DEPTH_BLOCK, add_tile};
use super::scratch::{Scratch, buffer};
use super::shape::LinearShape;
use super::threads;
use super::tile::{FEW, rows};

/// Outputs of a task.
const TASK: usize = 96;

/// `x` `[batch, inputs]` times the transpose of `weight` `[outputs, inputs]`: `[batch, outputs]`.
pub struct Turned<'a> {
    pub shape: &'a LinearShape,
    pub x: &'a [f32],
    pub weight: &'a [f32],
}

impl WithSimd for Turned<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        match rows::<S>() {
            8 => self.with::<S, 8, 2>(simd),
            _ => self.with::<S, FEW, 2>(simd),
        }
    }
}

impl Turned<'_> {
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let &LinearShape {
            batch,
            inputs,
            outputs,
        } = self.shape;
        let width = V * S::F32_LANES;
        let panels = batch.div_ceil(width);
        let wide = panels * width;
        let packed = self.pack(width, panels);
        let mut sums = Scratch::new(outputs * wide);
        let tasks = sums.chunks_mut(TASK * wide);
        threads::each(batch * inputs * outputs, tasks, |task, sums| {
            simd.vectorize(Outputs::<P, V> {
                weight: &self.weight[task * TASK * inputs..],
                packed: &packed,
                inputs,
                sums,
            });
        });
        let mut out = buffer(batch * outputs);
        let each_row = out.chunks_mut(outputs);
        threads::each(batch * outputs, each_row, |row, out| {
            for (to, sums) in out.iter_mut().zip(sums.chunks_exact(wide)) {
                *to = sums[row];
            }
        });
        out
    }

    /// The rows of `x` side by side, `[panel][step][width]`, and zeros where there are no more.
    fn pack(&self, width: usize, panels: usize) -> Scratch {
        let inputs = self.shape.inputs;
        let mut packed = Scratch::zeros(panels * inputs * width);
        let lines = self.x.chunks_exact(inputs);
        for (row, line) in lines.enumerate() {
            let panel = &mut packed[row / width * inputs * width..][..inputs * width];
            let places = panel[row % width..].iter_mut().step_by(width);
            for (to, &value) in places.zip(line) {
                *to = value;
            }
        }
        packed
    }
}

/// Some outputs, for all rows: `[output][panel * width]`.
struct Outputs<'a, const P: usize, const V: usize> {
    weight: &'a [f32],
    packed: &'a [f32],
    inputs: usize,
    sums: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Outputs<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let width = V * S::F32_LANES;
        let inputs = self.inputs;
        let wide = self.packed.len() / inputs;
        for from in (0..inputs).step_by(DEPTH_BLOCK) {
            let steps = DEPTH_BLOCK.min(inputs - from);
            for (tile, sums) in self.sums.chunks_mut(P * wide).enumerate() {
                for (number, panel) in self.packed.chunks_exact(inputs * width).enumerate() {
                    let panel = &panel[from * width..][..steps * width];
                    let sums = &mut sums[number * width..];
                    let left = (self.weight, inputs);
                    add_tile::<S, P, V>(simd, left, (tile * P, from), panel, sums, wide);
                }
            }
        }
    }
}
