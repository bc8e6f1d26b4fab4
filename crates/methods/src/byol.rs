//! BYOL (methods.md 3.6): predict the target's projection of the other view.

use burn::tensor::{Device, Tensor};

use crate::config::{Heads, MethodConfig};
use crate::loss::byol_loss;
use crate::method::{Method, Output, Parts, PartsMut, Views};
use crate::siamese::Siamese;

/// Two networks, a predictor on one of them, and no negatives.
pub struct Byol {
    nets: Siamese,
}

impl Byol {
    /// Randomly initialised on `device`.
    pub fn new(heads: Heads, config: &MethodConfig, device: &Device) -> Self {
        Self {
            nets: Siamese::new(heads, config, device),
        }
    }
}

impl Method for Byol {
    fn loss(&mut self, views: Views) -> Output {
        let z1 = self.nets.target(views.first.clone());
        let z2 = self.nets.target(views.second.clone());
        let p1 = self.nets.online(views.first);
        let p2 = self.nets.online(views.second);

        let loss = byol_loss(p1.embedding, Tensor::from_inner(z2))
            + byol_loss(p2.embedding, Tensor::from_inner(z1.clone()));
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
