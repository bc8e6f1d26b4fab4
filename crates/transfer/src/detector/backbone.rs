//! From images to feature maps.

use burn::module::Module;
use burn::tensor::Tensor;
use parallax_kernels::{Activation, max_pool2d, upsample_nearest2x};
use parallax_nets::{BatchNorm, ConvConfig, ConvNorm, Init, Mode, ResNet};

/// The backbone of a detector.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "there is one of them")]
pub enum Backbone {
    /// A ResNet without its last stage: one map.
    C4(ResNet),
    /// A feature pyramid.
    Fpn(Fpn),
}

impl Backbone {
    /// Images `[images, 3, height, width]` to maps `[images, height', width', channels]`, the finest first.
    pub fn forward(&mut self, images: Tensor<4>, mode: Mode) -> Vec<Tensor<4>> {
        match self {
            Backbone::C4(network) => network.stages(images, mode).pop().into_iter().collect(),
            Backbone::Fpn(fpn) => fpn.forward(images, mode),
        }
    }

    pub(crate) fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        match self {
            Backbone::C4(network) => network.batch_norms(),
            Backbone::Fpn(fpn) => fpn.batch_norms(),
        }
    }
}

/// A feature pyramid on all stages of a ResNet (methods.md 7.5).
#[derive(Module, Debug)]
pub struct Fpn {
    bottom_up: ResNet,
    lateral: Vec<ConvNorm>,
    output: Vec<ConvNorm>,
}

impl Fpn {
    /// On stages of the given channels, with `channels` of its own.
    pub(crate) fn new(
        init: &mut Init,
        bottom_up: ResNet,
        stages: impl Iterator<Item = usize>,
        channels: usize,
    ) -> Self {
        let mut layer = |inputs: usize, kernel: usize| {
            let weight = init.xavier([channels, inputs, kernel, kernel]);
            ConvNorm::of(init, ConvConfig::new(inputs, channels, kernel), weight)
        };
        let layers = stages.map(|inputs| (layer(inputs, 1), layer(channels, 3)));
        let (lateral, output) = layers.unzip();
        Self {
            bottom_up,
            lateral,
            output,
        }
    }

    /// The maps p2, p3, ... of the stages and every second pixel of the last one.
    fn forward(&mut self, images: Tensor<4>, mode: Mode) -> Vec<Tensor<4>> {
        let stages = self.bottom_up.stages(images, mode);
        self.pyramid(stages, mode)
    }

    /// The ResNet below.
    pub(crate) fn bottom_up(&mut self) -> &mut ResNet {
        &mut self.bottom_up
    }

    /// The maps of the stages' maps.
    pub(crate) fn pyramid(&mut self, stages: Vec<Tensor<4>>, mode: Mode) -> Vec<Tensor<4>> {
        let layers = self.lateral.iter_mut().zip(&mut self.output);
        let mut above: Option<Tensor<4>> = None;
        let mut maps: Vec<Tensor<4>> = Vec::new();
        for (stage, (lateral, output)) in stages.into_iter().zip(layers).rev() {
            let own = lateral.forward(stage, Activation::None, mode);
            // The sum goes down, not the output.
            let sum = match above.take() {
                Some(above) => own + upsample_nearest2x(above),
                None => own,
            };
            maps.push(output.forward(sum.clone(), Activation::None, mode));
            above = Some(sum);
        }
        maps.reverse();
        maps.extend(maps.last().map(|last| max_pool2d(last.clone(), 1, 2, 0)));
        maps
    }

    fn batch_norms(&mut self) -> Vec<&mut BatchNorm> {
        let mut norms = self.bottom_up.batch_norms();
        let layers = self.lateral.iter_mut().chain(&mut self.output);
        norms.extend(layers.map(ConvNorm::batch_norm));
        norms
    }
}
