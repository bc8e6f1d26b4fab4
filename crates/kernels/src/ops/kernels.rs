//! What a device implements.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, ExtensionType};
use parallax_ranks::Ranks;

use crate::options::{RunningUpdate, SgdOptions};
use crate::pixel_labels::{LogitShape, PixelLabels};
use crate::sampling::Sampling;
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// Forward and backward passes on tensors without a graph, of the shapes that the arguments say.
///
/// Activations are channels-last; batch norm sees them as `[rows, channels]`. Values are f32. In convolution, batch norm and
/// pooling, the activations, their gradients and the convolution's weight may be f16 or bf16 instead, all of one dtype;
/// statistics and gradients of parameters are f32 always.
pub trait Kernels: Backend {
    /// `[batch, height, width, in]` and `[out, in, kernel, kernel]` to `[batch, height', width', out]`.
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, shape: ConvShape)
    -> FloatTensor<Self>;

    /// [`Kernels::conv`], batch norm with given statistics, the residual, and ReLU if `relu`, without a graph. Values are f32.
    fn conv_normalized(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        norm: GivenNorm<Self>,
        residual: Option<FloatTensor<Self>>,
        relu: bool,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// The input gradient of [`Kernels::conv`].
    fn conv_grad_input(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// The weight gradient of [`Kernels::conv`].
    fn conv_grad_weight(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// Batch norm with the statistics of the batches of all ranks, then the residual, then ReLU if `relu`: output, mean, biased
    /// variance; and the next running statistics, where a device updates them in the same pass. [`Running::None`] leaves that
    /// to the caller. `relu_epsilon` are whether ReLU follows, and what is added to the variance.
    fn norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: Option<FloatTensor<Self>>,
        running: Running<Self>,
        relu_epsilon: (bool, f64),
        ranks: Ranks,
    ) -> ([FloatTensor<Self>; 3], Running<Self>);

    /// The gradients of [`Kernels::norm`] with respect to x, weight, bias and residual; those of weight and bias from this
    /// rank's values.
    fn norm_grad(saved: SavedNorm<Self>, grad: FloatTensor<Self>) -> [FloatTensor<Self>; 4];

    /// The first three of [`Kernels::norm_grad`], where no residual was added.
    fn norm_grad_without_residual(
        saved: SavedNorm<Self>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        let [x, weight, bias, _] = Self::norm_grad(saved, grad);
        [x, weight, bias]
    }

    /// Max-pool; padding is never the maximum.
    fn pool(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self>;

    /// The input gradient of [`Kernels::pool`].
    fn pool_grad(
        x: FloatTensor<Self>,
        output: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        shape: PoolShape,
    ) -> FloatTensor<Self>;

    /// The mean of the pixels of each image: `[batch, height, width, channels]` to `[batch, channels]`.
    fn mean_of_pixels(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The input gradient of [`Kernels::mean_of_pixels`] of images of `size`.
    fn mean_of_pixels_grad(grad: FloatTensor<Self>, size: [usize; 2]) -> FloatTensor<Self>;

    /// `x - ln(sum of exp(x))` over each row of `x` `[rows, columns]`.
    fn log_softmax(x: FloatTensor<Self>) -> FloatTensor<Self>;

    /// The input gradient of [`Kernels::log_softmax`].
    fn log_softmax_grad(output: FloatTensor<Self>, grad: FloatTensor<Self>) -> FloatTensor<Self>;

    /// `[batch, inputs]` and `[outputs, inputs]` to `[batch, outputs]`.
    fn linear_forward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: LinearShape,
    ) -> FloatTensor<Self>;

    /// The input gradient of [`Kernels::linear_forward`].
    fn linear_grad_input(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: LinearShape,
    ) -> FloatTensor<Self>;

    /// The weight gradient of [`Kernels::linear_forward`].
    fn linear_grad_weight(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        shape: LinearShape,
    ) -> FloatTensor<Self>;

    /// `by_a a + by_b b` of each pair, whose tensors are of one shape.
    fn weighted_sums(
        a: Vec<FloatTensor<Self>>,
        by_a: f64,
        b: Vec<FloatTensor<Self>>,
        by_b: f64,
    ) -> Vec<FloatTensor<Self>>;

    /// The next weight and velocity of each parameter.
    fn sgd_steps(parameters: Vec<SgdParameter<Self>>) -> Vec<[FloatTensor<Self>; 2]>;

    /// `[batch, height, width, channels]` to `[regions, height', width', channels]`. Values are f32.
    fn sample(x: FloatTensor<Self>, sampling: &Sampling) -> FloatTensor<Self>;

    /// The input gradient of [`Kernels::sample`].
    fn sample_grad(grad: FloatTensor<Self>, sampling: &Sampling) -> FloatTensor<Self>;

    /// Cross-entropies of logits `[batch, height, width, classes]`, bilinearly interpolated to the size of the labels, zero
    /// where these are to be ignored, and the logarithms of the sums of exponentials: both `[labels]`. Values are f32.
    fn pixel_losses(
        logits: FloatTensor<Self>,
        labels: &PixelLabels,
        shape: LogitShape,
    ) -> [FloatTensor<Self>; 2];

    /// The gradient of the logits of [`Kernels::pixel_losses`], from the logits, the logarithms and the losses' gradient.
    fn pixel_losses_grad(
        logits: FloatTensor<Self>,
        logarithms: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        labels: &PixelLabels,
        shape: LogitShape,
    ) -> FloatTensor<Self>;
}

/// Batch norm with given statistics: `(x - mean) / sqrt(variance + epsilon) * weight + bias`. Tensors are `[channels]`.
#[derive(Clone, Debug)]
pub struct GivenNorm<B: Backend> {
    /// Scale.
    pub weight: FloatTensor<B>,
    /// Shift.
    pub bias: FloatTensor<B>,
    /// Mean.
    pub mean: FloatTensor<B>,
    /// Variance.
    pub variance: FloatTensor<B>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// Running statistics of batch norm, `[channels]` each, which batch norm in training may update.
#[derive(Clone, Debug, ExtensionType)]
pub enum Running<B: Backend> {
    /// None to update.
    None,
    /// These.
    Of {
        /// Mean.
        mean: FloatTensor<B>,
        /// Variance.
        variance: FloatTensor<B>,
        /// How a batch changes them.
        update: RunningUpdate,
    },
}

/// A parameter of an SGD step: tensors of one shape.
#[derive(Clone, Debug)]
pub struct SgdParameter<B: Backend> {
    /// Before the step.
    pub weight: FloatTensor<B>,
    /// Of the loss.
    pub gradient: FloatTensor<B>,
    /// Before the step.
    pub velocity: FloatTensor<B>,
    /// Hyperparameters.
    pub options: SgdOptions,
}

/// Where a ReLU behind batch norm is open.
#[derive(Clone, Copy, Debug)]
pub enum ReluMask<Output, Shift = Output> {
    /// There was no ReLU.
    None,
    /// Where this output is not zero, `[rows, channels]`.
    Output(Output),
    /// Where batch norm with this shift, `[channels]`, is above zero: there was no residual, and computing the output again from x
    /// takes less time than reading it.
    Shift(Shift),
}

/// What batch norm saves for its backward pass.
#[derive(Clone, Debug)]
pub struct SavedNorm<B: Backend> {
    /// `[rows, channels]`
    pub x: FloatTensor<B>,
    /// Where ReLU let the gradient through.
    pub mask: ReluMask<FloatTensor<B>>,
    /// Scale, `[channels]`
    pub weight: FloatTensor<B>,
    /// `[channels]`
    pub mean: FloatTensor<B>,
    /// Biased, `[channels]`
    pub variance: FloatTensor<B>,
    /// Added to the variance.
    pub epsilon: f64,
    /// Whose batches the statistics are of.
    pub ranks: Ranks,
}
