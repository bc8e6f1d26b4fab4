//! Momentum SGD (methods.md 4.1).

use burn::tensor::Tensor;
use parallax_kernels::{SgdOptions, sgd_step};

/// `g <- g + wd w; v <- mu v + g; w <- w - lr v`, the first v being the first g. With Nesterov's momentum
/// `w <- w - lr (g + mu v)`. One rule for every parameter, biases and batch norm included.
#[derive(Clone, Copy, Debug)]
pub struct Sgd {
    /// mu, from 0 to 1.
    pub momentum: f64,
    /// wd, 0 or above.
    pub weight_decay: f64,
    /// Whether it looks ahead.
    pub nesterov: bool,
}

impl Sgd {
    /// The next weight and velocity, flat as what they are made of.
    pub fn update(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        velocity: Option<Tensor<1>>,
        rate: f64,
    ) -> (Tensor<1>, Tensor<1>) {
        let by = SgdOptions {
            learning_rate: rate,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            nesterov: self.nesterov,
        };
        // At rest the first v is the first g.
        let velocity = velocity.unwrap_or_else(|| weight.zeros_like());
        sgd_step(weight, gradient, velocity, by)
    }
}
