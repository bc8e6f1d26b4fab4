//! How much memory a run takes, known before it starts.

use parallax_methods::MethodKind;
use parallax_nets::{HeadKind, ResNetConfig};

use crate::recipe::Recipe;

/// Bytes of an f32.
const VALUE: u64 = 4;

/// Bytes on the device by what they are for: a lower bound, without what kernels use on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Both networks, gradients and velocities.
    pub networks: u64,
    /// Keys of past batches.
    pub queue: u64,
    /// What a forward pass leaves for the backward pass, and the views.
    pub activations: u64,
}

impl MemoryEstimate {
    /// Of a step of `recipe`; `classes` are the data's.
    pub fn of(recipe: &Recipe, classes: usize) -> Self {
        let kind = recipe.method.name;
        let base = recipe.method_config(classes).network;
        let side = recipe.views.size as usize;
        let size = |head| ResNetConfig { head, ..base }.size(side);
        let (online, target) = heads(kind);
        let (online, target) = (size(online), target.map(size));
        // Online, its gradient, its velocity; the target has neither.
        let parameters = 3 * online.parameters + target.map_or(0, |target| target.parameters);
        let part = recipe.run.batch_size / recipe.run.accumulate;
        // The graphs of both views live until the backward pass in a symmetric method; a target leaves nothing.
        let graphs = match kind {
            MethodKind::Supervised | MethodKind::MocoV1 | MethodKind::MocoV2 => 1,
            MethodKind::MocoV2Plus | MethodKind::SMocoV2Plus | MethodKind::Byol => 2,
        };
        let views = kind.views() * 3 * side * side;
        let queue = if kind.has_queue() {
            recipe.method.queue * base.out
        } else {
            0
        };
        Self {
            networks: VALUE * parameters as u64,
            queue: VALUE * queue as u64,
            activations: VALUE * (part * (graphs * online.activations + views)) as u64,
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
