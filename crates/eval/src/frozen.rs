//! A frozen encoder: a backbone in evaluation mode, without a graph.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use parallax_nets::{Mode, ResNet};
use parallax_train::{Batch, RunError};

use crate::error::EvalError;

/// Pixels of the images of one forward pass, so that activations stay small. In evaluation mode an image's features do not
/// depend on the batch.
const PIXELS: usize = 128 * 32 * 32;

/// Computes the features of training batches: the pooled output of the last stage, with running statistics.
pub struct FrozenEncoder {
    network: ResNet,
    device: Device,
}

impl FrozenEncoder {
    /// Of a backbone on `device`.
    pub fn new(network: &ResNet, device: &Device) -> Self {
        Self {
            network: network.valid(),
            device: device.clone(),
        }
    }

    /// Features of a batch's first views, `[batch, features]`.
    ///
    /// # Errors
    /// When the device has no kernels for the views, or there are none.
    pub fn features(&mut self, batch: Batch) -> Result<Tensor<2>, EvalError> {
        let [height, width] = batch.pixels;
        let shape = [batch.size, 3, height, width];
        let views = batch.views.into_tensors(shape, &self.device)?;
        let first = views.into_iter().next();
        let x = first.ok_or_else(|| RunError::Device("the batch has no views".to_string()))?;
        Ok(self.forward(x))
    }

    /// Images `[batch, 3, height, width]` to features `[batch, features]`.
    pub fn forward(&mut self, images: Tensor<4>) -> Tensor<2> {
        let [count, _, height, width] = images.dims();
        let part = (PIXELS / (height * width).max(1)).clamp(4, count.max(4));
        let parts = (0..count).step_by(part).map(|from| {
            let images = images.clone().narrow(0, from, part.min(count - from));
            self.network.features(images, Mode::Eval)
        });
        Tensor::cat(parts.collect(), 0)
    }
}
