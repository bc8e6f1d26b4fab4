//! MoCo v2+ (methods.md 3.4): tell the other view's key from the queue, both ways round.

use burn::tensor::{Device, Tensor};
use parallax_nets::{HeadKind, ResNet};

use crate::loss::{info_nce, normalize};
use crate::{Method, MethodConfig, Output, Queue, Siamese, Views};

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
        Self {
            nets: Siamese::new(config, online, target, device),
            queue: Queue::new(config.queue, config.network.out, config.seed, device),
            temperature: config.temperature,
        }
    }
}

impl Method for MocoV2Plus {
    fn loss(&mut self, views: Views) -> Output {
        let b1 = normalize(self.nets.target(views.first.clone()));
        let b2 = normalize(self.nets.target(views.second.clone()));
        let a1 = normalize(self.nets.online(views.first));
        let a2 = normalize(self.nets.online(views.second));

        let negatives = Tensor::from_inner(self.queue.keys.clone());
        let (k1, k2) = (
            Tensor::from_inner(b1.clone()),
            Tensor::from_inner(b2.clone()),
        );
        let loss = info_nce(a1, k2, negatives.clone(), self.temperature)
            + info_nce(a2, k1, negatives, self.temperature);

        let embedding = b1.clone();
        self.queue
            .enqueue(if views.enqueue_second { b2 } else { b1 });
        Output { loss, embedding }
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

    fn queue(&self) -> Option<&Queue> {
        Some(&self.queue)
    }

    fn queue_mut(&mut self) -> Option<&mut Queue> {
        Some(&mut self.queue)
    }
}
