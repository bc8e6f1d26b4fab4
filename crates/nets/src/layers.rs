//! The three layers with parameters: convolution, linear, batch norm.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{Activation, batch_norm, conv2d, linear, normalize_with, weighted_sum};

use crate::Init;

/// Added to the variance before the root (methods.md 2.1).
pub const BN_EPSILON: f64 = 1e-5;
/// Share of the newest batch in the running statistics (methods.md 2.1).
pub const BN_MOMENTUM: f64 = 0.1;

/// Which statistics batch norm normalises with, and what becomes of the running ones (methods.md 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Those of the batch; the running statistics take them up, the variance unbiased. Also the mode of a
    /// target network.
    Train,
    /// As `Train`, but the running variance takes up the biased one ("plainsync").
    TrainBiased,
    /// Those of the batch; the running statistics stay as they are: every virtual device but the first.
    Batch,
    /// The running statistics, which stay as they are.
    Eval,
}

/// A bias-free 2-D convolution.
#[derive(Module, Debug)]
pub struct Conv2d {
    /// `[out, in, kernel, kernel]`
    pub weight: Param<Tensor<4>>,
    stride: usize,
    padding: usize,
}

impl Conv2d {
    /// A square kernel, padded so that stride 1 keeps the size.
    pub fn new(
        init: &mut Init,
        inputs: usize,
        outputs: usize,
        kernel: usize,
        stride: usize,
    ) -> Self {
        Self {
            weight: Param::from_tensor(init.normal_fan_out([outputs, inputs, kernel, kernel])),
            stride,
            padding: kernel / 2,
        }
    }

    /// `[batch, height, width, in]` to `[batch, height / stride, width / stride, out]`, rounded up. The weight is taken in
    /// the element that `x` is stored in; its gradient comes back in its own.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let options = ConvOptions {
            stride: self.stride,
            padding: self.padding,
            dilation: 1,
        };
        let weight = beside(self.weight.val(), &x).cast(x.dtype());
        conv2d(x, weight, None, options)
    }
}

/// `y = x W^T + b`.
#[derive(Module, Debug)]
pub struct Linear {
    /// `[out, in]`, as in PyTorch
    pub weight: Param<Tensor<2>>,
    /// `[out]`
    pub bias: Option<Param<Tensor<1>>>,
}

impl Linear {
    /// With PyTorch's default initialisation.
    pub fn new(init: &mut Init, inputs: usize, outputs: usize, bias: bool) -> Self {
        let weight = Param::from_tensor(init.uniform_fan_in([outputs, inputs], inputs));
        let bias = bias.then(|| Param::from_tensor(init.uniform_fan_in([outputs], inputs)));
        Self { weight, bias }
    }

    /// `[batch, in]` to `[batch, out]`.
    pub fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let bias = self.bias.as_ref().map(|bias| bias.val());
        linear(x, self.weight.val(), bias)
    }
}

/// Batch normalisation over every dimension but the last, the channels; what follows it is part of it.
///
/// Burn's own batch norm trains only on an autodiff device. A target network needs batch statistics
/// without gradients (methods.md 2.4), so here the [`Mode`] is said at each call.
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
        }
    }

    /// Normalises `x` `[batch, .., channels]`, adds the residual, if there is one, then activates.
    pub fn forward<const D: usize>(
        &mut self,
        x: Tensor<D>,
        residual: Option<Tensor<D>>,
        activation: Activation,
        mode: Mode,
    ) -> Tensor<D> {
        let [weight, bias] = [&self.weight, &self.bias].map(|param| beside(param.val(), &x));
        if mode == Mode::Eval {
            let running = (self.running_mean.val(), self.running_var.val());
            return normalize_with(x, running, (weight, bias), residual, activation, BN_EPSILON);
        }
        let dims = x.dims();
        let count = (dims.iter().product::<usize>() / dims[D - 1]) as f64;
        let batch = batch_norm(x, weight, bias, residual, activation, BN_EPSILON);
        // Normalised with the biased variance, remembered with the unbiased one (methods.md 2.1).
        let remembered = match mode {
            Mode::Train => Some(batch.variance * (count / (count - 1.0).max(1.0))),
            Mode::TrainBiased => Some(batch.variance),
            Mode::Batch | Mode::Eval => None,
        };
        if let Some(variance) = remembered {
            track(&mut self.running_mean, batch.mean);
            track(&mut self.running_var, variance);
        }
        batch.output
    }
}

/// A tensor in the kind of graph that `other` is in: one that keeps activations, or one that computes them anew.
pub(crate) fn beside<const P: usize, const D: usize>(
    tensor: Tensor<P>,
    other: &Tensor<D>,
) -> Tensor<P> {
    match other.gradient_checkpointing_strategy() {
        Some(strategy) if tensor.is_autodiff() => {
            tensor.with_gradient_checkpointing_strategy(strategy)
        }
        _ => tensor,
    }
}

/// Moves a running statistic towards the batch's.
fn track(running: &mut Param<Tensor<1>>, batch: Tensor<1>) {
    let before = running.val();
    let on_graph = before.is_autodiff();
    let next = weighted_sum(
        before.inner(),
        1.0 - BN_MOMENTUM,
        batch.inner(),
        BN_MOMENTUM,
    );
    let next = if on_graph { next.autodiff() } else { next };
    *running = Param::from_tensor(next.detach()).set_require_grad(false);
}
