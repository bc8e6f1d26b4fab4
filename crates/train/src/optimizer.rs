//! The optimiser's step on the parameters of a module.

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_kernels::sgd_steps;
use parallax_nets::names::{self, Map, Visit};
use parallax_weights::{NamedTensor, WeightFile};

use crate::classifier::{read, upload};
use crate::error::RunError;
use crate::gradients::ParamGradients;
use crate::groups::ParamGroup;
use crate::lars::Lars;
use crate::recipe::{OptimizerKind, OptimizerSection};
use crate::sgd::Sgd;

/// Before the name of a parameter in a checkpoint, its velocity's.
const VELOCITY: &str = "velocity.";

/// The update rule of a parameter.
#[derive(Clone, Copy, Debug)]
pub enum Rule {
    /// Momentum SGD.
    Sgd(Sgd),
    /// Layer-wise trust ratios. Weights of convolutions and linear layers decay; vectors, which are biases and the scale
    /// and shift of batch norm, do not (methods.md 4.2).
    Lars(Lars),
}

impl Rule {
    /// Weight decay of a parameter of `rank` dimensions.
    fn weight_decay(&self, rank: usize) -> f64 {
        match self {
            Rule::Sgd(sgd) => sgd.weight_decay,
            Rule::Lars(lars) if rank > 1 => lars.weight_decay,
            Rule::Lars(_) => 0.0,
        }
    }

    /// The next weight and velocity of each parameter.
    fn updates(&self, parameters: Vec<Parameter>) -> Vec<(Tensor<1>, Tensor<1>)> {
        match *self {
            Rule::Sgd(sgd) => {
                let of = |parameter: Parameter| {
                    let sgd = Sgd {
                        weight_decay: parameter.weight_decay,
                        ..sgd
                    };
                    let (weight, gradient) = (parameter.weight, parameter.gradient);
                    sgd.parameter(weight, gradient, parameter.velocity, parameter.rate)
                };
                sgd_steps(parameters.into_iter().map(of).collect())
            }
            Rule::Lars(lars) => {
                let of = |parameter: Parameter| {
                    let lars = Lars {
                        weight_decay: parameter.weight_decay,
                        ..lars
                    };
                    let (weight, gradient) = (parameter.weight, parameter.gradient);
                    lars.parameter(weight, gradient, parameter.velocity, parameter.rate)
                };
                Lars::updates(parameters.into_iter().map(of).collect())
            }
        }
    }
}

/// A parameter before a step; all tensors are flat, of one length.
struct Parameter {
    weight: Tensor<1>,
    gradient: Tensor<1>,
    velocity: Option<Tensor<1>>,
    rate: f64,
    weight_decay: f64,
}

/// An update rule, its parameter groups, and the velocity of each parameter.
#[derive(Clone, Debug)]
pub struct Optimizer {
    rule: Rule,
    groups: Vec<ParamGroup>,
    /// v by the parameter's name, flat; a parameter has one from its first step on.
    pub(crate) velocity: BTreeMap<String, Tensor<1>>,
}

impl Optimizer {
    /// One group of all parameters, without velocities.
    pub fn new(rule: Rule) -> Self {
        Self::with_groups(rule, Vec::new())
    }

    /// With parameter groups. The first group that matches a parameter's name sets its learning rate and weight decay; the
    /// rule's own apply to all others.
    pub fn with_groups(rule: Rule, groups: Vec<ParamGroup>) -> Self {
        Self {
            rule,
            groups,
            velocity: BTreeMap::new(),
        }
    }

    /// The optimiser of a recipe.
    pub fn of(section: &OptimizerSection) -> Self {
        let (momentum, weight_decay) = (section.momentum, section.weight_decay);
        let rule = match section.name {
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
        };
        Self::with_groups(rule, section.groups.clone())
    }

    /// The velocities as `velocity.NAME`, to be saved.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn tensors(&self) -> Result<Vec<NamedTensor>, RunError> {
        let mut tensors = Vec::new();
        for (name, tensor) in &self.velocity {
            tensors.push(read(&format!("{VELOCITY}{name}"), tensor.clone()).await?);
        }
        Ok(tensors)
    }

    /// Goes on with the velocities of a file that holds what [`Optimizer::tensors`] gave.
    pub fn load(&mut self, file: &WeightFile, device: &Device) {
        for (name, tensor) in &file.tensors {
            if let Some(name) = name.strip_prefix(VELOCITY) {
                let tensor = upload(tensor, [tensor.values.len()], device);
                self.velocity.insert(name.to_string(), tensor);
            }
        }
    }

    /// Updates every parameter of `module` that has a gradient, at the learning rate `rate` times its group's factor.
    pub fn step<M: Module>(&mut self, module: M, gradients: ParamGradients, rate: f64) -> M {
        let mut take = Take {
            optimizer: self,
            gradients,
            rate,
            names: Vec::new(),
            parameters: Vec::new(),
        };
        names::visit(&module, &mut take);
        let (names, parameters) = (take.names, take.parameters);
        let mut next = Next(BTreeMap::new());
        for (name, (weight, velocity)) in names.into_iter().zip(self.rule.updates(parameters)) {
            self.velocity.insert(name.clone(), velocity);
            next.0.insert(name, weight);
        }
        names::map(module, &mut next)
    }
}

/// Takes the parameters that have a gradient.
struct Take<'a> {
    optimizer: &'a mut Optimizer,
    gradients: ParamGradients,
    rate: f64,
    names: Vec<String>,
    parameters: Vec<Parameter>,
}

impl Visit for Take<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        let Some(gradient) = self.gradients.0.remove(name) else {
            return;
        };
        let count = tensor.dims().iter().product::<usize>();
        let Optimizer {
            rule,
            groups,
            velocity,
        } = &mut *self.optimizer;
        let group = groups.iter().find(|group| group.matches(name));
        let own_decay = group.and_then(|group| group.weight_decay);
        self.names.push(name.to_string());
        self.parameters.push(Parameter {
            weight: tensor.inner().reshape([count]),
            gradient,
            velocity: velocity.remove(name),
            rate: self.rate * group.map_or(1.0, |group| group.rate),
            weight_decay: own_decay.unwrap_or_else(|| rule.weight_decay(D)),
        });
    }
}

/// The next weights by name, flat.
struct Next(BTreeMap<String, Tensor<1>>);

impl Map for Next {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        match self.0.remove(name) {
            Some(next) => Tensor::from_inner(next.reshape(tensor.dims())),
            None => tensor,
        }
    }
}
