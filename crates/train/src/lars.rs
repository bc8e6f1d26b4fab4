//! LARS as the paper's code has it (methods.md 4.2).

use burn::tensor::Tensor;

/// Trust ratios for convolution and linear weights; SGD without decay for batch norm and biases.
///
/// The learning rate is part of the velocity: when the rate changes, past steps keep theirs. Other
/// implementations multiply by the rate at the end.
#[derive(Clone, Copy, Debug)]
pub struct Lars {
    /// mu, from 0 to 1.
    pub momentum: f64,
    /// wd of the weights, 0 or above; 0 turns their trust ratios off, too.
    pub weight_decay: f64,
    /// eta, the trust coefficient, above 0.
    pub eta: f64,
}

impl Lars {
    /// The next weight and velocity, flat as what they are made of. `decays` says whether the parameter is a
    /// convolution or linear weight.
    ///
    /// With decay: `local = eta |w| / (|g| + wd |w|)`, or 1 where a norm is 0;
    /// `v <- mu v + local lr (g + wd w); w <- w - v`. Without: `v <- mu v + lr g; w <- w - v`.
    pub fn update(
        &self,
        weight: Tensor<1>,
        gradient: Tensor<1>,
        velocity: Option<Tensor<1>>,
        rate: f64,
        decays: bool,
    ) -> (Tensor<1>, Tensor<1>) {
        let pull = if decays && self.weight_decay > 0.0 {
            let norm = |x: &Tensor<1>| x.clone().square().sum().sqrt();
            let (w, g) = (norm(&weight), norm(&gradient));
            let none = w.clone().equal_elem(0.0).bool_or(g.clone().equal_elem(0.0));
            let local = w.clone() * self.eta / (g + w * self.weight_decay);
            let local = local.mask_fill(none, 1.0);
            (gradient + weight.clone() * self.weight_decay) * (local * rate)
        } else {
            gradient * rate
        };
        let velocity = match velocity {
            Some(velocity) => velocity * self.momentum + pull,
            None => pull,
        };
        (weight - velocity.clone(), velocity)
    }
}
