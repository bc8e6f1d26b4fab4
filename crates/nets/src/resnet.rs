//! ResNet in torchvision's layout (methods.md 2.1), with a stem for small images and a tiny size.

use burn::module::Module;
use burn::tensor::Tensor;
use parallax_kernels::{Activation, max_pool2d, row_sums, widen};
use serde::{Deserialize, Serialize};

use crate::layers::beside;
use crate::{BatchNorm, Block, Conv2d, Head, HeadKind, Init, Mode};

/// Depth of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// Three stages of one basic block at base width, 2x and 4x: seconds an epoch on a laptop's CPU.
    Tiny,
    /// Four stages of two basic blocks.
    ResNet18,
    /// Basic blocks 3, 4, 6, 3.
    ResNet34,
    /// Bottleneck blocks 3, 4, 6, 3.
    ResNet50,
    /// Bottleneck blocks 3, 4, 23, 3.
    ResNet101,
    /// Bottleneck blocks 3, 8, 36, 3.
    ResNet152,
}

impl Arch {
    pub(crate) fn blocks(self) -> [usize; 4] {
        match self {
            Arch::Tiny => [1, 1, 1, 0],
            Arch::ResNet18 => [2, 2, 2, 2],
            Arch::ResNet34 | Arch::ResNet50 => [3, 4, 6, 3],
            Arch::ResNet101 => [3, 4, 23, 3],
            Arch::ResNet152 => [3, 8, 36, 3],
        }
    }

    pub(crate) fn is_bottleneck(self) -> bool {
        matches!(self, Arch::ResNet50 | Arch::ResNet101 | Arch::ResNet152)
    }

    /// Channels behind a block, in multiples of its width.
    pub(crate) fn expansion(self) -> usize {
        if self.is_bottleneck() { 4 } else { 1 }
    }

    /// Channels of the first stage when the recipe does not say.
    pub fn default_width(self) -> usize {
        match self {
            Arch::Tiny => 32,
            _ => 64,
        }
    }

    /// Width of the pooled features for a base width.
    pub fn features(self, width: usize) -> usize {
        let stages = self.blocks().iter().filter(|&&count| count > 0).count();
        self.expansion() * (width << (stages - 1))
    }
}

/// The first layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// 7x7 stride 2, then a 3x3 max-pool of stride 2.
    Imagenet,
    /// 3x3 stride 1, no pool: for images of 32 pixels.
    Cifar,
    /// 3x3 stride 2, then a 3x3 max-pool of stride 2: a sixteenth of the work of `Cifar` in the stages.
    Small,
}

/// What a network is made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Depth.
    pub arch: Arch,
    /// First layers.
    pub stem: Stem,
    /// Channels of the first stage; doubled at every later one.
    pub width: usize,
    /// Layers behind the pooled features.
    pub head: HeadKind,
    /// Hidden units of the head.
    pub hidden: usize,
    /// Outputs of the head.
    pub out: usize,
}

impl ResNetConfig {
    /// Width of the pooled features.
    pub fn features(&self) -> usize {
        self.arch.features(self.width)
    }

    /// The same network without a head.
    pub fn backbone(self) -> Self {
        Self {
            head: HeadKind::None,
            ..self
        }
    }
}

/// A backbone and its head under one set of torchvision names.
#[derive(Module, Debug)]
pub struct ResNet {
    conv1: Conv2d,
    bn1: BatchNorm,
    layer1: Vec<Block>,
    layer2: Vec<Block>,
    layer3: Vec<Block>,
    layer4: Vec<Block>,
    fc: Head,
    pooled_stem: bool,
}

impl ResNet {
    /// Freshly initialised (methods.md 2.1).
    pub fn new(config: &ResNetConfig, init: &mut Init) -> Self {
        let width = config.width;
        let conv1 = match config.stem {
            Stem::Imagenet => Conv2d::new(init, 3, width, 7, 2),
            Stem::Cifar => Conv2d::new(init, 3, width, 3, 1),
            Stem::Small => Conv2d::new(init, 3, width, 3, 2),
        };
        let bn1 = BatchNorm::new(init, width);
        let mut inputs = width;
        let mut stage = |init: &mut Init, number: usize| -> Vec<Block> {
            let (stage_width, arch) = (width << number, config.arch);
            (0..arch.blocks()[number])
                .map(|block| {
                    let stride = if block == 0 && number > 0 { 2 } else { 1 };
                    let outputs = arch.expansion() * stage_width;
                    let inputs = std::mem::replace(&mut inputs, outputs);
                    Block::new(init, arch.is_bottleneck(), inputs, stage_width, stride)
                })
                .collect()
        };
        Self {
            conv1,
            bn1,
            layer1: stage(init, 0),
            layer2: stage(init, 1),
            layer3: stage(init, 2),
            layer4: stage(init, 3),
            fc: Head::new(
                init,
                config.head,
                config.features(),
                config.hidden,
                config.out,
            ),
            pooled_stem: config.stem != Stem::Cifar,
        }
    }

    /// Pooled features: `[batch, 3, height, width]` to `[batch, features]`.
    ///
    /// The backbone stores its activations in the element of `x`; features are f32 where that is f16 or bf16, and so is
    /// everything behind them. Where `x` has Burn's balanced checkpointing, blocks are computed anew in the backward pass;
    /// features have not, as parameters.
    pub fn features(&mut self, x: Tensor<4>, mode: Mode) -> Tensor<2> {
        // Images come as everywhere, channels first; inside, channels are last.
        let mut x = self.conv1.forward(x.permute([0, 2, 3, 1]));
        x = self.bn1.forward(x, None, Activation::Relu, mode);
        if self.pooled_stem {
            x = max_pool2d(x, 3, 2, 1);
        }
        let stages = [
            &mut self.layer1,
            &mut self.layer2,
            &mut self.layer3,
            &mut self.layer4,
        ];
        for block in stages.into_iter().flatten() {
            x = block.forward(x, mode);
        }
        let x = beside(widen(x), &self.bn1.weight.val());
        let [batch, height, width, channels] = x.dims();
        let pixels = height * width;
        let columns = x.reshape([batch, pixels, channels]).swap_dims(1, 2);
        let sums = row_sums(columns.reshape([batch * channels, pixels]));
        sums.reshape([batch, channels]) / pixels as f64
    }

    /// `[batch, features]` to `[batch, out]`.
    pub fn head(&mut self, features: Tensor<2>, mode: Mode) -> Tensor<2> {
        self.fc.forward(features, mode)
    }

    /// Images to the head's output.
    pub fn forward(&mut self, x: Tensor<4>, mode: Mode) -> Tensor<2> {
        let features = self.features(x, mode);
        self.head(features, mode)
    }
}
