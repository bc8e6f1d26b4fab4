//! MoCo v2+ and S-MoCo v2+ (methods.md 3.4, 3.5): contrast the other view's key with the keys of the queue, in both
//! directions. In S-MoCo v2+ the target network has the predictor, too.

use burn::tensor::{Device, Tensor};

use crate::config::{Heads, MethodConfig};
use crate::loss::info_nce;
use crate::method::{Method, Output, Parts, PartsMut, Views};
use crate::queue::Queue;
use crate::siamese::Siamese;

/// Two networks, a predictor on one or both of them, and a queue of negatives.
pub struct MocoV2Plus {
    nets: Siamese,
    queue: Queue,
    temperature: f64,
}

impl MocoV2Plus {
    /// Randomly initialised on `device`, the queue with random unit vectors.
    pub fn new(heads: Heads, config: &MethodConfig, device: &Device) -> Self {
        Self {
            nets: Siamese::new(heads, config, device),
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
        let loss = info_nce(a1.embedding, k2, negatives.clone(), self.temperature)
            + info_nce(a2.embedding, k1, negatives, self.temperature);
        Output {
            loss,
            embedding: b1.clone(),
            features: a2.features,
            keys: Some(keys_to_enqueue(b1, b2, &views.enqueue_second)),
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

/// Each BN group contributes the keys of one of its two views.
fn keys_to_enqueue(b1: Tensor<2>, b2: Tensor<2>, second: &[bool]) -> Tensor<2> {
    let batch = b1.dims()[0];
    let groups = second.len().max(1);
    let chosen = (0..groups).map(|group| {
        let begin = group * batch / groups;
        let keys = match second.get(group) {
            Some(true) => &b2,
            _ => &b1,
        };
        let size = (group + 1) * batch / groups - begin;
        keys.clone().narrow(0, begin, size)
    });
    Tensor::cat(chosen.collect(), 0)
}
