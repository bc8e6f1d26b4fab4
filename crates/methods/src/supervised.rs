//! Supervised training (methods.md 3.1): say which class the image is of.

use burn::tensor::{Device, Tensor};
use parallax_nets::{HeadKind, ResNet};

use crate::loss::{cross_entropy, normalize, one_hot};
use crate::siamese::{followed, network};
use crate::{Method, MethodConfig, Norm, Output, Parts, PartsMut, Views};

/// One network, one view, labels.
pub struct Supervised {
    online: ResNet,
    norm: Norm,
    recompute: bool,
    classes: usize,
}

impl Supervised {
    /// Fresh weights on `device`; the head has `config.network.out` classes.
    pub fn new(config: &MethodConfig, device: &Device) -> Self {
        let autodiff = device.clone().autodiff();
        Self {
            online: network(config, HeadKind::Linear, &autodiff),
            norm: config.norm,
            recompute: config.recompute,
            classes: config.network.out,
        }
    }
}

impl Method for Supervised {
    fn loss(&mut self, views: Views) -> Output {
        let x = followed(views.first, self.recompute);
        let pass = self.norm.pass(&mut self.online, x);
        let truth = one_hot(views.labels, self.classes);
        let loss = cross_entropy(pass.out, Tensor::from_inner(truth));
        let features = pass.features.inner();
        Output {
            loss,
            embedding: normalize(features.clone()),
            features,
            keys: None,
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            online: &self.online,
            target: None,
            queue: None,
        }
    }

    fn parts_mut(&mut self) -> PartsMut<'_> {
        PartsMut {
            online: &mut self.online,
            target: None,
            queue: None,
        }
    }
}
