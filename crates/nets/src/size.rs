//! The size of a network, without building it.

use crate::config::ResNetConfig;
use crate::head::HeadKind;

/// Sizes in values.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NetworkSize {
    /// Trained parameters.
    pub parameters: usize,
    /// Per image, kept by a forward pass for the backward pass: input and output of every batch norm.
    pub activations: usize,
    /// Per image, the largest of these tensors.
    pub largest_activation: usize,
    /// The largest parameter.
    pub largest_parameter: usize,
    /// Per image, the peak of the activations where blocks are recomputed: the outputs of the stem and of all blocks up to
    /// one, and the inside of that block.
    pub recomputed: usize,
    /// Multiply-adds of a forward pass of an image, of convolutions and linear layers.
    pub multiply_adds: usize,
}

impl NetworkSize {
    /// A convolution without bias and its batch norm, with `side` x `side` outputs.
    fn conv(&mut self, inputs: usize, outputs: usize, kernel: usize, side: usize) {
        self.parameters += inputs * outputs * kernel * kernel + 2 * outputs;
        self.multiply_adds += inputs * outputs * kernel * kernel * side * side;
        self.activations += 2 * outputs * side * side;
        self.largest_activation = self.largest_activation.max(outputs * side * side);
        self.largest_parameter = self
            .largest_parameter
            .max(inputs * outputs * kernel * kernel);
    }

    fn linear(&mut self, inputs: usize, outputs: usize, bias: bool) {
        self.parameters += inputs * outputs + if bias { outputs } else { 0 };
        self.multiply_adds += inputs * outputs;
        self.activations += outputs;
        self.largest_activation = self.largest_activation.max(outputs);
        self.largest_parameter = self.largest_parameter.max(inputs * outputs);
    }

    fn projector(&mut self, inputs: usize, hidden: usize, out: usize, bias: bool) {
        self.linear(inputs, hidden, true);
        self.parameters += 2 * hidden;
        self.activations += 2 * hidden;
        self.linear(hidden, out, bias);
    }
}

impl ResNetConfig {
    /// The size of the network for images of `side` x `side` pixels.
    pub fn size(&self, side: usize) -> NetworkSize {
        let mut size = NetworkSize::default();
        let (kernel, stride) = self.stem.conv();
        let mut side = side.div_ceil(stride);
        size.conv(3, self.width, kernel, side);
        if self.stem.has_pool() {
            side = side.div_ceil(2);
            size.activations += self.width * side * side;
        }
        // Input and output of the stem's batch norm, and of its pool.
        let mut kept = size.activations;
        let mut inputs = self.width;
        for (stage, &blocks) in self.arch.blocks().iter().enumerate() {
            let (width, outputs) = (
                self.width << stage,
                self.arch.expansion() * (self.width << stage),
            );
            for block in 0..blocks {
                let stride = if block == 0 {
                    self.stages[stage].stride
                } else {
                    1
                };
                let after = side.div_ceil(stride);
                let before = size.activations;
                if self.arch.is_bottleneck() {
                    size.conv(inputs, width, 1, side);
                    size.conv(width, width, 3, after);
                    size.conv(width, outputs, 1, after);
                } else {
                    size.conv(inputs, width, 3, after);
                    size.conv(width, outputs, 3, after);
                }
                if stride != 1 || inputs != outputs {
                    size.conv(inputs, outputs, 1, after);
                }
                (inputs, side) = (outputs, after);
                let output = outputs * after * after;
                kept += output;
                let inside = size.activations - before - output;
                size.recomputed = size.recomputed.max(kept + inside);
            }
        }
        let (features, hidden, out) = (self.features(), self.hidden, self.out);
        match self.head {
            HeadKind::None => {}
            HeadKind::Linear => size.linear(features, out, true),
            HeadKind::Mlp => {
                size.linear(features, hidden, true);
                size.activations += hidden;
                size.linear(hidden, out, true);
            }
            HeadKind::Projector => size.projector(features, hidden, out, true),
            HeadKind::ProjectorPredictor => {
                size.projector(features, hidden, out, true);
                size.projector(out, hidden, out, true);
            }
            HeadKind::BiasFreeProjectorPredictor => {
                size.projector(features, hidden, out, false);
                size.projector(out, hidden, out, false);
            }
        }
        size
    }
}
