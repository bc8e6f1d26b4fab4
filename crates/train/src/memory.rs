//! An estimate of the device memory of a run, before it starts.

use parallax_nets::HeadKind;

use crate::cost::{Networks, sized};
use crate::precision::Precision;
use crate::recipe::Recipe;

/// Bytes of an f32.
const VALUE: u64 = 4;

/// Temporary tensors of the largest activation's size in a backward pass: the gradients inside a block, and the packed
/// operands of kernels. Measured on CPUs, as [`SIMILARITY`].
const TEMPORARIES: u64 = 10;
/// Bytes per similarity of an image with a key: the product, the logit, and the tensors of log-softmax forward and
/// backward.
const SIMILARITY: u64 = 24;

/// Bytes on the device by purpose. On CPUs the sum was within 20 % of the measured peak, less the 75 MiB of the program
/// itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryEstimate {
    /// Both networks, gradients and velocities; in half precision also the cast copies of the weights.
    pub networks: u64,
    /// The queue of keys.
    pub queue: u64,
    /// The views, and the activations that a forward pass keeps for the backward pass.
    pub activations: u64,
    /// The largest single tensor, which must fit into one buffer of the device.
    pub largest: u64,
    /// Temporary tensors of a step: gradients of activations, packed operands, similarities with the queue.
    pub work: u64,
}

impl MemoryEstimate {
    /// The estimate for a step of `recipe`; `classes` is the number of classes of the data.
    pub fn of(recipe: &Recipe, classes: usize) -> Self {
        let method = recipe.method.name.spec();
        let side = recipe.views.size as usize;
        let Networks {
            base,
            online,
            target,
            passes,
            keys,
        } = Networks::of(recipe, classes);
        let backbone = sized(base, HeadKind::None, recipe);
        // The online network, its gradients and velocities; the target has neither.
        let parameters = 3 * online.parameters + target.map_or(0, |target| target.parameters);
        let micro_batch = recipe.run.batch_size / recipe.run.accumulate;
        let graphs = passes as u64;
        // The backbone's activations are stored in the recipe's precision, and so are the weights that each graph keeps.
        let stored = recipe.run.precision.bytes();
        let head = online.activations - backbone.activations;
        let kept = match recipe.run.recompute {
            true => backbone.recomputed,
            false => backbone.activations,
        };
        let graph = stored * kept as u64 + VALUE * head as u64;
        let (views, copies) = match recipe.run.precision {
            Precision::F32 | Precision::F16Operands => (VALUE, 0),
            Precision::F16 | Precision::Bf16 => (VALUE + stored, graphs * stored),
        };
        let pixels = (method.views * 3 * side * side) as u64;
        let similarities = SIMILARITY * keys as u64;
        // Values and the bytes of each. The target's head is a part of the online network's.
        let largest = [
            (micro_batch * backbone.largest_activation, stored),
            (micro_batch * base.hidden.max(base.out), VALUE),
            (micro_batch * 3 * side * side, VALUE),
            (micro_batch * keys, VALUE),
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
            activations: micro_batch as u64 * (graphs * graph + views * pixels),
            work: micro_batch as u64
                * (TEMPORARIES * stored * backbone.largest_activation as u64
                    + graphs * similarities),
        }
    }

    /// The sum of all but `largest`.
    pub fn total(&self) -> u64 {
        self.networks + self.queue + self.activations + self.work
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
    fn f16_and_recomputation_keep_less() {
        let of = |run: &str| {
            let text = format!(
                "[run]\nbatch_size = 64\n{run}[method]\nname = 'byol'\n[model]\narch = 'resnet50'"
            );
            estimate(&text)
        };
        let whole = of("").activations as f64;
        let half = of("precision = 'f16'\n").activations as f64 / whole;
        assert!((0.5..0.51).contains(&half), "{half}");
        let recomputed = of("recompute = true\n").activations as f64 / whole;
        assert!((0.3..0.5).contains(&recomputed), "{recomputed}");
        assert!(of("accumulate = 4\n").activations * 4 == of("").activations);
    }
}
