//! The online network and the target network that follows it (methods.md 2.4).

use std::collections::VecDeque;

use burn::module::Module;
use burn::tensor::{Device, GradientCheckpointingStrategy, Tensor};
use parallax_kernels::weighted_sum;
use parallax_nets::names::{self, Map, Visit, is_buffer};
use parallax_nets::{HeadKind, Init, ResNet, ResNetConfig};

use crate::loss::normalize;
use crate::{MethodConfig, Norm};

/// An online network with gradients and a target network without.
pub struct Siamese {
    /// f: backbone, head.
    pub online: ResNet,
    /// g: backbone, head, in most methods without the predictor.
    pub target: ResNet,
    norm: Norm,
    recompute: bool,
}

/// What the online network makes of a view.
pub struct Query {
    /// Pooled features without their graph, for the online classifier, `[batch, features]`.
    pub features: Tensor<2>,
    /// n(f(x)) with its graph, rows of length one, `[batch, out]`.
    pub rows: Tensor<2>,
}

impl Siamese {
    /// Online at random, target equal to it in every tensor that both have.
    pub fn new(config: &MethodConfig, online: HeadKind, target: HeadKind, device: &Device) -> Self {
        // Tensors are initialised in the order of definition and the predictor comes last, so building
        // both from one seed gives the target the very values of the online network.
        let autodiff = device.clone().autodiff();
        Self {
            online: network(config, online, &autodiff),
            target: network(config, target, device).no_grad(),
            norm: config.norm,
            recompute: config.recompute,
        }
    }

    /// n(f(x)), with its graph.
    pub fn online(&mut self, x: Tensor<4>) -> Query {
        let x = followed(x, self.recompute);
        let pass = self.norm.pass(&mut self.online, x);
        Query {
            features: pass.features.inner(),
            rows: normalize(pass.out),
        }
    }

    /// n(g(x)): normalised by the statistics of its own batch, without gradient.
    pub fn target(&mut self, x: Tensor<4>) -> Tensor<2> {
        normalize(self.norm.pass(&mut self.target, x).out)
    }

    /// n(g(x)) with ShuffleBN.
    pub fn target_shuffled(&mut self, x: Tensor<4>, order: &[u32]) -> Tensor<2> {
        normalize(self.norm.shuffled_pass(&mut self.target, x, order))
    }
}

/// Images at the beginning of a graph: one that keeps activations, or one that computes blocks anew.
pub(crate) fn followed(x: Tensor<4>, recompute: bool) -> Tensor<4> {
    let x = Tensor::from_inner(x);
    match recompute {
        true => x.with_gradient_checkpointing_strategy(GradientCheckpointingStrategy::Balanced),
        false => x,
    }
}

/// The network of a method at its random initialisation.
pub fn network(config: &MethodConfig, head: HeadKind, device: &Device) -> ResNet {
    let network = ResNetConfig {
        head,
        ..config.network
    };
    ResNet::new(&network, &mut Init::new(config.seed, device))
}

/// `theta_t <- m theta_t + (1 - m) theta_o` over parameters, never buffers, paired in order; what the online
/// network has more stays out (methods.md 2.4).
pub fn follow(target: ResNet, online: &ResNet, momentum: f64) -> ResNet {
    let mut flat = Flat(VecDeque::new());
    names::visit(online, &mut flat);
    let mut blend = Blend {
        online: flat,
        momentum,
    };
    names::map(target, &mut blend)
}

/// Online parameters in order, each as a vector.
struct Flat(VecDeque<Tensor<1>>);

impl Visit for Flat {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
        if !is_buffer(name) {
            let count = tensor.dims().iter().product::<usize>();
            self.0.push_back(tensor.inner().reshape([count]));
        }
    }
}

struct Blend {
    online: Flat,
    momentum: f64,
}

impl Map for Blend {
    fn tensor<const D: usize>(&mut self, name: &str, target: Tensor<D>) -> Tensor<D> {
        if is_buffer(name) {
            return target;
        }
        match self.online.0.pop_front() {
            Some(online) => {
                let online = online.reshape(target.dims());
                weighted_sum(target, self.momentum, online, 1.0 - self.momentum)
            }
            None => target,
        }
    }
}
