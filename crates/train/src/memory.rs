//! How much memory a run takes, known before it starts.

use parallax_methods::MethodKind;
use parallax_nets::{HeadKind, ResNetConfig};

use crate::precision::Precision;
use crate::recipe::Recipe;

/// Bytes of an f32.
const VALUE: u64 = 4;

/// Values of the largest activation that are at hand besides what the graph keeps: gradients on their way through a block,
/// and what kernels pack their operands into. Measured on CPUs, as [`SIMILARITY`].
const AT_HAND: u64 = 10;
/// Bytes of a similarity of an image and a key: itself, scaled, and on the way through log-softmax and back.
const SIMILARITY: u64 = 24;

/// Bytes on the device by what they are for. On CPUs the sum was within 20 % of the largest that was measured, the
/// program's own 75 MiB left out.
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
    /// What is at hand while a step computes: gradients, packed operands, similarities with the queue.
    pub work: u64,
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
        let kept = match recipe.run.recompute {
            true => backbone.recomputed,
            false => backbone.activations,
        };
        let graph = stored * kept as u64 + VALUE * head as u64;
        let (views, copies) = match recipe.run.precision {
            Precision::F32 => (VALUE, 0),
            Precision::F16 | Precision::Bf16 => (VALUE + stored, graphs * stored),
        };
        let pixels = (kind.views() * 3 * side * side) as u64;
        let keys = match kind.has_queue() {
            true => recipe.method.queue,
            false => 0,
        };
        let similarities = SIMILARITY * keys as u64;
        // A target may be the larger one only by its head, which the online network has, too. Values and their bytes.
        let largest = [
            (part * backbone.largest_activation, stored),
            (part * base.hidden.max(base.out), VALUE),
            (part * 3 * side * side, VALUE),
            (part * keys, VALUE),
            (online.largest_parameter, VALUE),
            (keys * base.out, VALUE),
        ];
        Self {
            largest: largest
                .map(|(values, bytes)| values as u64 * bytes)
                .into_iter()
                .max()
                .unwrap_or(0),
            networks: VALUE * parameters as u64 + copies * backbone.parameters as u64,
            queue: VALUE * (keys * base.out) as u64,
            activations: part as u64 * (graphs * graph + views * pixels),
            work: part as u64
                * (AT_HAND * stored * backbone.largest_activation as u64 + graphs * similarities),
        }
    }

    /// The sum.
    pub fn total(&self) -> u64 {
        self.networks + self.queue + self.activations + self.work
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn estimate(text: &str) -> MemoryEstimate {
        MemoryEstimate::of(&Recipe::parse(text, &[]).unwrap(), 10)
    }

    /// Peaks of the command line on Linux (`VmHWM` after four steps, one loader thread), less 75 MiB for the program.
    #[test]
    fn estimates_are_near_what_was_measured() {
        let r18 = "[model]\narch = 'resnet18'\nstem = 'cifar'\n[views]\nsize = 32\n";
        let r50 = "[views]\nsize = 224\n[model]\narch = 'resnet50'\n";
        let head = "hidden = 512\nout = 64\n";
        for (measured, text) in [
            (
                582,
                format!("{r18}[run]\nbatch_size = 64\n[method]\nname = 'supervised'\n{head}"),
            ),
            (
                476,
                format!(
                    "{r18}[run]\nbatch_size = 64\nrecompute = true\n[method]\nname = 'supervised'\n{head}"
                ),
            ),
            (
                776,
                format!("{r18}[run]\nbatch_size = 32\n[method]\nname = 'moco-v2-plus'\n{head}"),
            ),
            (
                1312,
                format!("{r50}[run]\nbatch_size = 8\n[method]\nname = 'supervised'\n{head}"),
            ),
            (
                931,
                format!(
                    "{r50}[run]\nbatch_size = 8\nrecompute = true\n[method]\nname = 'supervised'\n{head}"
                ),
            ),
        ] {
            let mib = estimate(&text).total() as f64 / f64::from(1 << 20);
            let measured = f64::from(measured);
            assert!(
                (mib - measured).abs() <= 0.2 * measured,
                "{mib:.0} for {measured}: {text}"
            );
        }
    }

    #[test]
    fn less_is_kept_in_f16_and_where_blocks_are_computed_anew() {
        let of = |run: &str| {
            let text = format!(
                "[run]\nbatch_size = 64\n{run}[method]\nname = 'byol'\n[model]\narch = 'resnet50'"
            );
            estimate(&text)
        };
        let whole = of("").activations as f64;
        let half = of("precision = 'f16'\n").activations as f64 / whole;
        assert!((0.5..0.51).contains(&half), "{half}");
        let anew = of("recompute = true\n").activations as f64 / whole;
        assert!((0.3..0.5).contains(&anew), "{anew}");
        assert!(of("accumulate = 4\n").activations * 4 == of("").activations);
    }
}
