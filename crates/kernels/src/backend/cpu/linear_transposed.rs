//! The linear layer for few rows, as in most heads and in the similarity with a queue: the products with the weight are computed
//! transposed, `[outputs, batch]` and `[inputs, batch]`, so that the weight is read as it lies in memory and only the smaller
//! operand is packed. Every sum has the same order as in [`super::linear_packed`].

use pulp::{Arch, Simd, WithSimd};

use super::buffers::{Scratch, buffer};
use super::linear_packed::{DEPTH_BLOCK, add_tile};
use super::threads;
use super::tile::{Tiled, load, outer_in_order, store, tiled};
use crate::shape::LinearShape;

/// Results of a task: whole register tiles of either height, and whole cache lines.
const TASK: usize = 48;
/// Terms of an input gradient's sum at once: their packed rows stay in L1.
const DEPTH: usize = 256;

/// See [`super::linear()`].
pub fn forward(shape: &LinearShape, x: &[f32], weight: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(Forward { shape, x, weight })
}

/// See [`super::linear_grad_input`]. There are at least as many inputs as the largest register tile has rows, 8.
pub fn grad_input(shape: &LinearShape, grad: &[f32], weight: &[f32]) -> Vec<f32> {
    Arch::new().dispatch(InputGradient {
        shape,
        grad,
        weight,
    })
}

struct Forward<'a> {
    shape: &'a LinearShape,
    x: &'a [f32],
    weight: &'a [f32],
}

impl WithSimd for Forward<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        tiled(simd, &self)
    }
}

impl Tiled for Forward<'_> {
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let &LinearShape {
            batch,
            inputs,
            outputs,
        } = self.shape;
        let packed = panels(self.x, inputs, V * S::F32_LANES);
        let work = batch * inputs * outputs;
        transposed(batch, outputs, V * S::F32_LANES, work, |first, sums| {
            simd.vectorize(Outputs::<P, V> {
                weight: &self.weight[first * inputs..],
                packed: &packed,
                inputs,
                sums,
            });
        })
    }
}

struct InputGradient<'a> {
    shape: &'a LinearShape,
    grad: &'a [f32],
    weight: &'a [f32],
}

impl WithSimd for InputGradient<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        tiled(simd, &self)
    }
}

impl Tiled for InputGradient<'_> {
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let &LinearShape {
            batch,
            inputs,
            outputs,
        } = self.shape;
        let packed = panels(self.grad, outputs, V * S::F32_LANES);
        let work = batch * inputs * outputs;
        transposed(batch, inputs, V * S::F32_LANES, work, |first, sums| {
            simd.vectorize(Inputs::<P, V> {
                weight: self.weight,
                packed: &packed,
                shape: self.shape,
                first,
                sums,
            });
        })
    }
}

/// The rows of `[rows, values]` as the columns of panels, `[panel][value][width]`, zeros beyond the last row.
fn panels(rows: &[f32], values: usize, width: usize) -> Scratch {
    let count = (rows.len() / values).div_ceil(width);
    let mut packed = Scratch::zeros(count * values * width);
    for (row, line) in rows.chunks_exact(values).enumerate() {
        let panel = &mut packed[row / width * values * width..][..values * width];
        let places = panel[row % width..].iter_mut().step_by(width);
        for (to, &value) in places.zip(line) {
            *to = value;
        }
    }
    packed
}

/// `[batch, results]` from their transpose, which `task(first, sums)` computes for some results from `first` on as
/// `[result][panels of width rows]`.
fn transposed(
    batch: usize,
    results: usize,
    width: usize,
    work: usize,
    task: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let wide = batch.next_multiple_of(width);
    let mut sums = Scratch::new(results * wide);
    threads::each(work, sums.chunks_mut(TASK * wide), |number, sums| {
        task(number * TASK, sums);
    });
    let mut out = buffer(batch * results);
    threads::each(batch * results, out.chunks_mut(results), |row, out| {
        for (to, sums) in out.iter_mut().zip(sums.chunks_exact(wide)) {
            *to = sums[row];
        }
    });
    out
}

/// Some outputs for all rows: `[output][panel * width]`.
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

/// The gradients of some inputs from `first` on, for all rows: `[input][panel * width]`.
struct Inputs<'a, const P: usize, const V: usize> {
    weight: &'a [f32],
    packed: &'a [f32],
    shape: &'a LinearShape,
    first: usize,
    sums: &'a mut [f32],
}

impl<const P: usize, const V: usize> WithSimd for Inputs<'_, P, V> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let &LinearShape {
            inputs, outputs, ..
        } = self.shape;
        let width = V * S::F32_LANES;
        let wide = self.packed.len() / outputs;
        for from in (0..outputs).step_by(DEPTH) {
            let steps = DEPTH.min(outputs - from);
            for (tile, sums) in self.sums.chunks_mut(P * wide).enumerate() {
                // The last tile begins earlier where it would end beyond the row; what it computes twice is not stored.
                let input = self.first + tile * P;
                let begin = input.min(inputs - P);
                let left = (&self.weight[from * inputs + begin..], inputs);
                for (number, panel) in self.packed.chunks_exact(outputs * width).enumerate() {
                    let panel = &panel[from * width..][..steps * width];
                    let mut acc = [[simd.splat_f32s(0.0); V]; P];
                    if from > 0 {
                        for (acc, sums) in acc[input - begin..].iter_mut().zip(sums.chunks(wide)) {
                            *acc = load(simd, &sums[number * width..][..width]);
                        }
                    }
                    let acc = outer_in_order(simd, left, steps, panel, acc);
                    for (acc, sums) in acc[input - begin..].iter().zip(sums.chunks_mut(wide)) {
                        store(simd, acc, &mut sums[number * width..][..width]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::linear_packed;
    use super::{LinearShape, grad_input};

    /// Processors that select one or the other give the same bits.
    #[test]
    fn a_transposed_input_gradient_has_the_bits_of_a_packed_one() {
        for (batch, inputs, outputs) in [
            (1, 8, 1),
            (3, 13, 7),
            (8, 128, 300),
            (33, 50, 256),
            (40, 130, 513),
        ] {
            let shape = LinearShape {
                batch,
                inputs,
                outputs,
            };
            let values = |len: usize, by: usize| -> Vec<f32> {
                let value = |n: usize| ((n * by) % 1009) as f32 / 504.5 - 1.0;
                (0..len).map(value).collect()
            };
            let grad = values(batch * outputs, 7);
            let weight = values(outputs * inputs, 13);
            let transposed = grad_input(&shape, &grad, &weight);
            let packed = linear_packed::grad_input(&shape, &grad, &weight);
            assert_eq!(transposed, packed, "{shape:?}");
        }
    }
}
