//! Masks of regions (methods.md 7.4, 7.5).

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use parallax_kernels::{Activation, deconv2x2, linear, row_sums};
use parallax_nets::{BatchNorm, Conv2d, ConvConfig, ConvNorm, Init, Mode};

use crate::detector::heads::convs;
use crate::loss::upload;

/// Convolutions (with a pyramid), a transposed convolution to twice the side, and a map for each class.
#[derive(Module, Debug)]
pub struct MaskHead {
    fcn: Vec<ConvNorm>,
    deconv: Deconv,
    predictor: Conv2d,
}

/// A transposed convolution with kernel and stride 2.
#[derive(Module, Debug)]
pub struct Deconv {
    /// `[in, out, 2, 2]`
    weight: Param<Tensor<4>>,
    /// `[out]`
    bias: Param<Tensor<1>>,
}

impl MaskHead {
    /// From and to `channels`, with `count` convolutions in front.
    pub(crate) fn new(
        init: &mut Init,
        [inputs, channels]: [usize; 2],
        count: usize,
        classes: usize,
    ) -> Self {
        let fcn = convs(init, inputs, count);
        // PyTorch takes the first dimension for the outputs, which here are the inputs.
        let std = (2.0 / (4 * inputs) as f64).sqrt();
        let deconv = Deconv {
            weight: Param::from_tensor(init.normal([inputs, channels, 2, 2], std)),
            bias: Param::from_tensor(init.constant(channels, 0.0)),
        };
        let weight = init.normal([classes, channels, 1, 1], 0.001);
        let config = ConvConfig::new(channels, classes, 1).bias();
        Self {
            fcn,
            deconv,
            predictor: Conv2d::of(init, config, weight),
        }
    }

    /// `[regions, side, side, in]` to what the predictor reads, `[regions, 2 side, 2 side, channels]`.
    pub(crate) fn forward(&mut self, x: Tensor<4>, mode: Mode) -> Tensor<4> {
        let convs = self.fcn.iter_mut();
        let x = convs.fold(x, |x, conv| conv.forward(x, Activation::Relu, mode));
        let Deconv { weight, bias } = &self.deconv;
        relu(deconv2x2(x, weight.val(), Some(bias.val())))
    }

    /// The maps of all classes, `[regions, side, side, classes]`.
    pub fn logits(&self, x: Tensor<4>) -> Tensor<4> {
        self.predictor.forward(x)
    }

    /// The map of each region's class, `[regions, side, side]`: of the predictor only that row is computed.
    pub fn class_logits(&self, x: Tensor<4>, classes: &[usize], device: &Device) -> Tensor<3> {
        let [regions, height, width, channels] = x.dims();
        let weight = self.predictor.weight.val();
        let all = weight.dims()[0];
        let mut chosen = vec![0.0; regions * all];
        for (row, &class) in classes.iter().enumerate() {
            chosen[row * all + class] = 1.0;
        }
        let chosen = upload(chosen, [regions, all], device);
        let weight = weight.reshape([all, channels]).transpose();
        let rows = linear(chosen.clone(), weight, None);
        let products = x * rows.reshape([regions, 1, 1, channels]);
        let sums = row_sums(products.reshape([regions * height * width, channels]));
        let logits = sums.reshape([regions, height, width]);
        match &self.predictor.bias {
            Some(bias) => {
                let bias = linear(chosen, bias.val().reshape([1, all]), None);
                logits + bias.reshape([regions, 1, 1])
            }
            None => logits,
        }
    }

    pub(crate) fn batch_norms(&mut self) -> impl Iterator<Item = &mut BatchNorm> {
        self.fcn.iter_mut().map(ConvNorm::batch_norm)
    }
}
