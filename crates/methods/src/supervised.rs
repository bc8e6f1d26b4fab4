//! Supervised training (methods.md 3.1): cross-entropy with the labels.

use burn::tensor::{Device, Tensor};
use parallax_nets::ResNet;

use crate::bn::BnConfig;
use crate::config::{Heads, MethodConfig};
use crate::loss::{cross_entropy, normalize, one_hot};
use crate::method::{Method, Output, Parts, PartsMut, Views};
use crate::siamese::with_graph;

/// One network, one view, labels.
pub struct Supervised {
    online: ResNet,
    bn: BnConfig,
    recompute: bool,
    classes: usize,
}

impl Supervised {
    /// Randomly initialised on `device`; the head has `config.network.out` classes.
    pub fn new(heads: Heads, config: &MethodConfig, device: &Device) -> Self {
        let autodiff = device.clone().autodiff();
        Self {
            online: config.build_network(heads.online, &autodiff),
            bn: config.bn,
            recompute: config.recompute,
            classes: config.network.out,
        }
    }
}

impl Method for Supervised {
    fn loss(&mut self, views: Views) -> Output {
        let x = with_graph(views.first, self.recompute);
        let pass = self.bn.pass(&mut self.online, x);
        let labels = one_hot(views.labels, self.classes);
        let loss = cross_entropy(pass.out, Tensor::from_inner(labels));
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
