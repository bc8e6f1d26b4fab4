//! The backward passes of [`crate::layers`] without a graph, for benchmarks and tests.
//!
//! Like Burn's own operations, these panic when shapes do not match, and on tensors with a graph.

use burn::backend::Dispatch;
use burn::tensor::Tensor;

use crate::layers::Normed;
use crate::ops::GradientOps;
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// The input gradient of a convolution: `grad` `[batch, height', width', out]` and `weight`
/// `[out, in, kernel, kernel]` to `[batch, height, width, in]`.
pub fn conv2d_input(grad: Tensor<4>, weight: Tensor<4>, shape: ConvShape) -> Tensor<4> {
    let [height, width] = shape.out_size();
    assert_eq!(grad.dims(), [shape.batch, height, width, shape.outputs]);
    assert_eq!(weight.dims(), weight_dims(&shape));
    let (grad, weight) = (grad.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::gradient_conv_input(grad, weight, shape))
}

/// The weight gradient of a convolution: `x` `[batch, height, width, in]` and `grad`
/// `[batch, height', width', out]` to `[out, in, kernel, kernel]`.
pub fn conv2d_weight(x: Tensor<4>, grad: Tensor<4>, shape: ConvShape) -> Tensor<4> {
    let [height, width] = shape.out_size();
    let [batch, inputs, outputs] = [shape.batch, shape.inputs, shape.outputs];
    assert_eq!(x.dims(), [batch, shape.size[0], shape.size[1], inputs]);
    assert_eq!(grad.dims(), [batch, height, width, outputs]);
    let (x, grad) = (x.into_dispatch(), grad.into_dispatch());
    Tensor::from_dispatch(Dispatch::gradient_conv_weight(x, grad, shape))
}

fn weight_dims(shape: &ConvShape) -> [usize; 4] {
    let [height, width] = shape.kernel;
    [shape.outputs, shape.inputs, height, width]
}

/// The gradients of x, weight and bias of a batch norm with ReLU: `x` and `grad` are `[rows, channels]`, `affine` are weight and
/// bias, `normed` is what the forward pass gave.
pub fn batch_norm_relu(
    x: Tensor<2>,
    normed: Normed<2>,
    (weight, bias): (Tensor<1>, Tensor<1>),
    grad: Tensor<2>,
    epsilon: f64,
) -> (Tensor<2>, Tensor<1>, Tensor<1>) {
    let dims = x.dims();
    assert!(grad.dims() == dims && weight.dims() == [dims[1]] && bias.dims() == [dims[1]]);
    let (x, weight, bias) = Dispatch::gradient_norm_relu(
        x.into_dispatch(),
        weight.into_dispatch(),
        bias.into_dispatch(),
        normed.mean.into_dispatch(),
        normed.variance.into_dispatch(),
        grad.into_dispatch(),
        epsilon,
    );
    (
        Tensor::from_dispatch(x),
        Tensor::from_dispatch(weight),
        Tensor::from_dispatch(bias),
    )
}

/// The input gradient of a max-pool: `x` is `[batch, height, width, channels]`, `output` what the forward pass
/// gave, and `grad` like it.
pub fn max_pool2d(x: Tensor<4>, output: Tensor<4>, grad: Tensor<4>, shape: PoolShape) -> Tensor<4> {
    let ([height, width], channels) = (shape.out_size(), shape.channels);
    assert_eq!(
        x.dims(),
        [shape.batch, shape.size[0], shape.size[1], channels]
    );
    assert_eq!(output.dims(), [shape.batch, height, width, channels]);
    assert_eq!(grad.dims(), output.dims());
    let (x, output, grad) = (
        x.into_dispatch(),
        output.into_dispatch(),
        grad.into_dispatch(),
    );
    Tensor::from_dispatch(Dispatch::gradient_pool(x, output, grad, shape))
}

/// The input gradient of a linear layer: `grad` `[batch, outputs]` and `weight` `[outputs, inputs]` to
/// `[batch, inputs]`.
pub fn linear_input(grad: Tensor<2>, weight: Tensor<2>) -> Tensor<2> {
    let ([batch, outputs], [expected, inputs]) = (grad.dims(), weight.dims());
    assert_eq!(outputs, expected);
    let shape = LinearShape {
        batch,
        inputs,
        outputs,
    };
    let (grad, weight) = (grad.into_dispatch(), weight.into_dispatch());
    Tensor::from_dispatch(Dispatch::gradient_linear_input(grad, weight, shape))
}

/// The weight gradient of a linear layer: `x` `[batch, inputs]` and `grad` `[batch, outputs]` to
/// `[outputs, inputs]`.
pub fn linear_weight(x: Tensor<2>, grad: Tensor<2>) -> Tensor<2> {
    let ([batch, inputs], [expected, outputs]) = (x.dims(), grad.dims());
    assert_eq!(batch, expected);
    let shape = LinearShape {
        batch,
        inputs,
        outputs,
    };
    let (x, grad) = (x.into_dispatch(), grad.into_dispatch());
    Tensor::from_dispatch(Dispatch::gradient_linear_weight(x, grad, shape))
}
