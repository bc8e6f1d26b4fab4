//! [`Kernels`] as extensions of Burn's dispatch, which calls the implementation of a tensor's device.

#![allow(
    clippy::too_many_arguments,
    reason = "an extension takes every tensor by itself"
)]

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};
use parallax_ranks::Ranks;

use super::kernels::{GivenNorm, Kernels, SavedNorm};
use crate::options::SgdOptions;
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// The operations with a graph where the device has autodiff: what [`crate::layers`] calls.
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
        ranks: Ranks,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    /// See [`Kernels::norm`], here with residual; mean and variance carry no gradient.
    fn layer_norm_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        relu: bool,
        epsilon: f64,
        ranks: Ranks,
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

/// The backward passes of [`Kernels`] on tensors without a graph, for benchmarks and tests.
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

    /// See [`Kernels::norm_grad`], with ReLU and without residual: the gradients of x, weight and bias.
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
            ranks: Ranks::ONE,
        };
        B::norm_grad_without_residual(saved, grad).into()
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

/// Products of [`Kernels`] in inference, on tensors without a graph.
#[backend_extension(Flex, Cube)]
pub trait InferenceOps: Backend {
    /// See [`Kernels::conv_normalized`], here without residual.
    fn inference_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        norm_weight: FloatTensor<Self>,
        norm_bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// See [`Kernels::conv_normalized`], here with residual.
    fn inference_conv_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        norm_weight: FloatTensor<Self>,
        norm_bias: FloatTensor<Self>,
        mean: FloatTensor<Self>,
        variance: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        epsilon: f64,
        relu: bool,
        shape: ConvShape,
    ) -> FloatTensor<Self>;
}

impl<B: Kernels> InferenceOps for B {
    fn inference_conv(
        x: FloatTensor<B>,
        weight: FloatTensor<B>,
        norm_weight: FloatTensor<B>,
        norm_bias: FloatTensor<B>,
        mean: FloatTensor<B>,
        variance: FloatTensor<B>,
        epsilon: f64,
        relu: bool,
        shape: ConvShape,
    ) -> FloatTensor<B> {
        let norm = GivenNorm {
            weight: norm_weight,
            bias: norm_bias,
            mean,
            variance,
            epsilon,
        };
        B::conv_normalized(x, weight, norm, None, relu, shape)
    }

    fn inference_conv_residual(
        x: FloatTensor<B>,
        weight: FloatTensor<B>,
        norm_weight: FloatTensor<B>,
        norm_bias: FloatTensor<B>,
        mean: FloatTensor<B>,
        variance: FloatTensor<B>,
        residual: FloatTensor<B>,
        epsilon: f64,
        relu: bool,
        shape: ConvShape,
    ) -> FloatTensor<B> {
        let norm = GivenNorm {
            weight: norm_weight,
            bias: norm_bias,
            mean,
            variance,
            epsilon,
        };
        B::conv_normalized(x, weight, norm, Some(residual), relu, shape)
    }
}

/// The parameter updates of [`Kernels`] on tensors without a graph.
#[backend_extension(Flex, Cube)]
pub trait UpdateOps: Backend {
    /// See [`Kernels::weighted_sum`].
    fn update_weighted_sum(
        a: FloatTensor<Self>,
        by_a: f64,
        b: FloatTensor<Self>,
        by_b: f64,
    ) -> FloatTensor<Self>;

    /// See [`Kernels::sgd_step`].
    fn update_sgd(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        options: SgdOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl<B: Kernels> UpdateOps for B {
    fn update_weighted_sum(
        a: FloatTensor<B>,
        by_a: f64,
        b: FloatTensor<B>,
        by_b: f64,
    ) -> FloatTensor<B> {
        B::weighted_sum(a, by_a, b, by_b)
    }

    fn update_sgd(
        weight: FloatTensor<B>,
        gradient: FloatTensor<B>,
        velocity: FloatTensor<B>,
        options: SgdOptions,
    ) -> (FloatTensor<B>, FloatTensor<B>) {
        B::sgd_step(weight, gradient, velocity, options).into()
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
                ranks: Ranks,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                Self::norm(x, weight, bias, None, relu, epsilon, ranks).into()
            }

            fn layer_norm_residual(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                residual: FloatTensor<Self>,
                relu: bool,
                epsilon: f64,
                ranks: Ranks,
            ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
                Self::norm(x, weight, bias, Some(residual), relu, epsilon, ranks).into()
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
