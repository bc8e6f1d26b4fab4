//! What moves parameters: one pass over memory each, by plain products and sums, so that every device computes the same.

use pulp::{Arch, Simd, WithSimd};

use super::scratch::buffer;
use super::threads;

/// Parameters of a piece.
const BLOCK: usize = 16 * 1024;

/// Factors of a step of momentum SGD (methods.md 4.1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdOptions {
    /// Share of the weight that is added to its gradient.
    pub decay: f64,
    /// Share of the velocity that stays.
    pub momentum: f64,
    /// Share of the velocity by which the weight moves.
    pub rate: f64,
    /// Whether it moves by the gradient and the velocity's next share instead.
    pub nesterov: bool,
}

/// `v <- momentum v + (g + decay w)` in place; the next weight takes the gradient's place.
///
/// All slices must have one length.
pub fn sgd_step(weight: &[f32], gradient: &mut [f32], velocity: &mut [f32], by: &SgdOptions) {
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
                by,
            });
        },
    );
}

struct Step<'a> {
    weight: &'a [f32],
    gradient: &'a mut [f32],
    velocity: &'a mut [f32],
    by: &'a SgdOptions,
}

impl WithSimd for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let SgdOptions {
            momentum,
            decay,
            rate,
            nesterov,
        } = *self.by;
        let (momentum, decay, rate) = (momentum as f32, decay as f32, rate as f32);
        let values = self.gradient.iter_mut().zip(self.velocity);
        for ((gradient, velocity), &weight) in values.zip(self.weight) {
            let pull = *gradient + weight * decay;
            *velocity = *velocity * momentum + pull;
            let step = match nesterov {
                true => pull + *velocity * momentum,
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
