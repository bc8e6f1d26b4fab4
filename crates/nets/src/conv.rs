//! Convolution.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use parallax_kernels::{ConvOptions, PackedWeight, conv2d_packed};

use crate::graph::match_checkpointing;
use crate::init::Init;

/// The shape of a convolution with a square kernel; stride, padding and dilation are those of both axes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvConfig {
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Pixels between neighbouring outputs, 1 or more.
    pub stride: usize,
    /// Zeros around the input, on each side.
    pub padding: usize,
    /// Pixels between neighbouring taps of the kernel, 1 or more.
    pub dilation: usize,
    /// Whether a bias is added.
    pub bias: bool,
}

impl ConvConfig {
    /// Stride 1, dilation 1, no bias; padded so that an odd kernel keeps height and width.
    pub fn new(inputs: usize, outputs: usize, kernel: usize) -> Self {
        Self {
            inputs,
            outputs,
            kernel,
            stride: 1,
            padding: kernel / 2,
            dilation: 1,
            bias: false,
        }
    }

    /// With another stride.
    pub fn stride(self, stride: usize) -> Self {
        Self { stride, ..self }
    }

    /// With another dilation, padded so that an odd kernel with stride 1 keeps height and width.
    pub fn dilation(self, dilation: usize) -> Self {
        Self {
            dilation,
            padding: dilation * (self.kernel / 2),
            ..self
        }
    }

    /// With another padding.
    pub fn padding(self, padding: usize) -> Self {
        Self { padding, ..self }
    }

    /// With a bias.
    pub fn bias(self) -> Self {
        Self { bias: true, ..self }
    }
}

/// A 2-D convolution.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[out, in, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
    stride: usize,
    padding: usize,
    dilation: usize,
}

impl Conv2d {
    /// The weight is drawn from N(0, 2 / fan_out) (methods.md 2.1), the bias is 0.
    pub fn new(init: &mut Init, config: ConvConfig) -> Self {
        let ConvConfig {
            inputs,
            outputs,
            kernel,
            ..
        } = config;
        let weight = init.normal_fan_out([outputs, inputs, kernel, kernel]);
        Self::of(init, config, weight)
    }

    /// With another weight, `[out, in, kernel, kernel]`; the bias is 0.
    pub fn of(init: &Init, config: ConvConfig, weight: Tensor<4>) -> Self {
        let bias = config.bias.then(|| init.constant(config.outputs, 0.0));
        Self {
            weight: Param::from_tensor(weight),
            bias: bias.map(Param::from_tensor),
            stride: config.stride,
            padding: config.padding,
            dilation: config.dilation,
        }
    }

    pub(crate) fn outputs(&self) -> usize {
        self.weight.dims()[0]
    }

    pub(crate) fn options(&self) -> ConvOptions {
        ConvOptions {
            stride: self.stride,
            padding: self.padding,
            dilation: self.dilation,
        }
    }

    pub(crate) fn stride(&self) -> usize {
        self.stride
    }

    /// `[batch, height, width, in]` to `[batch, height', width', out]`, where
    /// `height' = (height + 2 padding - dilation (kernel - 1) - 1) / stride + 1`, rounded down.
    ///
    /// The output has the dtype of `x`. The weight is cast to it; gradients of weight and bias are f32.
    ///
    /// # Panics
    /// When `x` has other channels, or the kernel is larger than the padded input.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.forward_packed(x, None)
    }

    /// [`Conv2d::forward`] with its weight once more, packed for the dtype of `x`.
    pub(crate) fn forward_packed(&self, x: Tensor<4>, packed: Option<PackedWeight>) -> Tensor<4> {
        let weight = match_checkpointing(self.weight.val(), &x);
        let weight = match packed {
            Some(_) => weight,
            None => weight.cast(x.dtype()),
        };
        let bias = self.bias.as_ref();
        let bias = bias.map(|bias| match_checkpointing(bias.val(), &x));
        conv2d_packed(x, (weight, packed), bias, self.options())
    }
}
