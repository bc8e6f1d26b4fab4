//! The two residual blocks (methods.md 2.1).

use burn::module::Module;
use burn::tensor::Tensor;
use parallax_kernels::Activation;

use crate::batch_norm::{BatchNorm, Mode, conv_norm};
use crate::conv::{Conv2d, ConvConfig};
use crate::init::Init;
use crate::packs::Packs;

/// A residual block of either kind. The kind is not part of a tensor's name.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "all blocks of a network are of one kind"
)]
pub enum Block {
    /// Of ResNet-18 and 34.
    Basic(BasicBlock),
    /// Of ResNet-50, 101 and 152.
    Bottleneck(Bottleneck),
}

/// The shape of a block.
#[derive(Clone, Copy)]
pub(crate) struct BlockConfig {
    /// Input channels.
    pub inputs: usize,
    /// Channels inside; a bottleneck has four times as many outputs, a basic block as many.
    pub width: usize,
    pub stride: usize,
    /// Of the 3x3 convolutions; a bottleneck has one.
    pub dilations: [usize; 2],
}

impl Block {
    pub(crate) fn new(init: &mut Init, bottleneck: bool, config: BlockConfig) -> Self {
        if bottleneck {
            Block::Bottleneck(Bottleneck::new(init, config))
        } else {
            Block::Basic(BasicBlock::new(init, config))
        }
    }

    /// Channels of the output.
    pub(crate) fn outputs(&self) -> usize {
        match self {
            Block::Basic(block) => block.conv2.outputs(),
            Block::Bottleneck(block) => block.conv3.outputs(),
        }
    }

    /// Channels inside, in front of the stride.
    pub(crate) fn width(&self) -> usize {
        match self {
            Block::Basic(_) => 0,
            Block::Bottleneck(block) => block.conv1.outputs(),
        }
    }

    pub(crate) fn stride(&self) -> usize {
        match self {
            Block::Basic(block) => block.conv1.stride(),
            Block::Bottleneck(block) => block.conv2.stride(),
        }
    }

    /// Every batch norm of the block, in the order of its tensors.
    pub fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        let (mut norms, downsample) = match self {
            Block::Basic(block) => (vec![&mut block.bn1, &mut block.bn2], &mut block.downsample),
            Block::Bottleneck(block) => (
                vec![&mut block.bn1, &mut block.bn2, &mut block.bn3],
                &mut block.downsample,
            ),
        };
        norms.extend(downsample.as_mut().map(|(_, norm)| norm));
        norms
    }

    /// Its convolutions, in the order in which they are computed.
    pub(crate) fn convolutions(&self) -> Vec<&Conv2d> {
        let (mut convolutions, last, downsample) = match self {
            Block::Basic(block) => (vec![&block.conv1], &block.conv2, &block.downsample),
            Block::Bottleneck(block) => (
                vec![&block.conv1, &block.conv2],
                &block.conv3,
                &block.downsample,
            ),
        };
        convolutions.extend(downsample.as_ref().map(|(conv, _)| conv));
        convolutions.push(last);
        convolutions
    }

    /// `[batch, height, width, in]` to `[batch, height / stride, width / stride, out]`, rounded up.
    pub fn forward(&mut self, x: Tensor<4>, mode: Mode) -> Tensor<4> {
        let mut packs = Packs::of(self.convolutions().into_iter(), &x);
        self.forward_packed(x, &mut packs, mode)
    }

    /// [`Block::forward`] with the packed weights of [`Block::convolutions`].
    pub(crate) fn forward_packed(
        &mut self,
        x: Tensor<4>,
        packs: &mut Packs,
        mode: Mode,
    ) -> Tensor<4> {
        match self {
            Block::Basic(block) => block.forward(x, packs, mode),
            Block::Bottleneck(block) => block.forward(x, packs, mode),
        }
    }
}

/// Two 3x3 convolutions and a shortcut.
#[derive(Module, Debug)]
pub struct BasicBlock {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl BasicBlock {
    fn new(init: &mut Init, config: BlockConfig) -> Self {
        let BlockConfig {
            inputs,
            width,
            stride,
            dilations: [first, second],
        } = config;
        let conv = |inputs, dilation| ConvConfig::new(inputs, width, 3).dilation(dilation);
        Self {
            conv1: Conv2d::new(init, conv(inputs, first).stride(stride)),
            bn1: BatchNorm::new(init, width),
            conv2: Conv2d::new(init, conv(width, second)),
            bn2: BatchNorm::new(init, width),
            downsample: downsample(init, inputs, width, stride),
        }
    }

    fn forward(&mut self, x: Tensor<4>, packs: &mut Packs, mode: Mode) -> Tensor<4> {
        let relu = Activation::Relu;
        let first = (&self.conv1, &mut self.bn1);
        let y = conv_norm(first, packs.next(), x.clone(), None, relu, mode);
        let shortcut = shortcut(&mut self.downsample, packs, x, mode);
        let second = (&self.conv2, &mut self.bn2);
        conv_norm(second, packs.next(), y, Some(shortcut), relu, mode)
    }
}

/// 1x1, 3x3 with stride and dilation, 1x1 to four times the channels, and a shortcut.
#[derive(Module, Debug)]
pub struct Bottleneck {
    conv1: Conv2d,
    bn1: BatchNorm,
    conv2: Conv2d,
    bn2: BatchNorm,
    conv3: Conv2d,
    bn3: BatchNorm,
    downsample: Option<(Conv2d, BatchNorm)>,
}

impl Bottleneck {
    fn new(init: &mut Init, config: BlockConfig) -> Self {
        let BlockConfig {
            inputs,
            width,
            stride,
            dilations: [dilation, _],
        } = config;
        let outputs = 4 * width;
        let spatial = ConvConfig::new(width, width, 3);
        Self {
            conv1: Conv2d::new(init, ConvConfig::new(inputs, width, 1)),
            bn1: BatchNorm::new(init, width),
            conv2: Conv2d::new(init, spatial.stride(stride).dilation(dilation)),
            bn2: BatchNorm::new(init, width),
            conv3: Conv2d::new(init, ConvConfig::new(width, outputs, 1)),
            bn3: BatchNorm::new(init, outputs),
            downsample: downsample(init, inputs, outputs, stride),
        }
    }

    fn forward(&mut self, x: Tensor<4>, packs: &mut Packs, mode: Mode) -> Tensor<4> {
        let relu = Activation::Relu;
        let first = (&self.conv1, &mut self.bn1);
        let y = conv_norm(first, packs.next(), x.clone(), None, relu, mode);
        let second = (&self.conv2, &mut self.bn2);
        let y = conv_norm(second, packs.next(), y, None, relu, mode);
        let shortcut = shortcut(&mut self.downsample, packs, x, mode);
        let third = (&self.conv3, &mut self.bn3);
        conv_norm(third, packs.next(), y, Some(shortcut), relu, mode)
    }
}

/// A 1x1 convolution where the block changes size or channels.
fn downsample(
    init: &mut Init,
    inputs: usize,
    outputs: usize,
    stride: usize,
) -> Option<(Conv2d, BatchNorm)> {
    (stride != 1 || inputs != outputs).then(|| {
        let conv = Conv2d::new(init, ConvConfig::new(inputs, outputs, 1).stride(stride));
        (conv, BatchNorm::new(init, outputs))
    })
}

fn shortcut(
    downsample: &mut Option<(Conv2d, BatchNorm)>,
    packs: &mut Packs,
    x: Tensor<4>,
    mode: Mode,
) -> Tensor<4> {
    match downsample {
        Some((conv, norm)) => {
            conv_norm((conv, norm), packs.next(), x, None, Activation::None, mode)
        }
        None => x,
    }
}
