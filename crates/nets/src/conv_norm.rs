//! A convolution with its batch norm as one layer.

use burn::module::Module;
use burn::tensor::Tensor;
use parallax_kernels::Activation;

use crate::batch_norm::{BatchNorm, Mode, conv_norm};
use crate::conv::{Conv2d, ConvConfig};
use crate::init::Init;

/// A convolution without bias and the batch norm behind it. Its tensors are named as detectron2 names them: `weight`,
/// `norm.weight`, `norm.bias`, `norm.running_mean`, `norm.running_var`.
#[derive(Module, Debug)]
pub struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    /// With the given weight, `[out, in, kernel, kernel]`; the norm has scale 1 and shift 0.
    pub fn of(init: &mut Init, config: ConvConfig, weight: Tensor<4>) -> Self {
        Self {
            conv: Conv2d::of(init, config, weight),
            norm: BatchNorm::new(init, config.outputs),
        }
    }

    /// Its batch norm.
    pub fn batch_norm(&mut self) -> &mut BatchNorm {
        &mut self.norm
    }

    /// `[batch, height, width, in]` to `[batch, height', width', out]`.
    ///
    /// # Panics
    /// As [`Conv2d::forward`].
    pub fn forward(&mut self, x: Tensor<4>, activation: Activation, mode: Mode) -> Tensor<4> {
        conv_norm(
            (&self.conv, &mut self.norm),
            None,
            x,
            None,
            activation,
            mode,
        )
    }
}
