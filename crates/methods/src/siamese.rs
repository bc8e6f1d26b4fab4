//! The online network and the target network that follows it (methods.md 2.4).

use std::collections::VecDeque;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_nets::names::{self, Map, Visit, is_buffer};
use parallax_nets::{HeadKind, Init, Mode, ResNet, ResNetConfig};

use crate::MethodConfig;

/// An online network with gradients and a target network without.
pub struct Siamese {
    /// f: backbone, projector, predictor.
    pub online: ResNet,
    /// g: backbone, projector.
    pub target: ResNet,
}

impl Siamese {
    /// Online at random, target equal to it in every tensor that both have.
    pub fn new(config: &MethodConfig, online: HeadKind, target: HeadKind, device: &Device) -> Self {
        // Tensors are initialised in the order of definition and the predictor comes last, so building
        // both from one seed gives the target the very values of the online network.
        let build = |head, device: &Device| {
            let network = ResNetConfig {
                head,
                ..config.network
            };
            ResNet::new(&network, &mut Init::new(config.seed, device))
        };
        let autodiff = device.clone().autodiff();
        Self {
            online: build(online, &autodiff),
            target: build(target, device).no_grad(),
        }
    }

    /// f(x), with its graph.
    pub fn online(&mut self, x: Tensor<4>) -> Tensor<2> {
        self.online.forward(Tensor::from_inner(x), Mode::Train)
    }

    /// g(x): normalised by the statistics of its own batch, without gradient.
    pub fn target(&mut self, x: Tensor<4>) -> Tensor<2> {
        self.target.forward(x, Mode::Train)
    }

    /// Moves the target's parameters, never its buffers, towards the online ones.
    pub fn update_target(&mut self, momentum: f64) {
        let mut online = Flat(VecDeque::new());
        names::visit(&self.online, &mut online);
        let mut blend = Blend { online, momentum };
        self.target = names::map(self.target.clone(), &mut blend);
    }
}

/// Online parameters in order, each as a vector; the predictor's stay unused at the end.
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
                target * self.momentum + online * (1.0 - self.momentum)
            }
            None => target,
        }
    }
}
