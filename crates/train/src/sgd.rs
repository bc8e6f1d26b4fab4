//! Momentum SGD (methods.md 4.1).

use burn::tensor::Tensor;
use parallax_kernels::{Parameter, SgdOptions, sgd_steps};

/// `g <- g + wd w; v <- mu v + g; w <- w - lr v`, with the first gradient as the first v. With Nesterov momentum
/// `w <- w - lr (g + mu v)`. As in PyTorch, without dampening.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// mu, from 0 to 1.
    pub momentum: f64,
    /// wd, 0 or above.
    pub weight_decay: f64,
    /// Whether to use Nesterov momentum.
    pub nesterov: bool,
}

impl Sgd {
    /// Of classifiers on frozen or detached features (methods.md 3.9, 5.2): momentum 0.9, no decay.
    pub const CLASSIFIER: Self = Self {
        momentum: 0.9,
        weight_decay: 0.0,
        nesterov: false,
    };

    /// The next weight and velocity; all tensors are flat, of one length. `rate` is lr.
    pub fn update(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        velocity: Option<Tensor<1>>,
        rate: f64,
    ) -> (Tensor<1>, Tensor<1>) {
        let parameter = self.parameter(weight, gradient, velocity, rate);
        let before = (parameter.weight.clone(), parameter.velocity.clone());
        sgd_steps(vec![parameter]).pop().unwrap_or(before)
    }

    /// What [`sgd_steps`] takes for [`Sgd::update`].
    pub(crate) fn parameter(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        velocity: Option<Tensor<1>>,
        rate: f64,
    ) -> Parameter<SgdOptions> {
        Parameter {
            gradient,
            // From a velocity of zero the first v is the first g.
            velocity: velocity.unwrap_or_else(|| weight.zeros_like()),
            weight,
            options: SgdOptions {
                learning_rate: rate,
                momentum: self.momentum,
                weight_decay: self.weight_decay,
                nesterov: self.nesterov,
            },
        }
    }
}
