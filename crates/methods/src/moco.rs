//! MoCo v1 and v2 (methods.md 3.2, 3.3): contrast the key of the same image with the keys of the queue. The two differ in
//! their heads and in values of the recipe.

use burn::tensor::{Device, Tensor};

use crate::config::{Heads, MethodConfig};
use crate::loss::info_nce;
use crate::method::{Method, Output, Parts, PartsMut, Views};
use crate::queue::Queue;
use crate::siamese::Siamese;

/// Two networks of the same head, a queue of negatives, and keys with ShuffleBN.
pub struct Moco {
    nets: Siamese,
    queue: Queue,
    temperature: f64,
}

impl Moco {
    /// Randomly initialised on `device`, the queue with random unit vectors.
    pub fn new(heads: Heads, config: &MethodConfig, device: &Device) -> Self {
        Self {
            nets: Siamese::new(heads, config, device),
            queue: Queue::new(config.queue, config.network.out, config.seed, device),
            temperature: config.temperature,
        }
    }
}

impl Method for Moco {
    fn loss(&mut self, views: Views) -> Output {
        let k = self.nets.target_shuffled(views.second, &views.order);
        let q = self.nets.online(views.first);

        let negatives = Tensor::from_inner(self.queue.keys.clone());
        let positive = Tensor::from_inner(k.clone());
        Output {
            loss: info_nce(q.embedding, positive, negatives, self.temperature),
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
