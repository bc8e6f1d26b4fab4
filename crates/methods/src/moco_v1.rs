//! MoCo v1 (methods.md 3.2): tell the key of the same image from the queue.

use burn::tensor::{Device, Tensor};
use parallax_nets::HeadKind;

use crate::loss::info_nce;
use crate::{Method, MethodConfig, Output, Parts, PartsMut, Queue, Siamese, Views};

/// Two equal networks, a queue of negatives, and keys with ShuffleBN.
pub struct MocoV1 {
    nets: Siamese,
    queue: Queue,
    temperature: f64,
}

impl MocoV1 {
    /// Fresh weights and a queue of random directions on `device`.
    pub fn new(config: &MethodConfig, device: &Device) -> Self {
        Self::with_head(config, HeadKind::Linear, device)
    }

    /// With another head than v1's, on both networks.
    pub(crate) fn with_head(config: &MethodConfig, head: HeadKind, device: &Device) -> Self {
        Self {
            nets: Siamese::new(config, head, head, device),
            queue: Queue::new(config.queue, config.network.out, config.seed, device),
            temperature: config.temperature,
        }
    }
}

impl Method for MocoV1 {
    fn loss(&mut self, views: Views) -> Output {
        let k = self.nets.target_shuffled(views.second, &views.order);
        let q = self.nets.online(views.first);

        let negatives = Tensor::from_inner(self.queue.keys.clone());
        let positive = Tensor::from_inner(k.clone());
        Output {
            loss: info_nce(q.rows, positive, negatives, self.temperature),
            embedding: k.clone(),
            features: q.features,
            keys: Some(k),
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
