//! ResNet in torchvision's layout (methods.md 2.1).

use burn::module::Module;
use burn::tensor::Tensor;
use parallax_kernels::{Activation, max_pool2d, mean_of_pixels, widen};

use crate::batch_norm::{BatchNorm, Mode, conv_norm};
use crate::block::{Block, BlockConfig};
use crate::config::ResNetConfig;
use crate::conv::{Conv2d, ConvConfig};
use crate::graph::match_checkpointing;
use crate::head::Head;
use crate::init::Init;
use crate::packs::Packs;

/// A backbone and its head, with torchvision's names.
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
    /// Randomly initialised (methods.md 2.1).
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use parallax_nets::{Arch, Init, Mode, ResNet, ResNetConfig, Stem};
    ///
    /// let device = Device::flex(); // the CPU
    /// let config = ResNetConfig { width: 8, ..ResNetConfig::new(Arch::ResNet18, Stem::Cifar) };
    /// let mut network = ResNet::new(&config, &mut Init::new(0, &device));
    /// let images = Tensor::<4>::zeros([2, 3, 32, 32], &device);
    /// assert_eq!(network.features(images, Mode::Eval).dims(), [2, 64]);
    /// ```
    pub fn new(config: &ResNetConfig, init: &mut Init) -> Self {
        let (width, arch) = (config.width, config.arch);
        let (kernel, stride) = config.stem.conv();
        let conv1 = Conv2d::new(init, ConvConfig::new(3, width, kernel).stride(stride));
        let bn1 = BatchNorm::new(init, width);
        let mut inputs = width;
        let mut stage = |init: &mut Init, number: usize| -> Vec<Block> {
            let (width, stage) = (width << number, config.stages[number]);
            (0..arch.blocks()[number])
                .map(|block| {
                    let config = BlockConfig {
                        inputs: std::mem::replace(&mut inputs, arch.expansion() * width),
                        width,
                        stride: if block == 0 { stage.stride } else { 1 },
                        dilations: stage.dilations(block),
                    };
                    Block::new(init, arch.is_bottleneck(), config)
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
            pooled_stem: config.stem.has_pool(),
        }
    }

    /// Images `[batch, 3, height, width]` to the input of the first stage, `[batch, height', width', channels]`: a quarter of
    /// the sides (rounded up), or behind [`Stem::Cifar`](crate::Stem::Cifar) the same.
    ///
    /// Activations of the backbone have the dtype of the images. Where the images have Burn's balanced checkpointing, the
    /// backward pass recomputes the activations of blocks.
    pub fn stem(&mut self, images: Tensor<4>, mode: Mode) -> Tensor<4> {
        let x = images.permute([0, 2, 3, 1]);
        let stem = (&self.conv1, &mut self.bn1);
        let x = conv_norm(stem, None, x, None, Activation::Relu, mode);
        match self.pooled_stem {
            true => max_pool2d(x, 3, 2, 1),
            false => x,
        }
    }

    /// Stage `number`, from 0, on its input `[batch, height, width, channels]`. A stage without blocks returns its input.
    pub fn stage(&mut self, number: usize, x: Tensor<4>, mode: Mode) -> Tensor<4> {
        let blocks = match number {
            0 => &mut self.layer1,
            1 => &mut self.layer2,
            2 => &mut self.layer3,
            3 => &mut self.layer4,
            _ => return x,
        };
        let mut packs = Packs::of(blocks.iter().flat_map(Block::convolutions), &x);
        let forward = |x, block: &mut Block| block.forward_packed(x, &mut packs, mode);
        blocks.iter_mut().fold(x, forward)
    }

    /// Every batch norm of the backbone, in the order of its tensors.
    pub fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        let Self {
            bn1,
            layer1,
            layer2,
            layer3,
            layer4,
            ..
        } = self;
        let blocks = [layer1, layer2, layer3, layer4].into_iter().flatten();
        std::iter::once(bn1)
            .chain(blocks.flat_map(Block::batch_norms))
            .collect()
    }

    /// Moves the blocks of stage `number`, from 0, out of the network, which then ends before them: a detector applies its last
    /// stage to regions of the map of the stage before (methods.md 7.4).
    pub fn take_stage(&mut self, number: usize) -> Vec<Block> {
        let blocks = match number {
            0 => &mut self.layer1,
            1 => &mut self.layer2,
            2 => &mut self.layer3,
            3 => &mut self.layer4,
            _ => return Vec::new(),
        };
        std::mem::take(blocks)
    }

    /// Stages with blocks: four, in [`Arch::Tiny`](crate::Arch::Tiny) three, one less without the one that was taken.
    pub fn stage_count(&self) -> usize {
        let layers = [&self.layer1, &self.layer2, &self.layer3, &self.layer4];
        layers.iter().filter(|blocks| !blocks.is_empty()).count()
    }

    /// Images `[batch, 3, height, width]` to the feature map of each stage, `[batch, height', width', channels]`: four maps,
    /// in [`Arch::Tiny`](crate::Arch::Tiny) three.
    ///
    /// Of ResNet-50 with the ImageNet stem they have 256, 512, 1024 and 2048 channels and strides 4, 8, 16 and 32.
    pub fn stages(&mut self, images: Tensor<4>, mode: Mode) -> Vec<Tensor<4>> {
        let mut x = self.stem(images, mode);
        (0..self.stage_count())
            .map(|number| {
                x = self.stage(number, x.clone(), mode);
                x.clone()
            })
            .collect()
    }

    /// Images `[batch, 3, height, width]` to pooled features, `[batch, features]`.
    ///
    /// Features are f32 where activations are f16 or bf16, and have no checkpointing strategy.
    pub fn features(&mut self, images: Tensor<4>, mode: Mode) -> Tensor<2> {
        let mut x = self.stem(images, mode);
        for number in 0..4 {
            x = self.stage(number, x, mode);
        }
        global_average_pool(match_checkpointing(widen(x), &self.bn1.weight.val()))
    }

    /// Values of the pooled features of an image.
    pub fn feature_dim(&self) -> usize {
        let blocks = [&self.layer4, &self.layer3, &self.layer2, &self.layer1];
        let last = blocks.into_iter().find_map(|blocks| blocks.last());
        last.map_or(self.conv1.outputs(), Block::outputs)
    }

    /// Values of the largest tensor of an image of `side` x `side` pixels inside the backbone.
    pub fn largest_activation(&self, side: usize) -> usize {
        let mut side = side.div_ceil(self.conv1.stride());
        let mut largest = self.conv1.outputs() * side * side;
        if self.pooled_stem {
            side = side.div_ceil(2);
        }
        for blocks in [&self.layer1, &self.layer2, &self.layer3, &self.layer4] {
            for block in blocks {
                let inside = block.width() * side * side;
                side = side.div_ceil(block.stride());
                largest = largest.max(inside).max(block.outputs() * side * side);
            }
        }
        largest
    }

    /// `[batch, features]` to `[batch, out]`.
    pub fn head(&mut self, features: Tensor<2>, mode: Mode) -> Tensor<2> {
        self.fc.forward(features, mode)
    }

    /// Images `[batch, 3, height, width]` to the head's output, `[batch, out]`.
    pub fn forward(&mut self, images: Tensor<4>, mode: Mode) -> Tensor<2> {
        let features = self.features(images, mode);
        self.head(features, mode)
    }
}

/// The mean over the pixels: `[batch, height, width, channels]` to `[batch, channels]`.
pub fn global_average_pool(x: Tensor<4>) -> Tensor<2> {
    mean_of_pixels(x)
}
