//! What every method is built from.

use burn::tensor::Device;
use parallax_nets::{HeadKind, Init, ResNet, ResNetConfig};

use crate::bn::BnConfig;

/// The heads of a method's networks (methods.md 0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heads {
    /// Of the online network.
    pub online: HeadKind,
    /// Of the target network; none for a method without one.
    pub target: Option<HeadKind>,
}

impl Heads {
    /// No target network.
    pub const fn online(online: HeadKind) -> Self {
        let target = None;
        Self { online, target }
    }

    /// The same head on both networks.
    pub const fn same(head: HeadKind) -> Self {
        Self {
            online: head,
            target: Some(head),
        }
    }

    /// BYOL's: projector and predictor on the online network, the projector alone on the target.
    pub const BYOL: Self = Self {
        online: HeadKind::ProjectorPredictor,
        target: Some(HeadKind::Projector),
    };

    /// The target's head on both networks: an ablation of methods whose online network alone has a predictor.
    #[must_use]
    pub const fn without_predictor(self) -> Self {
        match self.target {
            Some(head) => Self::same(head),
            None => self,
        }
    }

    /// Whether the online network alone has a predictor.
    pub fn has_predictor(self) -> bool {
        self.target.is_some_and(|target| target != self.online)
    }
}

/// The parameters of a method.
#[derive(Clone, Copy, Debug)]
pub struct MethodConfig {
    /// The networks, apart from `head`, which the method sets.
    pub network: ResNetConfig,
    /// Batch norm of both networks.
    pub bn: BnConfig,
    /// Temperature of the similarities; MoCo only.
    pub temperature: f64,
    /// Keys in the queue; MoCo only.
    pub queue: usize,
    /// Whether the online network has the predictor; without it, it has the target's head ([`Heads::without_predictor`]).
    pub predictor: bool,
    /// Seed of the initial weights and of the queue's initial keys.
    pub seed: u64,
    /// Whether the backward pass recomputes the activations of the online network's blocks instead of keeping them.
    pub recompute: bool,
}

impl MethodConfig {
    /// A network at its random initialisation.
    pub fn build_network(&self, head: HeadKind, device: &Device) -> ResNet {
        let network = ResNetConfig {
            head,
            ..self.network
        };
        ResNet::new(&network, &mut Init::new(self.seed, device))
    }

    /// The backbone at its random initialisation: the baseline of a trained one.
    pub fn random_backbone(&self, device: &Device) -> ResNet {
        self.build_network(HeadKind::None, device)
    }
}
