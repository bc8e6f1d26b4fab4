//! Burn's own operations, forward and backward without a graph, which ours are compared with. Activations are
//! channels-first, as Burn has them.

use burn::backend::Dispatch;
use burn::backend::ops::{ActivationOps, ModuleOps};
use burn::tensor::module::{
    batch_norm_train, conv2d, conv2d_weight_backward, max_pool2d_with_indices,
    max_pool2d_with_indices_backward,
};
use burn::tensor::ops::{ConvOptions, MaxPoolOptions};
use burn::tensor::{Int, Tensor};
use parallax_kernels::{ConvShape, PoolShape};

fn options(shape: &ConvShape) -> ConvOptions<2> {
    ConvOptions::new(shape.stride, shape.padding, shape.dilation, 1)
}

pub fn conv(x: Tensor<4>, weight: Tensor<4>, shape: &ConvShape) -> Tensor<4> {
    conv2d(x, weight, None, options(shape))
}

pub fn conv_input(x: Tensor<4>, weight: Tensor<4>, grad: Tensor<4>, shape: &ConvShape) {
    let (x, weight, grad) = (
        x.into_dispatch(),
        weight.into_dispatch(),
        grad.into_dispatch(),
    );
    Tensor::<4>::from_dispatch(Dispatch::conv2d_x_backward(x, weight, grad, options(shape)));
}

pub fn conv_weight(x: Tensor<4>, weight: Tensor<4>, grad: Tensor<4>, shape: &ConvShape) {
    conv2d_weight_backward(x, weight, grad, options(shape));
}

/// What the backward pass takes.
pub struct Normed {
    output: Tensor<2>,
    mean: Tensor<1>,
    variance: Tensor<1>,
}

pub fn norm_relu(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Normed {
    let normed = batch_norm_train(x, weight, bias, epsilon);
    Normed {
        output: burn::tensor::activation::relu(normed.output),
        mean: normed.mean,
        variance: normed.variance,
    }
}

pub fn norm_relu_backward(
    x: Tensor<2>,
    normed: &Normed,
    weight: Tensor<1>,
    grad: Tensor<2>,
    epsilon: f64,
) {
    let output = normed.output.clone().into_dispatch();
    let grad = Dispatch::relu_backward(output, grad.into_dispatch());
    Dispatch::batch_norm_train_backward(
        x.into_dispatch(),
        weight.into_dispatch(),
        normed.mean.clone().into_dispatch(),
        normed.variance.clone().into_dispatch(),
        epsilon,
        grad,
    );
}

pub fn pool(x: Tensor<4>, shape: &PoolShape) -> (Tensor<4>, Tensor<4, Int>) {
    let options = MaxPoolOptions {
        kernel_size: [shape.kernel; 2],
        stride: [shape.stride; 2],
        padding: [(shape.padding, shape.padding); 2],
        dilation: [1; 2],
        ceil_mode: false,
    };
    max_pool2d_with_indices(x, options)
}

pub fn pool_backward(x: Tensor<4>, indices: Tensor<4, Int>, grad: Tensor<4>, shape: &PoolShape) {
    let window = ([shape.kernel; 2], [shape.stride; 2], [shape.padding; 2]);
    max_pool2d_with_indices_backward(
        x, window.0, window.1, window.2, [1; 2], false, grad, indices,
    );
}
