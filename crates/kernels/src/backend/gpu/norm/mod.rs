//! Batch norm on a GPU. Forward: one pass for the statistics, one that normalises, adds the residual and applies ReLU.
//! Backward: one pass for the sums, one for the gradients. Between them a small kernel merges the chunks of every channel in
//! order. A load takes four neighbouring channels where four divide them.

mod across;
mod apply;
mod merge;
mod sums;

use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;
use parallax_ranks::Ranks;

use self::apply::{input_gradient, normalize};
use self::merge::{Chunks, merged_gradients, merged_statistics};
use self::sums::{
    MatrixLaunch, Workgroup, chunk_gradients, chunk_gradients_residual, chunk_statistics,
};
use super::launch::{LaunchCost, LaunchPlan, MAX_WORKGROUPS, bytes};
use super::tensors::{empty, empty_f32, storage};
use super::tile::load_width;
use crate::ops::{GivenNorm, ReluMask, Running, SavedNorm};

/// Invocations of a workgroup, and of these along channels at most.
const INVOCATIONS: u32 = 256;
const ACROSS: u32 = 16;
/// Workgroups that fill a large GPU: more would only be more chunks to merge.
const FULL: usize = 1024;
/// Rows of an invocation in a reduction, at least: with fewer, merging costs more than adding.
const REDUCED_ROWS: usize = 4;
/// Rows of an invocation in an elementwise pass, at least and at most: what belongs to its channels is to be loaded once for
/// several rows, and loads of many invocations are to be in flight.
const APPLIED_ROWS: [usize; 2] = [2, 8];

/// How rows are divided among workgroups in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Partition {
    group: Workgroup,
    /// Rows of a workgroup.
    chunk: usize,
    /// Workgroups along the rows.
    chunks: usize,
}

impl Partition {
    fn of(rows: usize, chunk: usize, group: Workgroup) -> Self {
        Self {
            group,
            chunk,
            chunks: rows.div_ceil(chunk),
        }
    }
}

/// How batch norm over `[rows, channels]` is launched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct NormPlan {
    rows: usize,
    channels: usize,
    /// Values of a load.
    width: usize,
    /// Of the pass that reduces over rows.
    reduce: Partition,
    /// Of the elementwise pass.
    apply: Partition,
}

impl NormPlan {
    fn of(rows: usize, channels: usize) -> Self {
        let width = load_width(channels);
        let across = channels / width;
        let x = (across as u32).next_power_of_two().min(ACROSS);
        let group = Workgroup {
            x,
            y: INVOCATIONS / x,
        };
        let (tall, groups) = (group.y as usize, across.div_ceil(x as usize));
        let wanted = (FULL / groups).max(1);
        let reduced = rows.div_ceil(wanted).next_multiple_of(tall);
        let [least, most] = APPLIED_ROWS;
        let steps = rows.div_ceil(tall) * groups / (2 * FULL);
        let applied = tall * steps.clamp(least, most);
        Self {
            rows,
            channels,
            width,
            reduce: Partition::of(rows, reduced.max(REDUCED_ROWS * tall), group),
            apply: Partition::of(rows, applied.max(rows.div_ceil(MAX_WORKGROUPS)), group),
        }
    }

    /// Along rows and along channels.
    fn workgroups(&self, of: Partition) -> [u32; 2] {
        let across = (self.channels / self.width) as u32;
        [of.chunks as u32, across.div_ceil(of.group.x)]
    }

    fn count(&self, of: Partition) -> CubeCount {
        let [x, y] = self.workgroups(of);
        CubeCount::Static(x, y, 1)
    }

    fn matrix(&self, of: Partition) -> MatrixLaunch {
        MatrixLaunch::new(
            self.rows as u32,
            (self.channels / self.width) as u32,
            of.chunk as u32,
        )
    }

    fn chunks(&self) -> Chunks {
        Chunks {
            rows: self.rows,
            channels: self.channels,
            chunk: self.reduce.chunk,
            count: self.reduce.chunks,
        }
    }
}

/// How batch norm over `[rows, channels]`, with a residual and with ReLU or without, is launched forward and backward, and
/// what that costs.
pub fn norm_launches(rows: usize, channels: usize, residual: bool, relu: bool) -> [LaunchPlan; 2] {
    let plan = NormPlan::of(rows, channels);
    let (len, partial) = (rows * channels, 2 * plan.reduce.chunks * channels);
    // What every invocation loads once: a value of each of its channels.
    let once = |of: Partition| of.chunks * of.group.y as usize * channels;
    let (reducing, applying) = (once(plan.reduce), once(plan.apply));
    let [x, y] = plan.workgroups(plan.reduce);
    let [added, masked, gated] = [residual, residual && relu, relu && !residual].map(usize::from);
    let launches = |traffic, minimum| LaunchPlan {
        cut: None,
        workgroups: x as usize * y as usize,
        splits: plan.reduce.chunks,
        dispatches: 3,
        cost: LaunchCost {
            bytes: bytes(traffic),
            minimum_bytes: bytes(minimum),
            multiply_adds: 0,
        },
    };
    let statistics = len + reducing + 2 * partial + 2 * channels;
    let gradients =
        (2 + 2 * masked) * len + (1 + 3 * gated) * reducing + 2 * partial + 7 * channels;
    [
        launches(
            statistics + (2 + added) * len + 4 * applying,
            (2 + added) * len,
        ),
        launches(
            gradients + 3 * len + (4 + gated) * applying,
            (3 + 2 * masked) * len,
        ),
    ]
}

/// See [`crate::ops::Kernels::norm`].
#[expect(unsafe_code, reason = "the kernels check their bounds themselves")]
pub(crate) fn norm(
    x: CubeTensor,
    weight: CubeTensor,
    bias: CubeTensor,
    residual: Option<CubeTensor>,
    running: Running<CubeBackend>,
    (relu, epsilon): (bool, f64),
    ranks: Ranks,
) -> ([CubeTensor; 3], Running<CubeBackend>) {
    let x = into_contiguous(x);
    let [rows, channels] = x.meta.shape().dims();
    let plan = NormPlan::of(rows, channels);
    let (client, stored) = (x.client.clone(), storage(&x));
    let partial = empty_f32(&x, vec![plan.reduce.chunks, 2, channels]);
    // SAFETY: invocations past the last vector or the last row have no rows, and load at clamped places; the buffers
    // have the lengths that rows and channels imply.
    unsafe {
        chunk_statistics::launch_unchecked(
            &client,
            plan.count(plan.reduce),
            plan.reduce.group.size(),
            plan.width,
            x.clone().into_buffer_arg(),
            partial.clone().into_buffer_arg(),
            plan.matrix(plan.reduce),
            plan.reduce.group,
            stored,
        );
    }
    // Those of all ranks are known only after an exchange.
    let running = match ranks.is_one() {
        true => running,
        false => Running::None,
    };
    let (of_rank, next) = merged_statistics(partial, plan.chunks(), running);
    let [mean, variance] = across::statistics(of_rank, rows, ranks);
    let norm = GivenNorm {
        weight,
        bias,
        mean: mean.clone(),
        variance: variance.clone(),
        epsilon,
    };
    let output = applied(x, norm, residual, relu, &plan);
    ([output, mean, variance], next)
}

/// Batch norm of `x` `[.., channels]`, contiguous, with given statistics, the residual, and ReLU: one pass.
pub(crate) fn normalize_with(
    x: CubeTensor,
    norm: GivenNorm<CubeBackend>,
    residual: Option<CubeTensor>,
    relu: bool,
) -> CubeTensor {
    let dims = x.meta.shape().to_vec();
    let channels = dims.last().copied().unwrap_or(1);
    let rows = dims.iter().product::<usize>() / channels;
    applied(x, norm, residual, relu, &NormPlan::of(rows, channels))
}

/// The elementwise pass; the result has the shape of `x`.
#[expect(unsafe_code, reason = "the kernels check their bounds themselves")]
fn applied(
    x: CubeTensor,
    norm: GivenNorm<CubeBackend>,
    residual: Option<CubeTensor>,
    relu: bool,
    plan: &NormPlan,
) -> CubeTensor {
    let (client, stored) = (x.client.clone(), storage(&x));
    let out = empty(&x, x.meta.shape().to_vec());
    let of_channels = [norm.mean, norm.variance, norm.weight, norm.bias];
    let [mean, variance, weight, bias] = of_channels.map(into_contiguous);
    // SAFETY: as in `norm`.
    unsafe {
        normalize::launch_unchecked(
            &client,
            plan.count(plan.apply),
            plan.apply.group.size(),
            plan.width,
            into_contiguous(x).into_buffer_arg(),
            mean.into_buffer_arg(),
            variance.into_buffer_arg(),
            weight.into_buffer_arg(),
            bias.into_buffer_arg(),
            residual
                .map(|residual| into_contiguous(residual).into_buffer_arg())
                .into(),
            out.clone().into_buffer_arg(),
            plan.matrix(plan.apply),
            norm.epsilon as f32,
            relu,
            plan.apply.group,
            stored,
        );
    }
    out
}

/// See [`crate::ops::Kernels::norm_grad`]; the last is the gradient before ReLU only where the mask is an output.
#[expect(unsafe_code, reason = "the kernels check their bounds themselves")]
pub(crate) fn norm_grad(saved: SavedNorm<CubeBackend>, grad: CubeTensor) -> [CubeTensor; 4] {
    let (x, mut grad) = (into_contiguous(saved.x), into_contiguous(grad));
    let [rows, channels] = x.meta.shape().dims();
    let plan = NormPlan::of(rows, channels);
    let (client, stored) = (x.client.clone(), storage(&x));
    let partial = empty_f32(&x, vec![plan.reduce.chunks, 2, channels]);
    let out = empty(&x, vec![rows, channels]);
    let of_channels = [saved.mean, saved.variance, saved.weight].map(into_contiguous);
    let ([mean, variance, weight], epsilon) = (of_channels, saved.epsilon);
    let (output, bias) = match saved.mask {
        ReluMask::None => (None, None),
        ReluMask::Output(output) => (Some(into_contiguous(output)), None),
        ReluMask::Shift(bias) => (None, Some(into_contiguous(bias))),
    };
    // SAFETY: as in `norm`.
    unsafe {
        match output {
            Some(output) => {
                let masked = empty(&x, vec![rows, channels]);
                chunk_gradients_residual::launch_unchecked(
                    &client,
                    plan.count(plan.reduce),
                    plan.reduce.group.size(),
                    plan.width,
                    x.clone().into_buffer_arg(),
                    output.into_buffer_arg(),
                    grad.into_buffer_arg(),
                    mean.clone().into_buffer_arg(),
                    masked.clone().into_buffer_arg(),
                    partial.clone().into_buffer_arg(),
                    plan.matrix(plan.reduce),
                    plan.reduce.group,
                    stored,
                );
                grad = masked;
            }
            None => chunk_gradients::launch_unchecked(
                &client,
                plan.count(plan.reduce),
                plan.reduce.group.size(),
                plan.width,
                x.clone().into_buffer_arg(),
                grad.clone().into_buffer_arg(),
                mean.clone().into_buffer_arg(),
                variance.clone().into_buffer_arg(),
                weight.clone().into_buffer_arg(),
                bias.clone().map(CubeTensor::into_buffer_arg).into(),
                partial.clone().into_buffer_arg(),
                plan.matrix(plan.reduce),
                epsilon as f32,
                plan.reduce.group,
                stored,
            ),
        }
    }
    let of_channel = (weight.clone(), variance.clone());
    let [grad_weight, grad_bias, mut factors] =
        merged_gradients(partial, of_channel, plan.chunks(), epsilon as f32);
    if !saved.ranks.is_one() {
        let sums = [&grad_weight, &grad_bias];
        factors = across::factors(sums, [&weight, &variance], (rows, epsilon), saved.ranks);
    }
    // SAFETY: as in `norm`.
    unsafe {
        input_gradient::launch_unchecked(
            &client,
            plan.count(plan.apply),
            plan.apply.group.size(),
            plan.width,
            x.into_buffer_arg(),
            grad.clone().into_buffer_arg(),
            mean.into_buffer_arg(),
            factors.into_buffer_arg(),
            bias.map(CubeTensor::into_buffer_arg).into(),
            out.clone().into_buffer_arg(),
            plan.matrix(plan.apply),
            plan.apply.group,
            stored,
        );
    }
    [out, grad_weight, grad_bias, grad]
}

#[cfg(test)]
mod tests {
    use super::{MAX_WORKGROUPS, NormPlan};

    #[test]
    fn launches_fit_every_webgpu_device() {
        for rows in [1, 63, 64, 4096, 262_144, 70_000_000] {
            for channels in [1, 3, 4, 30, 64, 66, 2048, 8192] {
                let plan = NormPlan::of(rows, channels);
                for of in [plan.reduce, plan.apply] {
                    assert!(of.group.x * of.group.y <= 256, "{plan:?}");
                    assert!(of.chunk * of.chunks >= rows, "{plan:?}");
                    assert!(of.chunk * (of.chunks - 1) < rows, "{plan:?}");
                    let workgroups = plan.workgroups(of);
                    let fits = |&n: &u32| n > 0 && n as usize <= MAX_WORKGROUPS;
                    assert!(workgroups.iter().all(fits), "{workgroups:?} of {plan:?}");
                }
            }
        }
    }

    #[test]
    fn merging_chunks_stays_small() {
        for (rows, channels) in [(262_144, 64), (65_536, 128), (4096, 512), (1 << 24, 3)] {
            let plan = NormPlan::of(rows, channels);
            assert!(plan.reduce.chunks <= 1024, "{plan:?}");
            // Each invocation still has rows to add.
            assert!(
                plan.reduce.chunk >= 4 * plan.reduce.group.y as usize,
                "{plan:?}"
            );
        }
    }
}
