//! BYOL (methods.md 3.6): predict the target's projection of the other view.

use burn::tensor::{Device, Tensor};
use parallax_nets::{HeadKind, ResNet};

use crate::loss::{normalize, regression};
use crate::{Method, MethodConfig, Output, Siamese, Views};

/// Two networks, a predictor on one of them, and no negatives.
pub struct Byol {
    nets: Siamese,
}

impl Byol {
    /// Fresh weights on `device`.
    pub fn new(config: &MethodConfig, device: &Device) -> Self {
        let (online, target) = (HeadKind::ProjectorPredictor, HeadKind::Projector);
        Self {
            nets: Siamese::new(config, online, target, device),
        }
    }
}

impl Method for Byol {
    fn loss(&mut self, Views { first, second, .. }: Views) -> Output {
        let z1 = normalize(self.nets.target(first.clone()));
        let z2 = normalize(self.nets.target(second.clone()));
        let p1 = normalize(self.nets.online(first));
        let p2 = normalize(self.nets.online(second));

        let loss =
            regression(p1, Tensor::from_inner(z2)) + regression(p2, Tensor::from_inner(z1.clone()));
        Output {
            loss,
            embedding: z1,
        }
    }

    fn update_target(&mut self, momentum: f64) {
        self.nets.update_target(momentum);
    }

    fn online(&self) -> &ResNet {
        &self.nets.online
    }

    fn online_mut(&mut self) -> &mut ResNet {
        &mut self.nets.online
    }

    fn target(&self) -> &ResNet {
        &self.nets.target
    }

    fn target_mut(&mut self) -> &mut ResNet {
        &mut self.nets.target
    }
}
