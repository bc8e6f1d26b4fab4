//! The linear layer for few rows, as most heads and the similarity with a queue have it: the products with the weight are
//! computed turned, `[outputs, batch]` and `[inputs, batch]`, so that weights are read as they lie and only the smaller operand
//! is packed. Every sum runs in the same order as in [`super::linear`].

use pulp::{Simd, WithSimd};

use super::linear::{DEPTH_BLOCK, add_tile};
use super::scratch::{Scratch, buffer};
use super::threads;
use super::tile::{Tiled, load, outer_in_order, store, tiled};
use crate::shape::LinearShape;

/// Results of a task: whole tiles of both kinds, and whole lines of the cache.
const TASK: usize = 48;
/// Steps of a gradient's sum at once: what they take of the packed rows stays in the nearest cache.
const STEPS: usize = 256;

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
        tiled(simd, &self)
    }
}

impl Tiled for Turned<'_> {
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let &LinearShape {
            batch,
            inputs,
            outputs,
        } = self.shape;
        let packed = side_by_side(self.x, inputs, V * S::F32_LANES);
        let work = batch * inputs * outputs;
        turned(batch, outputs, V * S::F32_LANES, work, |first, sums| {
            simd.vectorize(Outputs::<P, V> {
                weight: &self.weight[first * inputs..],
                packed: &packed,
                inputs,
                sums,
            });
        })
    }
}

/// The input gradient: `grad` `[batch, outputs]` times `weight`: `[batch, inputs]`, of [`Self::LEAST`] inputs or more.
pub struct TurnedGradient<'a> {
    pub shape: &'a LinearShape,
    pub grad: &'a [f32],
    pub weight: &'a [f32],
}

impl WithSimd for TurnedGradient<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        tiled(simd, &self)
    }
}

impl TurnedGradient<'_> {
    /// Inputs that fill the largest tile.
    pub const LEAST: usize = 8;
}

impl Tiled for TurnedGradient<'_> {
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32> {
        let &LinearShape {
            batch,
            inputs,
            outputs,
        } = self.shape;
        let packed = side_by_side(self.grad, outputs, V * S::F32_LANES);
        let work = batch * inputs * outputs;
        turned(batch, inputs, V * S::F32_LANES, work, |first, sums| {
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

/// The rows of `[rows, values]` side by side, `[panel][value][width]`, and zeros where there are no more.
fn side_by_side(rows: &[f32], values: usize, width: usize) -> Scratch {
    let panels = (rows.len() / values).div_ceil(width);
    let mut packed = Scratch::zeros(panels * values * width);
    for (row, line) in rows.chunks_exact(values).enumerate() {
        let panel = &mut packed[row / width * values * width..][..values * width];
        let places = panel[row % width..].iter_mut().step_by(width);
        for (to, &value) in places.zip(line) {
            *to = value;
        }
    }
    packed
}

/// `[batch, results]` of what `task(first, sums)` computes turned, for some results from the `first` on:
/// `[result][panels of width rows]`.
fn turned(
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

/// The gradient by some inputs from the `first` on, for all rows: `[input][panel * width]`.
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
        for from in (0..outputs).step_by(STEPS) {
            let steps = STEPS.min(outputs - from);
            for (tile, sums) in self.sums.chunks_mut(P * wide).enumerate() {
                // The last tile begins earlier where it would end behind the row; what it computes anew is left alone.
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
    use pulp::Arch;

    use super::super::linear::{Order, Product};
    use super::{LinearShape, TurnedGradient};

    /// Wherever a processor takes the one or the other, the bits are the same.
    #[test]
    fn a_turned_gradient_has_the_bits_of_a_straight_one() {
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
            let turned = Arch::new().dispatch(TurnedGradient {
                shape: &shape,
                grad: &grad,
                weight: &weight,
            });
            let straight = Arch::new().dispatch(Product {
                left: &grad,
                right: &weight,
                batch,
                depth: outputs,
                columns: inputs,
                order: Order::Depth,
            });
            assert_eq!(turned, straight, "{shape:?}");
        }
    }
}
