//! Parameter updates, each in one pass over memory. Products and sums are not fused, so that every device computes the same.

use pulp::{Arch, Simd, WithSimd};

use super::buffers::buffer;
use super::threads;
use crate::options::SgdOptions;

/// Parameters of a task.
const BLOCK: usize = 16 * 1024;

/// One SGD step in place: `velocity` becomes the next velocity and `gradient` the next weight.
///
/// All slices must have one length.
pub fn sgd_step(weight: &[f32], gradient: &mut [f32], velocity: &mut [f32], options: &SgdOptions) {
    let pieces = gradient.chunks_mut(BLOCK).zip(velocity.chunks_mut(BLOCK));
    let pieces = pieces.zip(weight.chunks(BLOCK));
    threads::each(
        8 * weight.len(),
        pieces,
        |_, ((gradient, velocity), weight)| {
            Arch::new().dispatch(Step {
                weight,
                gradient,
                velocity,
                options,
            });
        },
    );
}

struct Step<'a> {
    weight: &'a [f32],
    gradient: &'a mut [f32],
    velocity: &'a mut [f32],
    options: &'a SgdOptions,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let nesterov = self.options.nesterov;
        let momentum = self.options.momentum as f32;
        let decay = self.options.weight_decay as f32;
        let rate = self.options.learning_rate as f32;
        let values = self.gradient.iter_mut().zip(self.velocity);
        for ((gradient, velocity), &weight) in values.zip(self.weight) {
            let decayed = *gradient + weight * decay;
            *velocity = *velocity * momentum + decayed;
            let step = match nesterov {
                true => decayed + *velocity * momentum,
                false => *velocity,
            };
            *gradient = weight - step * rate;
        }
    }
}

/// `by_a a + by_b b`.
///
/// Both slices must have one length.
pub fn weighted_sum(a: &[f32], by_a: f64, b: &[f32], by_b: f64) -> Vec<f32> {
    let mut out = buffer(a.len());
    let pieces = a.chunks(BLOCK).zip(b.chunks(BLOCK));
    let pieces = out.chunks_mut(BLOCK).zip(pieces);
    threads::each(4 * a.len(), pieces, |_, (out, (a, b))| {
        Arch::new().dispatch(Sum {
            a,
            b,
            out,
            by_a: by_a as f32,
            by_b: by_b as f32,
        });
    });
    out
}

struct Sum<'a> {
    a: &'a [f32],
    b: &'a [f32],
    out: &'a mut [f32],
    by_a: f32,
    by_b: f32,
}

impl WithSimd for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let values = self.a.iter().zip(self.b);
        for (out, (&a, &b)) in self.out.iter_mut().zip(values) {
            *out = a * self.by_a + b * self.by_b;
        }
    }
}
