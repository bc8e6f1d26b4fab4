//! Momentum SGD (methods.md 4.1).

use std::collections::BTreeMap;

use burn::tensor::{Gradients, Tensor};
use parallax_nets::ResNet;
use parallax_nets::names::{self, Map};

/// `g <- g + wd w; v <- mu v + g; w <- w - lr v`, over every parameter, biases and batch norm included.
#[derive(Clone, Debug)]
pub struct Sgd {
    momentum: f64,
    weight_decay: f64,
    /// v by the parameter's name, flat; a parameter's first step puts it here.
    pub(crate) velocity: BTreeMap<String, Tensor<1>>,
}

impl Sgd {
    /// At rest.
    pub fn new(momentum: f64, weight_decay: f64) -> Self {
        Self {
            momentum,
            weight_decay,
            velocity: BTreeMap::new(),
        }
    }

    /// Moves every parameter that has a gradient.
    pub fn step(&mut self, network: ResNet, gradients: &mut Gradients, rate: f64) -> ResNet {
        let mut update = Update {
            sgd: self,
            gradients,
            rate,
        };
        names::map(network, &mut update)
    }
}

struct Update<'a> {
    sgd: &'a mut Sgd,
    gradients: &'a mut Gradients,
    rate: f64,
}

impl Map for Update<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(gradient) = tensor.grad_remove(self.gradients) else {
            return tensor;
        };
        let shape = tensor.dims();
        let count = shape.iter().product::<usize>();
        let weight = tensor.inner().reshape([count]);
        let pull = gradient.reshape([count]) + weight.clone() * self.sgd.weight_decay;
        let velocity = match self.sgd.velocity.remove(name) {
            Some(velocity) => velocity * self.sgd.momentum + pull,
            None => pull,
        };
        self.sgd.velocity.insert(name.to_string(), velocity.clone());
        let next = weight - velocity * self.rate;
        Tensor::from_inner(next.reshape(shape))
    }
}
