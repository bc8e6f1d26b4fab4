//! From views to a loss: the methods, their target network and queue.
//!
//! A method is one file that reads like its equations. It holds its networks and turns views into a loss;
//! the target network and the queue then move by one rule for all, in [`Method`].

mod byol;
mod kind;
mod loss;
mod moco_v1;
mod moco_v2;
mod moco_v2_plus;
mod norm;
mod queue;
mod s_moco_v2_plus;
mod siamese;
mod supervised;

use burn::tensor::{Device, Int, Tensor};
use parallax_nets::{Init, ResNet, ResNetConfig};

pub use byol::Byol;
pub use kind::MethodKind;
pub use loss::{cross_entropy, info_nce, normalize, one_hot, regression};
pub use moco_v1::MocoV1;
pub use moco_v2::moco_v2;
pub use moco_v2_plus::MocoV2Plus;
pub use norm::{Norm, NormKind, Pass};
pub use queue::Queue;
pub use s_moco_v2_plus::s_moco_v2_plus;
pub use siamese::{Query, Siamese, follow, network};
pub use supervised::Supervised;

/// What a method needs beside its network.
#[derive(Clone, Copy, Debug)]
pub struct MethodConfig {
    /// Which one.
    pub kind: MethodKind,
    /// The online network without its head's kind, which the method chooses.
    pub network: ResNetConfig,
    /// Batch norm of both networks.
    pub norm: Norm,
    /// Divisor of the similarities; MoCo only.
    pub temperature: f64,
    /// Keys in the queue; MoCo only.
    pub queue: usize,
    /// Seed of the initial weights and of the queue's first content.
    pub seed: u64,
    /// Whether the online network's blocks are computed anew in the backward pass instead of kept for it.
    pub recompute: bool,
}

/// The views of a batch, `[batch, 3, height, width]` each, normalised, on a device without autodiff.
pub struct Views {
    /// Drawn with the pipeline's first law.
    pub first: Tensor<4>,
    /// Drawn with the pipeline's second law; where a method takes one view, the first again.
    pub second: Tensor<4>,
    /// Classes, `[batch]`, for methods that look at them.
    pub labels: Tensor<1, Int>,
    /// Whether the keys of the second view go into the queue instead of the first's: the coin of each
    /// virtual device.
    pub enqueue_second: Vec<bool>,
    /// The order in which keys are dealt to virtual devices: a permutation of the batch.
    pub order: Vec<u32>,
}

/// What one forward pass gives.
pub struct Output {
    /// The scalar to minimise, with its graph.
    pub loss: Tensor<1>,
    /// What collapse is measured on, without gradient, rows of length one: the target's embedding of one
    /// view `[batch, out]`, or without a target the features.
    pub embedding: Tensor<2>,
    /// Pooled features for the online classifier, `[batch, features]`, without gradient: of the first view
    /// in MoCo v1 and v2, of the second in the symmetric methods (methods.md 3.9).
    pub features: Tensor<2>,
    /// What goes into the queue after the loss, `[batch, out]`.
    pub keys: Option<Tensor<2>>,
}

/// What a method keeps from step to step.
pub struct Parts<'a> {
    /// The network that gradients train.
    pub online: &'a ResNet,
    /// The network that follows it.
    pub target: Option<&'a ResNet>,
    /// Keys of past batches.
    pub queue: Option<&'a Queue>,
}

/// The same, to be replaced.
pub struct PartsMut<'a> {
    /// See [`Parts::online`].
    pub online: &'a mut ResNet,
    /// See [`Parts::target`].
    pub target: Option<&'a mut ResNet>,
    /// See [`Parts::queue`].
    pub queue: Option<&'a mut Queue>,
}

/// A method in training.
pub trait Method: Send {
    /// Views to a loss. Running statistics move, nothing else.
    fn loss(&mut self, views: Views) -> Output;

    /// What the method keeps.
    fn parts(&self) -> Parts<'_>;

    /// The same, to be replaced by an optimiser or loaded.
    fn parts_mut(&mut self) -> PartsMut<'_>;

    /// The network that gradients train.
    fn online(&self) -> &ResNet {
        self.parts().online
    }

    /// Keys of a batch take the oldest ones' place (methods.md 3.2).
    fn enqueue(&mut self, keys: Tensor<2>) {
        if let Some(queue) = self.parts_mut().queue {
            queue.enqueue(keys);
        }
    }

    /// `theta_t <- m theta_t + (1 - m) theta_o`, after the optimiser's step (methods.md 2.4).
    fn update_target(&mut self, momentum: f64) {
        let PartsMut { online, target, .. } = self.parts_mut();
        if let Some(target) = target {
            *target = follow(target.clone(), online, momentum);
        }
    }
}

/// Builds a method with fresh weights on `device` (without autodiff; the online network adds it).
pub fn build(config: &MethodConfig, device: &Device) -> Box<dyn Method> {
    match config.kind {
        MethodKind::Supervised => Box::new(Supervised::new(config, device)),
        MethodKind::MocoV1 => Box::new(MocoV1::new(config, device)),
        MethodKind::MocoV2 => Box::new(moco_v2(config, device)),
        MethodKind::MocoV2Plus => Box::new(MocoV2Plus::new(config, device)),
        MethodKind::SMocoV2Plus => Box::new(s_moco_v2_plus(config, device)),
        MethodKind::Byol => Box::new(Byol::new(config, device)),
    }
}

/// The bare backbone at its random initialisation: what a trained one is compared with.
pub fn random_backbone(config: &MethodConfig, device: &Device) -> ResNet {
    ResNet::new(
        &config.network.backbone(),
        &mut Init::new(config.seed, device),
    )
}
