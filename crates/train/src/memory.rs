//! How much memory a run takes, known before it starts.

use parallax_methods::MethodKind;
use parallax_nets::{HeadKind, ResNetConfig};

use crate::precision::Precision;
use crate::recipe::Recipe;

/// Bytes of an f32.
const VALUE: u64 = 4;

/// Bytes on the device by what they are for, without what kernels use on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Both networks, gradients and velocities; below f32 also the copies of weights that a pass reads.
    pub networks: u64,
    /// Keys of past batches.
    pub queue: u64,
    /// What a forward pass leaves for the backward pass, and the views.
    pub activations: u64,
    /// The largest tensor of all, which a device has to take as a whole.
    pub largest: u64,
}

impl MemoryEstimate {
    /// Of a step of `recipe`; `classes` are the data's.
    pub fn of(recipe: &Recipe, classes: usize) -> Self {
        let kind = recipe.method.name;
        let base = recipe.method_config(classes).network;
        let side = recipe.views.size as usize;
        let size = |head| ResNetConfig { head, ..base }.size(side);
        let (online, target) = heads(kind);
        let backbone = size(HeadKind::None);
        let (online, target) = (size(online), target.map(size));
        // Online, its gradient, its velocity; the target has neither.
        let parameters = 3 * online.parameters + target.map_or(0, |target| target.parameters);
        let part = recipe.run.batch_size / recipe.run.accumulate;
        // The graphs of both views live until the backward pass in a symmetric method; a target leaves nothing.
        let graphs = match kind {
            MethodKind::Supervised | MethodKind::MocoV1 | MethodKind::MocoV2 => 1,
            MethodKind::MocoV2Plus | MethodKind::SMocoV2Plus | MethodKind::Byol => 2,
        };
        // The backbone's values are stored in the recipe's precision, and so are the weights that each graph keeps.
        let stored = recipe.run.precision.bytes();
        let head = online.activations - backbone.activations;
        let graph = stored * backbone.activations as u64 + VALUE * head as u64;
        let (views, copies) = match recipe.run.precision {
            Precision::F32 => (VALUE, 0),
            Precision::F16 | Precision::Bf16 => (VALUE + stored, graphs * stored),
        };
        let pixels = (kind.views() * 3 * side * side) as u64;
        let queue = if kind.has_queue() {
            recipe.method.queue * base.out
        } else {
            0
        };
        // A target may be the larger one only by its head, which the online network has, too.
        let largest = [
            part * online.largest_activation,
            part * 3 * side * side,
            online.largest_parameter,
            queue,
        ];
        Self {
            largest: VALUE * largest.into_iter().max().unwrap_or(0) as u64,
            networks: VALUE * parameters as u64 + copies * backbone.parameters as u64,
            queue: VALUE * queue as u64,
            activations: part as u64 * (graphs * graph + views * pixels),
        }
    }

    /// The sum.
    pub fn total(&self) -> u64 {
        self.networks + self.queue + self.activations
    }
}

/// Heads of the online and of the target network (methods.md 0).
fn heads(kind: MethodKind) -> (HeadKind, Option<HeadKind>) {
    let bias_free = HeadKind::BiasFreeProjectorPredictor;
    match kind {
        MethodKind::Supervised => (HeadKind::Linear, None),
        MethodKind::MocoV1 => (HeadKind::Linear, Some(HeadKind::Linear)),
        MethodKind::MocoV2 => (HeadKind::Mlp, Some(HeadKind::Mlp)),
        MethodKind::SMocoV2Plus => (bias_free, Some(bias_free)),
        MethodKind::MocoV2Plus | MethodKind::Byol => {
            (HeadKind::ProjectorPredictor, Some(HeadKind::Projector))
        }
    }
}
