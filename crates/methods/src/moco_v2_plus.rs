//! MoCo v2+ (methods.md 3.4): tell the other view's key from the queue, both ways round.

use burn::tensor::{Device, Tensor};
use parallax_nets::HeadKind;

use crate::loss::info_nce;
use crate::{Method, MethodConfig, Output, Parts, PartsMut, Queue, Siamese, Views};

/// Two networks, a predictor on one of them, and a queue of negatives.
pub struct MocoV2Plus {
    nets: Siamese,
    queue: Queue,
    temperature: f64,
}

impl MocoV2Plus {
    /// Fresh weights and a queue of random directions on `device`.
    pub fn new(config: &MethodConfig, device: &Device) -> Self {
        let (online, target) = (HeadKind::ProjectorPredictor, HeadKind::Projector);
        Self::with_heads(config, online, target, device)
    }

    /// With other heads than v2+ has.
    pub(crate) fn with_heads(
        config: &MethodConfig,
        online: HeadKind,
        target: HeadKind,
        device: &Device,
    ) -> Self {
        Self {
            nets: Siamese::new(config, online, target, device),
            queue: Queue::new(config.queue, config.network.out, config.seed, device),
            temperature: config.temperature,
        }
    }
}

impl Method for MocoV2Plus {
    fn loss(&mut self, views: Views) -> Output {
        let b1 = self.nets.target(views.first.clone());
        let b2 = self.nets.target(views.second.clone());
        let a1 = self.nets.online(views.first);
        let a2 = self.nets.online(views.second);

        let negatives = Tensor::from_inner(self.queue.keys.clone());
        let (k1, k2) = (
            Tensor::from_inner(b1.clone()),
            Tensor::from_inner(b2.clone()),
        );
        let loss = info_nce(a1.rows, k2, negatives.clone(), self.temperature)
            + info_nce(a2.rows, k1, negatives, self.temperature);
        Output {
            loss,
            embedding: b1.clone(),
            features: a2.features,
            keys: Some(chosen(b1, b2, &views.enqueue_second)),
        }
    }

    fn parts(&self) -> Parts<'_> {
        Parts {
            online: &self.nets.online,
            target: Some(&self.nets.target),
            queue: Some(&self.queue),
        }
    }

    fn parts_mut(&mut self) -> PartsMut<'_> {
        PartsMut {
            online: &mut self.nets.online,
            target: Some(&mut self.nets.target),
            queue: Some(&mut self.queue),
        }
    }
}

/// Each virtual device gives the keys of one view of its part of the batch.
fn chosen(b1: Tensor<2>, b2: Tensor<2>, second: &[bool]) -> Tensor<2> {
    let batch = b1.dims()[0];
    let devices = second.len().max(1);
    let parts = (0..devices).map(|device| {
        let begin = device * batch / devices;
        let keys = match second.get(device) {
            Some(true) => &b2,
            _ => &b1,
        };
        let rows = (device + 1) * batch / devices - begin;
        keys.clone().narrow(0, begin, rows)
    });
    Tensor::cat(parts.collect(), 0)
}
