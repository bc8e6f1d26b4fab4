//! What a ResNet is built from.

use serde::{Deserialize, Serialize};

use crate::head::HeadKind;

/// Depth of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// Three stages of one basic block each, for seconds an epoch on a laptop's CPU.
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
    /// Blocks of each stage.
    pub fn blocks(self) -> [usize; 4] {
        match self {
            Arch::Tiny => [1, 1, 1, 0],
            Arch::ResNet18 => [2, 2, 2, 2],
            Arch::ResNet34 | Arch::ResNet50 => [3, 4, 6, 3],
            Arch::ResNet101 => [3, 4, 23, 3],
            Arch::ResNet152 => [3, 8, 36, 3],
        }
    }

    /// Stages that have blocks: 3 in `Tiny`, 4 in all others.
    pub fn stages(self) -> usize {
        self.blocks().iter().filter(|&&count| count > 0).count()
    }

    pub(crate) fn is_bottleneck(self) -> bool {
        matches!(self, Arch::ResNet50 | Arch::ResNet101 | Arch::ResNet152)
    }

    /// Output channels of a block, in multiples of its width.
    pub(crate) fn expansion(self) -> usize {
        if self.is_bottleneck() { 4 } else { 1 }
    }

    /// Width of the first stage where the recipe sets none.
    pub fn default_width(self) -> usize {
        match self {
            Arch::Tiny => 32,
            _ => 64,
        }
    }

    /// Channels of the output of stage `number`, from 0, for a width of the first stage.
    pub fn channels(self, width: usize, number: usize) -> usize {
        self.expansion() * (width << number)
    }

    /// Channels of the pooled features for a width of the first stage.
    pub fn features(self, width: usize) -> usize {
        self.channels(width, self.stages() - 1)
    }
}

/// The first layers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stem {
    /// 7x7 of stride 2, then a 3x3 max-pool of stride 2.
    Imagenet,
    /// 3x3 of stride 1, no pool: for images of 32 pixels.
    Cifar,
    /// 3x3 of stride 2, then a 3x3 max-pool of stride 2: the stages compute a sixteenth of what they do behind `Cifar`.
    Small,
}

impl Stem {
    /// Kernel and stride of the first convolution.
    pub(crate) fn conv(self) -> (usize, usize) {
        match self {
            Stem::Imagenet => (7, 2),
            Stem::Cifar => (3, 1),
            Stem::Small => (3, 2),
        }
    }

    /// Pixels of an image between neighbouring pixels of the first stage's input.
    pub fn stride(self) -> usize {
        let (_, stride) = self.conv();
        if self.has_pool() { 2 * stride } else { stride }
    }

    pub(crate) fn has_pool(self) -> bool {
        self != Stem::Cifar
    }
}

/// Stride and dilation of a stage. A dilation is that of its 3x3 convolutions, whose padding equals it.
///
/// The dilation of a bottleneck's 3x3 convolution, and of a basic block's first, is `first_dilation` in the first block
/// and `dilation` in the others, times the block's entry of `multi_grid`. A basic block's second convolution has
/// `dilation` in the first block, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StageConfig {
    /// Stride of the first block.
    pub stride: usize,
    /// Dilation of the first block.
    pub first_dilation: usize,
    /// Dilation of the other blocks.
    pub dilation: usize,
    /// Factors of the dilation in the first, the second, and every later block (the multi-grid of DeepLabV3).
    pub multi_grid: [usize; 3],
}

impl StageConfig {
    /// The four stages of a ResNet for classification: strides 1, 2, 2, 2, no dilation.
    pub const STANDARD: [Self; 4] = [
        Self::strided(1),
        Self::strided(2),
        Self::strided(2),
        Self::strided(2),
    ];

    /// Without dilation.
    pub const fn strided(stride: usize) -> Self {
        Self {
            stride,
            first_dilation: 1,
            dilation: 1,
            multi_grid: [1; 3],
        }
    }

    /// Stride 1, and one dilation in all blocks, as detectron2's `RES5_DILATION` (methods.md 7).
    pub const fn dilated(dilation: usize) -> Self {
        Self {
            stride: 1,
            first_dilation: dilation,
            dilation,
            multi_grid: [1; 3],
        }
    }

    /// With multi-grid factors. The last stage of the paper's DeepLabV3 is `dilated(2).multi_grid([1, 2, 4])`: dilations
    /// 2, 4 and 8 (methods.md 7).
    pub const fn multi_grid(self, multi_grid: [usize; 3]) -> Self {
        Self { multi_grid, ..self }
    }

    /// Dilations of the first and of a second 3x3 convolution of block `number`.
    pub(crate) fn dilations(&self, number: usize) -> [usize; 2] {
        let first = match number {
            0 => self.first_dilation,
            _ => self.dilation,
        };
        [first, self.dilation].map(|dilation| dilation * self.multi_grid[number.min(2)])
    }
}

/// Input pixels per pixel of the last feature map, behind [`Stem::Imagenet`] or [`Stem::Small`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutputStride {
    /// Of a ResNet for classification.
    X32,
    /// The last stage is dilated by 2.
    X16,
    /// The third stage is dilated by 2, the last by 4.
    X8,
}

impl OutputStride {
    /// The four stages: strides of the last ones are replaced by dilation, as torchvision's
    /// `replace_stride_with_dilation` does. The first block of such a stage keeps the dilation of the stage before, so
    /// that every second pixel of the map is a pixel of the map with the stride.
    pub const fn stages(self) -> [StageConfig; 4] {
        const fn replaced(first_dilation: usize, dilation: usize) -> StageConfig {
            StageConfig {
                first_dilation,
                ..StageConfig::dilated(dilation)
            }
        }
        let [first, second, third, fourth] = StageConfig::STANDARD;
        match self {
            OutputStride::X32 => [first, second, third, fourth],
            OutputStride::X16 => [first, second, third, replaced(1, 2)],
            OutputStride::X8 => [first, second, replaced(1, 2), replaced(2, 4)],
        }
    }
}

/// What a network is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResNetConfig {
    /// Depth.
    pub arch: Arch,
    /// First layers.
    pub stem: Stem,
    /// Width of the first stage in channels; each later stage doubles it.
    pub width: usize,
    /// Stride and dilation of each stage.
    pub stages: [StageConfig; 4],
    /// Layers behind the pooled features.
    pub head: HeadKind,
    /// Hidden units of the head.
    pub hidden: usize,
    /// Outputs of the head.
    pub out: usize,
}

impl ResNetConfig {
    /// A backbone of the architecture's own width.
    pub fn new(arch: Arch, stem: Stem) -> Self {
        Self {
            arch,
            stem,
            width: arch.default_width(),
            stages: StageConfig::STANDARD,
            head: HeadKind::None,
            hidden: 1,
            out: 1,
        }
    }

    /// Channels of the pooled features.
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
