//! The heads behind a backbone (methods.md 2.2).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use parallax_kernels::Activation;

use crate::batch_norm::{BatchNorm, Mode};
use crate::init::Init;
use crate::linear::Linear;

/// The layers of a head; `D` is the dimension of the features, `h` the hidden one, `o` the output's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeadKind {
    /// No head: the features themselves.
    None,
    /// Of supervised training and MoCo v1 ("cls"): Linear D->o.
    Linear,
    /// Of MoCo v2 ("moco"): Linear D->h, ReLU, Linear h->o.
    Mlp,
    /// BYOL's projector: Linear D->h, BN, ReLU, Linear h->o.
    Projector,
    /// The projector and BYOL's predictor: Linear o->h, BN, ReLU, Linear h->o.
    ProjectorPredictor,
    /// Of both networks of S-MoCo v2+ ("mcv2p"): as `ProjectorPredictor`, without the bias of each part's last layer.
    BiasFreeProjectorPredictor,
}

/// One layer of a head.
#[derive(Module, Debug)]
#[allow(clippy::large_enum_variant, reason = "a head has at most eight layers")]
pub enum HeadLayer {
    /// Fully connected.
    Linear(Linear),
    /// Batch norm over the batch.
    BatchNorm(BatchNorm),
    /// max(x, 0).
    Relu(Relu),
}

/// ReLU as a layer: it has no parameters, but a number in a PyTorch `Sequential`.
#[derive(Module, Debug)]
pub struct Relu;

/// A sequence of layers, numbered as in a PyTorch `Sequential`: `fc.0`, `fc.1`, ...
#[derive(Module, Debug)]
pub struct Head {
    layers: Vec<HeadLayer>,
}

impl Head {
    /// Randomly initialised; `features` is the dimension of the backbone's output.
    pub fn new(
        init: &mut Init,
        kind: HeadKind,
        features: usize,
        hidden: usize,
        out: usize,
    ) -> Self {
        let mut layers = Layers {
            init,
            list: Vec::new(),
        };
        match kind {
            HeadKind::None => {}
            HeadKind::Linear => layers.linear(features, out, true),
            HeadKind::Mlp => {
                layers.linear(features, hidden, true);
                layers.list.push(HeadLayer::Relu(Relu));
                layers.linear(hidden, out, true);
            }
            HeadKind::Projector => layers.projector(features, hidden, out, true),
            HeadKind::ProjectorPredictor => {
                layers.projector(features, hidden, out, true);
                layers.projector(out, hidden, out, true);
            }
            HeadKind::BiasFreeProjectorPredictor => {
                layers.projector(features, hidden, out, false);
                layers.projector(out, hidden, out, false);
            }
        }
        let layers = layers.list;
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

/// Builds the layers of a head.
struct Layers<'a, 'b> {
    init: &'a mut Init<'b>,
    list: Vec<HeadLayer>,
}

impl Layers<'_, '_> {
    fn linear(&mut self, inputs: usize, outputs: usize, bias: bool) {
        let layer = Linear::new(self.init, inputs, outputs, bias);
        self.list.push(HeadLayer::Linear(layer));
    }

    /// Linear, BN, ReLU, Linear; `bias` is that of the second linear layer.
    fn projector(&mut self, inputs: usize, hidden: usize, out: usize, bias: bool) {
        self.linear(inputs, hidden, true);
        let norm = BatchNorm::new(self.init, hidden);
        self.list.push(HeadLayer::BatchNorm(norm));
        self.list.push(HeadLayer::Relu(Relu));
        self.linear(hidden, out, bias);
    }
}
