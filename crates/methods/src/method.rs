//! What every method does.

use burn::tensor::{Int, Tensor};
use parallax_nets::ResNet;

use crate::ema::ema_update;
use crate::queue::Queue;

/// The views of a batch, `[batch, 3, height, width]` each, normalised, on a device without autodiff.
pub struct Views {
    /// The first view of each image.
    pub first: Tensor<4>,
    /// The second view; the first again for a method of one view.
    pub second: Tensor<4>,
    /// Classes, `[batch]`, for methods that use labels.
    pub labels: Tensor<1, Int>,
    /// For each BN group, whether it enqueues the keys of the second view instead of the first's (methods.md 3.4).
    pub enqueue_second: Vec<bool>,
    /// The permutation of the batch by which ShuffleBN assigns images to BN groups (methods.md 3.2).
    pub order: Vec<u32>,
}

/// The result of a forward pass.
pub struct Output {
    /// The loss, `[1]`, with its graph.
    pub loss: Tensor<1>,
    /// What collapse is measured on, without graph, rows L2-normalised: the target's embedding of one view, `[batch, out]`,
    /// or the features of a method without target.
    pub embedding: Tensor<2>,
    /// Pooled features for the online classifier, `[batch, features]`, without graph: of the first view
    /// in MoCo v1 and v2, of the second in the symmetric methods (methods.md 3.9).
    pub features: Tensor<2>,
    /// The keys to enqueue after the loss, `[batch, out]`.
    pub keys: Option<Tensor<2>>,
}

/// What a method keeps from step to step.
pub struct Parts<'a> {
    /// The network that is trained by gradients.
    pub online: &'a ResNet,
    /// The target network: an exponential moving average of the online network.
    pub target: Option<&'a ResNet>,
    /// The queue of negative keys.
    pub queue: Option<&'a Queue>,
}

/// [`Parts`] by mutable reference.
pub struct PartsMut<'a> {
    /// See [`Parts::online`].
    pub online: &'a mut ResNet,
    /// See [`Parts::target`].
    pub target: Option<&'a mut ResNet>,
    /// See [`Parts::queue`].
    pub queue: Option<&'a mut Queue>,
}

/// A method in training.
pub trait Method: Send {
    /// The loss of a batch. It updates running statistics and nothing else.
    fn loss(&mut self, views: Views) -> Output;

    /// What the method keeps.
    fn parts(&self) -> Parts<'_>;

    /// The same, for an optimiser or to load weights.
    fn parts_mut(&mut self) -> PartsMut<'_>;

    /// The network that is trained by gradients.
    fn online(&self) -> &ResNet {
        self.parts().online
    }

    /// Replaces the oldest keys of the queue (methods.md 3.2).
    fn enqueue(&mut self, keys: Tensor<2>) {
        if let Some(queue) = self.parts_mut().queue {
            queue.enqueue(keys);
        }
    }

    /// The EMA update of the target network, after the optimiser's step (methods.md 2.4).
    fn update_target(&mut self, momentum: f64) {
        let PartsMut { online, target, .. } = self.parts_mut();
        if let Some(target) = target {
            *target = ema_update(target.clone(), online, momentum);
        }
    }
}
