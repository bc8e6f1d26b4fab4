//! What moves parameters: one pass over memory each, by plain products and sums, so that every device computes the same.

use pulp::{Arch, Simd, WithSimd};

use super::scratch::buffer;
use super::threads;

/// Parameters of a piece.
const BLOCK: usize = 16 * 1024;

/// Momentum SGD (methods.md 4.1): `g + decay w` joins the velocity, and the weight moves by `rate`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdRule {
    /// Share of the velocity that stays.
    pub momentum: f64,
    /// Share of the weight that joins its gradient.
    pub decay: f64,
    /// The learning rate.
    pub rate: f64,
    /// Whether it looks ahead.
    pub nesterov: bool,
}

/// `v <- momentum v + (g + decay w)` in place; the next weight takes the gradient's place.
///
/// All slices must have one length.
pub fn sgd(weight: &[f32], gradient: &mut [f32], velocity: &mut [f32], rule: &SgdRule) {
    let pieces = gradient.chunks_mut(BLOCK).zip(velocity.chunks_mut(BLOCK));
    let pieces = pieces.zip(weight.chunks(BLOCK));
    threads::each(
        8 * weight.len(),
        pieces,
        |_, ((gradient, velocity), weight)| {
            Arch::new().dispatch(Sgd {
                weight,
                gradient,
                velocity,
                rule,
            });
        },
    );
}

struct Sgd<'a> {
    weight: &'a [f32],
    gradient: &'a mut [f32],
    velocity: &'a mut [f32],
    rule: &'a SgdRule,
}

impl WithSimd for Sgd<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let SgdRule {
            momentum,
            decay,
            rate,
            nesterov,
        } = *self.rule;
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

/// `momentum target + (1 - momentum) online` (methods.md 2.4).
///
/// Both slices must have one length.
pub fn follow(target: &[f32], online: &[f32], momentum: f64) -> Vec<f32> {
    let mut out = buffer(target.len());
    let pieces = target.chunks(BLOCK).zip(online.chunks(BLOCK));
    let pieces = out.chunks_mut(BLOCK).zip(pieces);
    threads::each(4 * online.len(), pieces, |_, (out, (target, online))| {
        Arch::new().dispatch(Follow {
            target,
            online,
            out,
            stays: momentum as f32,
            comes: (1.0 - momentum) as f32,
        });
    });
    out
}

struct Follow<'a> {
    target: &'a [f32],
    online: &'a [f32],
    out: &'a mut [f32],
    stays: f32,
    comes: f32,
}

impl WithSimd for Follow<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let values = self.target.iter().zip(self.online);
        for (out, (&target, &online)) in self.out.iter_mut().zip(values) {
            *out = target * self.stays + online * self.comes;
        }
    }
}
