//! [`Kernels`] as extensions of Burn's dispatch, which calls the implementation of a tensor's device.

#![allow(
    clippy::too_many_arguments,
    reason = "an extension takes every tensor by itself"
)]

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, backend_extension};
use parallax_ranks::Ranks;

use super::kernels::{GivenNorm, Kernels, ReluMask, Running, SavedNorm, SgdParameter};
use super::many::Many;
use super::pack::Packed;
use crate::options::SgdOptions;
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// The operations with a graph where the device has autodiff: what [`crate::layers`] calls.
#[backend_extension(Flex, Cube, Autodiff)]
pub trait LayerOps: Backend {
    /// See [`Kernels::conv`]; `packed` is `weight` once more, where it is at hand.
    fn layer_conv(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        #[extension_type] packed: Packed<Self>,
        shape: ConvShape,
    ) -> FloatTensor<Self>;

    /// See [`Kernels::norm`], here without residual; statistics carry no gradient.
    fn layer_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        #[extension_type] running: Running<Self>,
        relu: bool,
        epsilon: f64,
        ranks: Ranks,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        Running<Self>,
    );

    /// See [`Kernels::norm`], here with residual; statistics carry no gradient.
    fn layer_norm_residual(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        residual: FloatTensor<Self>,
        #[extension_type] running: Running<Self>,
        relu: bool,
        epsilon: f64,
        ranks: Ranks,
    ) -> (
        FloatTensor<Self>,
        FloatTensor<Self>,
        FloatTensor<Self>,
        Running<Self>,
    );

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
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
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
        weight: FloatTensor<B>,
        bias: FloatTensor<B>,
        mean: FloatTensor<B>,
        variance: FloatTensor<B>,
        grad: FloatTensor<B>,
        epsilon: f64,
    ) -> (FloatTensor<B>, FloatTensor<B>, FloatTensor<B>) {
        let saved = SavedNorm {
            x,
            mask: ReluMask::Shift(bias),
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
    /// See [`Kernels::weighted_sums`].
    fn update_weighted_sums(
        #[extension_type] a: Many<Self>,
        by_a: f64,
        #[extension_type] b: Many<Self>,
        by_b: f64,
    ) -> Many<Self>;

    /// See [`Kernels::sgd_steps`]: the next weights and velocities.
    fn update_sgd(
        #[extension_type] weights: Many<Self>,
        #[extension_type] gradients: Many<Self>,
        #[extension_type] velocities: Many<Self>,
        options: Vec<SgdOptions>,
    ) -> (Many<Self>, Many<Self>);
}

impl<B: Kernels> UpdateOps for B {
    fn update_weighted_sums(a: Many<B>, by_a: f64, b: Many<B>, by_b: f64) -> Many<B> {
        Many(B::weighted_sums(a.0, by_a, b.0, by_b))
    }

    fn update_sgd(
        weights: Many<B>,
        gradients: Many<B>,
        velocities: Many<B>,
        options: Vec<SgdOptions>,
    ) -> (Many<B>, Many<B>) {
        let tensors = weights.0.into_iter().zip(gradients.0).zip(velocities.0);
        let parameter = |(((weight, gradient), velocity), options)| SgdParameter {
            weight,
            gradient,
            velocity,
            options,
        };
        let next = B::sgd_steps(tensors.zip(options).map(parameter).collect());
        let (weights, velocities) = next.into_iter().map(<(_, _)>::from).unzip();
        (Many(weights), Many(velocities))
    }
}

macro_rules! without_graph {
    ($backend:ty) => {
        impl LayerOps for $backend {
            fn layer_conv(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                packed: Packed<Self>,
                shape: ConvShape,
            ) -> FloatTensor<Self> {
                Self::conv(x, packed.forward(weight), shape)
            }

            fn layer_norm(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                running: Running<Self>,
                relu: bool,
                epsilon: f64,
                ranks: Ranks,
            ) -> (
                FloatTensor<Self>,
                FloatTensor<Self>,
                FloatTensor<Self>,
                Running<Self>,
            ) {
                let ([output, mean, variance], next) =
                    Self::norm(x, weight, bias, None, running, (relu, epsilon), ranks);
                (output, mean, variance, next)
            }

            fn layer_norm_residual(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                bias: FloatTensor<Self>,
                residual: FloatTensor<Self>,
                running: Running<Self>,
                relu: bool,
                epsilon: f64,
                ranks: Ranks,
            ) -> (
                FloatTensor<Self>,
                FloatTensor<Self>,
                FloatTensor<Self>,
                Running<Self>,
            ) {
                let residual = Some(residual);
                let ([output, mean, variance], next) =
                    Self::norm(x, weight, bias, residual, running, (relu, epsilon), ranks);
                (output, mean, variance, next)
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
