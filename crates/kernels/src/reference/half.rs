//! The operations with activations stored in f16 or bf16 on the CPU: widened on the way in, computed in f32, rounded on
//! the way out, as a GPU does it. For checks of what a narrow element does to a step; a run on the CPU never comes here.

use burn::backend::ops::FloatTensorOps;
use burn::tensor::{DType, FloatDType};
use burn_flex::{Flex, FlexTensor};

use crate::ops::{Kernels, SavedNorm};
use crate::shape::{ConvShape, PoolShape};

fn wide(tensor: FlexTensor) -> FlexTensor {
    Flex::float_cast(tensor, FloatDType::F32)
}

fn stored(tensor: FlexTensor, element: DType) -> FlexTensor {
    Flex::float_cast(tensor, element.into())
}

pub fn conv(x: FlexTensor, weight: FlexTensor, shape: ConvShape) -> FlexTensor {
    let element = x.dtype();
    stored(Flex::conv(wide(x), wide(weight), shape), element)
}

pub fn conv_grad_input(grad: FlexTensor, weight: FlexTensor, shape: ConvShape) -> FlexTensor {
    let element = grad.dtype();
    stored(
        Flex::conv_grad_input(wide(grad), wide(weight), shape),
        element,
    )
}

/// A parameter's gradient stays f32.
pub fn conv_grad_weight(x: FlexTensor, grad: FlexTensor, shape: ConvShape) -> FlexTensor {
    Flex::conv_grad_weight(wide(x), wide(grad), shape)
}

/// Statistics stay f32.
pub fn norm(
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    residual: Option<FlexTensor>,
    relu: bool,
    epsilon: f64,
) -> [FlexTensor; 3] {
    let element = x.dtype();
    let residual = residual.map(wide);
    let [output, mean, variance] = Flex::norm(wide(x), weight, bias, residual, relu, epsilon);
    [stored(output, element), mean, variance]
}

/// Gradients of scale and shift stay f32.
pub fn norm_grad(saved: SavedNorm<Flex>, grad: FlexTensor) -> [FlexTensor; 4] {
    let element = grad.dtype();
    let saved = SavedNorm {
        x: wide(saved.x),
        output: saved.output.map(wide),
        ..saved
    };
    let [input, weight, bias, residual] = Flex::norm_grad(saved, wide(grad));
    [
        stored(input, element),
        weight,
        bias,
        stored(residual, element),
    ]
}

pub fn pool(x: FlexTensor, shape: PoolShape) -> FlexTensor {
    let element = x.dtype();
    stored(Flex::pool(wide(x), shape), element)
}

pub fn pool_grad(
    x: FlexTensor,
    output: FlexTensor,
    grad: FlexTensor,
    shape: PoolShape,
) -> FlexTensor {
    let element = grad.dtype();
    let [x, output, grad] = [x, output, grad].map(wide);
    stored(Flex::pool_grad(x, output, grad, shape), element)
}
