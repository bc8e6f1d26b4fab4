//! What a device must offer.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};

use crate::shape::{ConvShape, LinearShape, PoolShape};

/// Forward and backward passes without a graph. Tensors are f32 and of the shapes that the arguments say; activations are
/// channels-last, for batch norm seen as `[rows, channels]`. In convolution, batch norm and pooling activations, their
/// gradients and the convolution's weight may be f16 or bf16 instead, all of them; what is a sum by nature (statistics,
/// gradients of parameters) is f32 always.
pub trait Kernels: Backend {
    /// `[batch, height, width, in]` and `[out, in, kernel, kernel]` to `[batch, height', width', out]`.
    fn conv(x: FloatTensor<Self>, weight: FloatTensor<Self>, shape: ConvShape)
    -> FloatTensor<Self>;

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

    /// Batch norm with the batch's statistics, then the residual, then ReLU: output, mean, biased variance.
    fn norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: Option<FloatTensor<Self>>,
        relu: bool,
        epsilon: f64,
    ) -> [FloatTensor<Self>; 3];

    /// The gradients of [`Kernels::norm`] by x, weight, bias and residual. `output` is there where ReLU was.
    fn norm_grad(saved: SavedNorm<Self>, grad: FloatTensor<Self>) -> [FloatTensor<Self>; 4];

    /// The first three of [`Kernels::norm_grad`], where no residual was added.
    fn norm_grad_alone(saved: SavedNorm<Self>, grad: FloatTensor<Self>) -> [FloatTensor<Self>; 3] {
        let [x, weight, bias, _] = Self::norm_grad(saved, grad);
        [x, weight, bias]
    }

    /// Max-pool; padding never wins.
    fn pool(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self>;

    /// The input gradient of [`Kernels::pool`].
    fn pool_grad(
        x: FloatTensor<Self>,
        output: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        shape: PoolShape,
    ) -> FloatTensor<Self>;

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
}

/// What the backward pass of batch norm needs of the forward pass.
#[derive(Clone, Debug)]
pub struct SavedNorm<B: Backend> {
    /// `[rows, channels]`
    pub x: FloatTensor<B>,
    /// `[rows, channels]`, where ReLU was
    pub output: Option<FloatTensor<B>>,
    /// Scale, `[channels]`
    pub weight: FloatTensor<B>,
    /// `[channels]`
    pub mean: FloatTensor<B>,
    /// Biased, `[channels]`
    pub variance: FloatTensor<B>,
    /// Added to the variance.
    pub epsilon: f64,
}

/// The same operations with a graph where the device has one: what [`crate::layers`] calls.
#[backend_extension(Flex, Cube, Autodiff)]
pub trait LayerOps: Backend {
    /// See [`Kernels::conv`].
    fn layer_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// See [`Kernels::norm`], here without residual; mean and variance carry no gradient.
    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`Kernels::norm`], here with residual; mean and variance carry no gradient.
    fn layer_norm_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`Kernels::pool`].
    fn layer_pool(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self>;

    /// See [`Kernels::linear_forward`].
    fn layer_linear(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: LinearShape,
    ) -> FloatTensor<Self>;
}

/// Gradients by themselves, for who times or tests them: as in [`Kernels`], on tensors without a graph.
#[backend_extension(Flex, Cube)]
pub trait GradientOps: Backend {
    /// See [`Kernels::conv_grad_input`].
    fn gradient_conv_input(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// See [`Kernels::conv_grad_weight`].
    fn gradient_conv_weight(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// See [`Kernels::norm_grad`], with ReLU and without residual: by x, weight and bias.
    fn gradient_norm_relu(
        x: FloatTensor<Self>,
        output: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        epsilon: f64,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`Kernels::pool_grad`].
    fn gradient_pool(
        x: FloatTensor<Self>,
        output: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        shape: PoolShape,
    ) -> FloatTensor<Self>;

    /// See [`Kernels::linear_grad_input`].
    fn gradient_linear_input(
        grad: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        shape: LinearShape,
    ) -> FloatTensor<Self>;

    /// See [`Kernels::linear_grad_weight`].
    fn gradient_linear_weight(
        x: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        shape: LinearShape,
    ) -> FloatTensor<Self>;
}

impl<B: Kernels> GradientOps for B {
    fn gradient_conv_input(
        grad: FloatTensor<B>,
        weight: FloatTensor<B>,
        shape: ConvShape,
    ) -> FloatTensor<B> {
        B::conv_grad_input(grad, weight, shape)
    }

    fn gradient_conv_weight(
        x: FloatTensor<B>,
        grad: FloatTensor<B>,
        shape: ConvShape,
    ) -> FloatTensor<B> {
        B::conv_grad_weight(x, grad, shape)
    }

    fn gradient_norm_relu(
        x: FloatTensor<B>,
        output: FloatTensor<B>,
        weight: FloatTensor<B>,
        mean: FloatTensor<B>,
        variance: FloatTensor<B>,
        grad: FloatTensor<B>,
        epsilon: f64,
    ) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
        let saved = SavedNorm {
            x,
            output: Some(output),
            weight,
            mean,
            variance,
            epsilon,
        };
        B::norm_grad_alone(saved, grad).into()
    }

    fn gradient_pool(
        x: FloatTensor<B>,
        output: FloatTensor<B>,
        grad: FloatTensor<B>,
        shape: PoolShape,
    ) -> FloatTensor<B> {
        B::pool_grad(x, output, grad, shape)
    }

    fn gradient_linear_input(
        grad: FloatTensor<B>,
        weight: FloatTensor<B>,
        shape: LinearShape,
    ) -> FloatTensor<B> {
        B::linear_grad_input(grad, weight, shape)
    }

    fn gradient_linear_weight(
        x: FloatTensor<B>,
        grad: FloatTensor<B>,
        shape: LinearShape,
    ) -> FloatTensor<B> {
        B::linear_grad_weight(x, grad, shape)
    }
}

macro_rules! without_graph {
    ($backend:ty) => {
        impl LayerOps for $backend {
            fn layer_conv(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                shape: ConvShape,
            ) -> FloatTensor<Self> {
                Self::conv(x, weight, shape)
            }

            fn layer_norm(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                relu: bool,
                epsilon: f64,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                Self::norm(x, weight, bias, None, relu, epsilon).into()
            }

            fn layer_norm_residual(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                residual: FloatTensor<Self>,
                relu: bool,
                epsilon: f64,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                Self::norm(x, weight, bias, Some(residual), relu, epsilon).into()
            }

            fn layer_pool(x: FloatTensor<Self>, shape: PoolShape) -> FloatTensor<Self> {
                Self::pool(x, shape)
            }

            fn layer_linear(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                shape: LinearShape,
            ) -> FloatTensor<Self> {
                Self::linear_forward(x, weight, shape)
            }
        }
    };
}

without_graph!(burn_flex::Flex);
without_graph!(burn_cubecl::CubeBackend);
