//! BYOL (methods.md 3.6): predict the target's projection of the other view.

use burn::tensor::{Device, Tensor};
use parallax_nets::HeadKind;

use crate::loss::regression;
use crate::{Method, MethodConfig, Output, Parts, PartsMut, Siamese, Views};

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
    fn loss(&mut self, views: Views) -> Output {
        let z1 = self.nets.target(views.first.clone());
        let z2 = self.nets.target(views.second.clone());
        let p1 = self.nets.online(views.first);
        let p2 = self.nets.online(views.second);

        let loss = regression(p1.rows, Tensor::from_inner(z2))
            + regression(p2.rows, Tensor::from_inner(z1.clone()));
        Output {
            loss,
            embedding: z1,
            features: p2.features,
            keys: None,
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            online: &self.nets.online,
            target: Some(&self.nets.target),
            queue: None,
        }
    }

    fn parts_mut(&mut self) -> PartsMut<'_> {
        PartsMut {
            online: &mut self.nets.online,
            target: Some(&mut self.nets.target),
            queue: None,
        }
    }
}
