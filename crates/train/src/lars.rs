//! LARS as in the paper's code (methods.md 4.2).

use burn::tensor::Tensor;
use parallax_kernels::{LarsOptions, Parameter, lars_steps};

/// Layer-wise adaptive rate scaling. Without weight decay it is momentum SGD.
///
/// The learning rate is part of the velocity: when the rate changes, past steps keep theirs. Other
/// implementations multiply by the rate at the end.
#[derive(Clone, Copy, Debug)]
pub struct Lars {
    /// mu, from 0 to 1.
    pub momentum: f64,
    /// wd, 0 or above; with 0 there is no trust ratio either.
    pub weight_decay: f64,
    /// eta, the trust coefficient, above 0.
    pub eta: f64,
}

impl Lars {
    /// The next weight and velocity; all tensors are flat, of one length. `rate` is lr.
    ///
    /// With weight decay: `local = eta |w| / (|g| + wd |w|)`, or 1 where a norm is 0;
    /// `v <- mu v + local lr (g + wd w); w <- w - v`. Without: `v <- mu v + lr g; w <- w - v`.
    pub fn update(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        velocity: Option<Tensor<1>>,
        rate: f64,
    ) -> (Tensor<1>, Tensor<1>) {
        let parameter = self.parameter(weight, gradient, velocity, rate);
        step(parameter)
    }

    /// What [`Lars::updates`] takes.
    pub(crate) fn parameter(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        velocity: Option<Tensor<1>>,
        rate: f64,
    ) -> Parameter<LarsOptions> {
        Parameter {
            gradient,
            // From a velocity of zero the first v is the first update.
            velocity: velocity.unwrap_or_else(|| weight.zeros_like()),
            weight,
            options: LarsOptions {
                learning_rate: rate,
                momentum: self.momentum,
                weight_decay: self.weight_decay,
                eta: self.eta,
            },
        }
    }

    /// The next weight and velocity of each parameter: on a GPU in a few launches for all.
    pub(crate) fn updates(parameters: Vec<Parameter<LarsOptions>>) -> Vec<(Tensor<1>, Tensor<1>)> {
        match lars_steps(parameters) {
            Ok(next) => next,
            Err(parameters) => parameters.into_iter().map(step).collect(),
        }
    }
}

/// The next weight and velocity of a parameter in Burn's operations.
fn step(parameter: Parameter<LarsOptions>) -> (Tensor<1>, Tensor<1>) {
    let Parameter {
        weight,
        gradient,
        velocity,
        options,
    } = parameter;
    let (decay, rate) = (options.weight_decay, options.learning_rate);
    let update = if decay > 0.0 {
        let norm = |x: &Tensor<1>| x.clone().square().sum().sqrt();
        let (w, g) = (norm(&weight), norm(&gradient));
        let zero = w.clone().equal_elem(0.0).bool_or(g.clone().equal_elem(0.0));
        let local = w.clone() * options.eta / (g + w * decay);
        let local = local.mask_fill(zero, 1.0);
        (gradient + weight.clone() * decay) * (local * rate)
    } else {
        gradient * rate
    };
    let velocity = velocity * options.momentum + update;
    (weight - velocity.clone(), velocity)
}
