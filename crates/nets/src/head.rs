//! The heads behind a backbone (methods.md 2.2).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use parallax_kernels::Activation;

use crate::{BatchNorm, Init, Linear, Mode};

/// Which layers a head has; `D` is the feature dimension, `h` hidden, `o` out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// No head: the features themselves.
    None,
    /// A classifier: Linear D->o.
    Linear,
    /// BYOL's projector: Linear D->h, BN, ReLU, Linear h->o.
    Projector,
    /// The projector and BYOL's predictor: Linear o->h, BN, ReLU, Linear h->o.
    ProjectorPredictor,
}

/// One layer of a head.
#[derive(Module, Debug)]
#[allow(
    clippy::large_enum_variant,
    reason = "a head has eight of them at most"
)]
pub enum HeadLayer {
    /// Fully connected.
    Linear(Linear),
    /// Batch norm over the batch.
    BatchNorm(BatchNorm),
    /// max(x, 0).
    Relu(Relu),
}

/// The layer without parameters; it keeps the numbering of a PyTorch `Sequential`.
#[derive(Module, Debug)]
pub struct Relu;

/// A sequence of layers, numbered as in a PyTorch `Sequential`: `fc.0`, `fc.1`, ...
#[derive(Module, Debug)]
pub struct Head {
    layers: Vec<HeadLayer>,
}

impl Head {
    /// `features` is the width of the backbone's output.
    pub fn new(
        init: &mut Init,
        kind: HeadKind,
        features: usize,
        hidden: usize,
        out: usize,
    ) -> Self {
        let mut layers = Vec::new();
        let inputs: &[usize] = match kind {
            HeadKind::None | HeadKind::Linear => &[],
            HeadKind::Projector => &[features],
            HeadKind::ProjectorPredictor => &[features, out],
        };
        if kind == HeadKind::Linear {
            layers.push(HeadLayer::Linear(Linear::new(init, features, out, true)));
        }
        for &input in inputs {
            layers.push(HeadLayer::Linear(Linear::new(init, input, hidden, true)));
            layers.push(HeadLayer::BatchNorm(BatchNorm::new(init, hidden)));
            layers.push(HeadLayer::Relu(Relu));
            layers.push(HeadLayer::Linear(Linear::new(init, hidden, out, true)));
        }
        Self { layers }
    }

    /// `[batch, features]` to `[batch, out]`.
    pub fn forward(&mut self, x: Tensor<2>, mode: Mode) -> Tensor<2> {
        self.layers.iter_mut().fold(x, |x, layer| match layer {
            HeadLayer::Linear(linear) => linear.forward(x),
            HeadLayer::BatchNorm(norm) => norm.forward(x, None, Activation::None, mode),
            HeadLayer::Relu(_) => relu(x),
        })
    }
}
