//! The online and the target network (methods.md 2.4).

use burn::module::Module;
use burn::tensor::{Device, GradientCheckpointingStrategy, Tensor};
use parallax_nets::{HeadKind, ResNet};

use crate::bn::BnConfig;
use crate::config::{Heads, MethodConfig};
use crate::loss::normalize;

/// An online network with gradients and a target network without.
pub struct Siamese {
    /// f: backbone and head.
    pub online: ResNet,
    /// g: backbone and head, in most methods without the predictor.
    pub target: ResNet,
    bn: BnConfig,
    recompute: bool,
}

/// The outputs of the online network for a view.
pub struct Query {
    /// Pooled features without graph, for the online classifier, `[batch, features]`.
    pub features: Tensor<2>,
    /// n(f(x)) with its graph: L2-normalised embeddings, `[batch, out]`.
    pub embedding: Tensor<2>,
}

impl Siamese {
    /// Randomly initialised; the target equals the online network in every tensor that both have. Where `heads` names no
    /// target, it has no head.
    pub fn new(heads: Heads, config: &MethodConfig, device: &Device) -> Self {
        // Tensors are initialised in the order of definition and the predictor comes last, so building
        // both from one seed gives the target the very values of the online network.
        let autodiff = device.clone().autodiff();
        let target = heads.target.unwrap_or(HeadKind::None);
        Self {
            online: config.build_network(heads.online, &autodiff),
            target: config.build_network(target, device).no_grad(),
            bn: config.bn,
            recompute: config.recompute,
        }
    }

    /// n(f(x)), with its graph.
    pub fn online(&mut self, x: Tensor<4>) -> Query {
        let x = with_graph(x, self.recompute);
        let pass = self.bn.pass(&mut self.online, x);
        Query {
            features: pass.features.inner(),
            embedding: normalize(pass.out),
        }
    }

    /// n(g(x)), without graph. Batch norm uses the statistics of this batch.
    pub fn target(&mut self, x: Tensor<4>) -> Tensor<2> {
        normalize(self.bn.pass(&mut self.target, x).out)
    }

    /// n(g(x)) with ShuffleBN.
    pub fn target_shuffled(&mut self, x: Tensor<4>, order: &[u32]) -> Tensor<2> {
        normalize(self.bn.shuffled_pass(&mut self.target, x, order))
    }
}

/// Images as the input of a graph that either keeps the activations of blocks or recomputes them.
pub(crate) fn with_graph(x: Tensor<4>, recompute: bool) -> Tensor<4> {
    let x = Tensor::from_inner(x);
    match recompute {
        true => x.with_gradient_checkpointing_strategy(GradientCheckpointingStrategy::Balanced),
        false => x,
    }
}
