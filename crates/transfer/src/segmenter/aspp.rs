//! Atrous spatial pyramid pooling (methods.md 7.9).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use parallax_kernels::{Activation, average_pool2d, resize_bilinear};
use parallax_nets::{BatchNorm, Conv2d, ConvConfig, ConvNorm, Init, Mode};

use crate::error::TransferError;

/// Dilations of the three 3x3 convolutions.
const DILATIONS: [usize; 3] = [6, 12, 18];

/// A 1x1 convolution, three dilated 3x3 ones and the pooled image, side by side, and a 1x1 convolution of them all.
#[derive(Module, Debug)]
pub struct Aspp {
    convs: Vec<ConvNorm>,
    pooling: Conv2d,
    project: ConvNorm,
}

impl Aspp {
    /// From `inputs` to `channels`.
    pub(crate) fn new(init: &mut Init, inputs: usize, channels: usize) -> Self {
        let mut layer = |config: ConvConfig| {
            let shape = [config.outputs, config.inputs, config.kernel, config.kernel];
            let weight = init.xavier(shape);
            ConvNorm::of(init, config, weight)
        };
        let mut convs = vec![layer(ConvConfig::new(inputs, channels, 1))];
        convs.extend(
            DILATIONS
                .map(|dilation| layer(ConvConfig::new(inputs, channels, 3).dilation(dilation))),
        );
        let project = layer(ConvConfig::new(5 * channels, channels, 1));
        let pooling = ConvConfig::new(inputs, channels, 1).bias();
        let weight = init.xavier([channels, inputs, 1, 1]);
        Self {
            convs,
            pooling: Conv2d::of(init, pooling, weight),
            project,
        }
    }

    /// `[images, height, width, in]` to `[images, height, width, channels]`. `window` (height, width) is pooled with stride 1;
    /// `None` is the whole map.
    ///
    /// # Errors
    /// When the map is not a whole number of windows, which detectron2 refuses, too.
    pub(crate) fn forward(
        &mut self,
        x: Tensor<4>,
        window: Option<[usize; 2]>,
        mode: Mode,
    ) -> Result<Tensor<4>, TransferError> {
        let [_, height, width, _] = x.dims();
        let [rows, columns] = window.unwrap_or([height, width]);
        if !height.is_multiple_of(rows) || !width.is_multiple_of(columns) {
            return Err(TransferError::Size(format!(
                "the feature map of {height} x {width} is not a whole number of pooling windows of {rows} x {columns}, \
                 which segmenter.crop gives: change the image's size or the crop, or set segmenter.pool = \"global\""
            )));
        }
        let layers = self.convs.iter_mut();
        let mut parts: Vec<Tensor<4>> = layers
            .map(|conv| conv.forward(x.clone(), Activation::Relu, mode))
            .collect();
        let pooled = relu(self.pooling.forward(average_pool2d(x, [rows, columns])));
        parts.push(resize_bilinear(pooled, [height, width]));
        let x = Tensor::cat(parts, 3);
        Ok(self.project.forward(x, Activation::Relu, mode))
    }

    /// Every batch norm, in the order of the tensors.
    pub(crate) fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        let layers = self.convs.iter_mut().chain([&mut self.project]);
        layers.map(ConvNorm::batch_norm).collect()
    }
}
