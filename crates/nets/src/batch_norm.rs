//! Batch norm and its modes.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use parallax_kernels::{
    Activation, PackedWeight, RunningStatistics, RunningUpdate, conv2d_normalized, normalize_with,
    synchronised_batch_norm,
};
use parallax_ranks::Ranks;

use crate::conv::Conv2d;
use crate::graph::match_checkpointing;
use crate::init::Init;

/// Added to the variance before the square root (methods.md 2.1).
pub const BN_EPSILON: f64 = 1e-5;
/// The weight of the current batch in the running statistics (methods.md 2.1).
pub const BN_MOMENTUM: f64 = 0.1;

/// Which statistics batch norm normalises with, and how it updates the running ones (methods.md 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The statistics of the batch. The running ones are updated, with the unbiased variance. Also the mode of a target
    /// network.
    Train,
    /// As `Train`, with the statistics of the whole batch over all ranks (`torch.nn.SyncBatchNorm`), whose parts are of one
    /// size. Of one rank it computes the same as `Train`.
    Sync(Ranks),
    /// As `Sync`, but the running variance is updated with the biased one ("plainsync").
    TrainBiased(Ranks),
    /// The statistics of the batch; the running ones are not updated: every BN group but the first.
    Batch,
    /// The statistics of the batch, which replace the running ones, with the biased variance: what precise batch norm
    /// averages (methods.md 7.7).
    Measure,
    /// The running statistics, which are not updated. Scale and shift are still trained.
    Eval,
    /// As `Eval`, and scale and shift have no gradient: a frozen batch norm is a constant affine function of each channel.
    Frozen,
}

/// Batch normalisation over every dimension but the last, the channels, with an optional residual and ReLU behind it.
///
/// Burn's own batch norm trains only on an autodiff device. A target network needs batch statistics
/// without gradients (methods.md 2.4), so the [`Mode`] is an argument of each call.
#[derive(Module, Debug)]
pub struct BatchNorm {
    /// Scale, `[channels]`
    pub weight: Param<Tensor<1>>,
    /// Shift, `[channels]`
    pub bias: Param<Tensor<1>>,
    /// Running mean, `[channels]`: a buffer, never trained
    pub running_mean: Param<Tensor<1>>,
    /// Running variance, `[channels]`: a buffer, never trained
    pub running_var: Param<Tensor<1>>,
    count: usize,
}

impl BatchNorm {
    /// Scale 1, shift 0, running mean 0, running variance 1.
    pub fn new(init: &mut Init, channels: usize) -> Self {
        let buffer =
            |value| Param::from_tensor(init.constant(channels, value)).set_require_grad(false);
        Self {
            weight: Param::from_tensor(init.constant(channels, 1.0)),
            bias: Param::from_tensor(init.constant(channels, 0.0)),
            running_mean: buffer(0.0),
            running_var: buffer(1.0),
            count: 0,
        }
    }

    /// Values of a channel in the last batch whose statistics were taken, 0 before the first.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Sets [`BatchNorm::count`] to 0.
    pub fn reset_count(&mut self) {
        self.count = 0;
    }

    /// Replaces the running statistics, `[channels]` each, without graph.
    pub fn set_running(&mut self, mean: Tensor<1>, variance: Tensor<1>) {
        replace(&mut self.running_mean, mean);
        replace(&mut self.running_var, variance);
    }

    /// `activation(normalised x * weight + bias + residual)`; `x`, `residual` and the output are `[batch, .., channels]`.
    ///
    /// # Panics
    /// When shapes or dtypes differ, or `x` is empty.
    pub fn forward<const D: usize>(
        &mut self,
        x: Tensor<D>,
        residual: Option<Tensor<D>>,
        activation: Activation,
        mode: Mode,
    ) -> Tensor<D> {
        let affine = [&self.weight, &self.bias].map(|param| match_checkpointing(param.val(), &x));
        let [weight, bias] = match mode {
            Mode::Frozen => affine.map(Tensor::detach),
            _ => affine,
        };
        if matches!(mode, Mode::Eval | Mode::Frozen) {
            let running = (self.running_mean.val(), self.running_var.val());
            return normalize_with(x, running, (weight, bias), residual, activation, BN_EPSILON);
        }
        let dims = x.dims();
        let ranks = match mode {
            Mode::Sync(ranks) | Mode::TrainBiased(ranks) => ranks,
            _ => Ranks::ONE,
        };
        self.count = ranks.size() * dims.iter().product::<usize>() / dims[D - 1];
        let count = self.count as f64;
        // The biased variance normalises, the unbiased one goes into the running variance (methods.md 2.1).
        let correction = match mode {
            Mode::Train | Mode::Sync(_) => Some(count / (count - 1.0).max(1.0)),
            Mode::TrainBiased(_) => Some(1.0),
            Mode::Measure | Mode::Batch | Mode::Eval | Mode::Frozen => None,
        };
        let running = correction.map(|correction| {
            let before = RunningStatistics {
                mean: self.running_mean.val().inner(),
                variance: self.running_var.val().inner(),
            };
            let update = RunningUpdate {
                momentum: BN_MOMENTUM,
                correction,
            };
            (before, update)
        });
        let (affine, epsilon) = ((weight, bias), BN_EPSILON);
        let batch =
            synchronised_batch_norm(x, affine, residual, running, activation, epsilon, ranks);
        if mode == Mode::Measure {
            self.set_running(batch.mean.inner(), batch.variance.inner());
        } else if let Some(next) = batch.running {
            self.set_running(next.mean, next.variance);
        }
        batch.output
    }
}

/// [`BatchNorm::forward`] of a convolution's output. With running statistics and without a graph both are one pass.
pub fn conv_norm(
    (conv, norm): (&Conv2d, &mut BatchNorm),
    packed: Option<PackedWeight>,
    x: Tensor<4>,
    residual: Option<Tensor<4>>,
    activation: Activation,
    mode: Mode,
) -> Tensor<4> {
    let running = matches!(mode, Mode::Eval | Mode::Frozen);
    let weight = conv.weight.val();
    if !running || conv.bias.is_some() || x.is_autodiff() || weight.is_autodiff() {
        let output = conv.forward_packed(x, packed);
        return norm.forward(output, residual, activation, mode);
    }
    let weight = match packed {
        Some(packed) => packed.into_forward(),
        None => weight.cast(x.dtype()),
    };
    conv2d_normalized(
        (x, weight),
        conv.options(),
        (norm.running_mean.val(), norm.running_var.val()),
        (norm.weight.val(), norm.bias.val()),
        residual,
        activation,
        BN_EPSILON,
    )
}

/// Replaces a buffer by a tensor without graph.
fn replace(buffer: &mut Param<Tensor<1>>, next: Tensor<1>) {
    let next = match buffer.val().is_autodiff() {
        true => next.autodiff(),
        false => next,
    };
    *buffer = Param::from_tensor(next.detach()).set_require_grad(false);
}
