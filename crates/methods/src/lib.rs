//! From views to a loss: the methods, their target network and queue.
//!
//! A method is one file that reads like its equations. It holds its networks, turns two views into a loss,
//! and updates what gradients do not: the target network and the queue.

mod byol;
mod loss;
mod moco_v2_plus;
mod queue;
mod siamese;

use burn::tensor::{Device, Tensor};
use parallax_nets::{Init, ResNet, ResNetConfig};
use parallax_views::Pipeline;
use serde::{Deserialize, Serialize};

pub use byol::Byol;
pub use moco_v2_plus::MocoV2Plus;
pub use queue::Queue;
pub use siamese::Siamese;

/// The methods by the names that recipes use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodKind {
    /// Bootstrap your own latent (methods.md 3.6).
    Byol,
    /// MoCo v2 with a symmetric loss, a predictor and a rising momentum (methods.md 3.4).
    MocoV2Plus,
}

impl MethodKind {
    /// Every method.
    pub const ALL: [MethodKind; 2] = [MethodKind::Byol, MethodKind::MocoV2Plus];

    /// The name in recipes.
    pub fn name(self) -> &'static str {
        match self {
            MethodKind::Byol => "byol",
            MethodKind::MocoV2Plus => "moco-v2-plus",
        }
    }

    /// The pipeline of the method in the paper's main comparisons (methods.md 1.1).
    pub fn pipeline(self) -> Pipeline {
        match self {
            MethodKind::Byol => Pipeline::ByolAsymmetric,
            MethodKind::MocoV2Plus => Pipeline::MocoV2,
        }
    }
}

/// What a method needs beside its network.
#[derive(Clone, Copy, Debug)]
pub struct MethodConfig {
    /// Which one.
    pub kind: MethodKind,
    /// The online network without its head's kind, which the method chooses.
    pub network: ResNetConfig,
    /// Divisor of the similarities; MoCo only.
    pub temperature: f64,
    /// Keys in the queue; MoCo only.
    pub queue: usize,
    /// Seed of the initial weights, of the queue's first content and of the enqueue coin.
    pub seed: u64,
}

/// The two views of a batch, `[batch, 3, height, width]` each, normalised, on a device without autodiff.
pub struct Views {
    /// Drawn with the pipeline's first law.
    pub first: Tensor<4>,
    /// Drawn with the pipeline's second law.
    pub second: Tensor<4>,
    /// Whether the keys of the second view go into the queue, instead of the first's (the enqueue coin).
    pub enqueue_second: bool,
}

/// What one forward pass gives.
pub struct Output {
    /// The scalar to minimise, with its graph.
    pub loss: Tensor<1>,
    /// The target's normalised embedding of the first view, `[batch, out]`, without gradient.
    pub embedding: Tensor<2>,
}

/// A method in training.
pub trait Method: Send {
    /// The network that gradients train.
    fn online(&self) -> &ResNet;
    /// The same, to be replaced by an optimiser.
    fn online_mut(&mut self) -> &mut ResNet;
    /// The network that follows it.
    fn target(&self) -> &ResNet;
    /// The same, to be loaded.
    fn target_mut(&mut self) -> &mut ResNet;
    /// Two views to a loss. Running statistics move; a queue takes its new keys.
    fn loss(&mut self, views: Views) -> Output;
    /// `theta_t <- m theta_t + (1 - m) theta_o`, after the optimiser's step (methods.md 2.4).
    fn update_target(&mut self, momentum: f64);
    /// The queue, for methods that have one.
    fn queue(&self) -> Option<&Queue> {
        None
    }
    /// The same, to be loaded.
    fn queue_mut(&mut self) -> Option<&mut Queue> {
        None
    }
}

/// Builds a method with fresh weights on `device` (without autodiff; the online network adds it).
pub fn build(config: &MethodConfig, device: &Device) -> Box<dyn Method> {
    match config.kind {
        MethodKind::Byol => Box::new(Byol::new(config, device)),
        MethodKind::MocoV2Plus => Box::new(MocoV2Plus::new(config, device)),
    }
}

/// The bare backbone at its random initialisation: what a trained one is compared with.
pub fn random_backbone(config: &MethodConfig, device: &Device) -> ResNet {
    ResNet::new(
        &config.network.backbone(),
        &mut Init::new(config.seed, device),
    )
}
