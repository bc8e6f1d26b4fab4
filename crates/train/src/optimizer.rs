//! What moves a network's parameters by their gradients.

use std::collections::BTreeMap;

use burn::tensor::Tensor;
use parallax_nets::ResNet;
use parallax_nets::names::{self, Map};

use crate::gradients::ParamGradients;
use crate::lars::Lars;
use crate::recipe::{OptimizerKind, OptimizerSection};
use crate::sgd::Sgd;

/// How one parameter moves.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Momentum SGD.
    Sgd(Sgd),
    /// Layer-wise trust ratios.
    Lars(Lars),
}

/// A rule and the velocities it keeps.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    /// v by the parameter's name, flat; a parameter's first step puts it here.
    pub(crate) velocity: BTreeMap<String, Tensor<1>>,
}

impl Optimizer {
    /// At rest.
    pub fn new(rule: Rule) -> Self {
        Self {
            rule,
            velocity: BTreeMap::new(),
        }
    }

    /// The optimiser of a recipe, at rest.
    pub fn of(section: &OptimizerSection) -> Self {
        let (momentum, weight_decay) = (section.momentum, section.weight_decay);
        Self::new(match section.name {
            OptimizerKind::Sgd => Rule::Sgd(Sgd {
                momentum,
                weight_decay,
                nesterov: section.nesterov,
            }),
            OptimizerKind::Lars => Rule::Lars(Lars {
                momentum,
                weight_decay,
                eta: section.eta,
            }),
        })
    }

    /// Moves every parameter that has a gradient.
    pub fn step(&mut self, network: ResNet, gradients: ParamGradients, rate: f64) -> ResNet {
        let mut update = Update {
            optimizer: self,
            gradients,
            rate,
        };
        names::map(network, &mut update)
    }
}

struct Update<'a> {
    optimizer: &'a mut Optimizer,
    gradients: ParamGradients,
    rate: f64,
}

impl Map for Update<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        let Some(gradient) = self.gradients.0.remove(name) else {
            return tensor;
        };
        let shape = tensor.dims();
        let weight = tensor.inner().reshape([shape.iter().product::<usize>()]);
        let velocity = self.optimizer.velocity.remove(name);
        let (next, velocity) = match &self.optimizer.rule {
            Rule::Sgd(sgd) => sgd.update(weight, gradient, velocity, self.rate),
            // Scale and shift of batch norm and biases are vectors; what decays is not (methods.md 4.2).
            Rule::Lars(lars) => lars.update(weight, gradient, velocity, self.rate, D > 1),
        };
        self.optimizer.velocity.insert(name.to_string(), velocity);
        Tensor::from_inner(next.reshape(shape))
    }
}
