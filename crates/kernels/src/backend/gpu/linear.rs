//! The linear layer's products on a GPU: convolutions of one tap over images of one pixel, so that one tile serves
//! all products.

use burn_cubecl::ops::{permute, reshape};
use burn_cubecl::tensor::CubeTensor;

use super::adapter::Adapter;
use super::{conv, conv_weight};
use crate::shape::{ConvShape, LinearShape};

/// Steps of a sum from which its parts are computed side by side: few rows and columns alone leave a GPU idle.
const LONG: usize = 8192;

/// A product as a convolution: as it stands, or with its operands or its result turned.
pub(crate) enum Route {
    Straight(ConvShape),
    Turned(ConvShape),
}

/// The right operand is brought into another order on the way: the smaller one shall be it.
pub(crate) fn forward_route(shape: &LinearShape) -> Route {
    let LinearShape {
        batch,
        inputs,
        outputs,
    } = *shape;
    match batch < outputs {
        true => Route::Turned(pixels(outputs, inputs, batch)),
        false => Route::Straight(pixels(batch, inputs, outputs)),
    }
}

/// A sum over many keys is as a gradient's over pixels where no product's sum is in parts.
pub(crate) fn grad_input_route(shape: &LinearShape, adapter: Adapter) -> Route {
    let LinearShape {
        batch,
        inputs,
        outputs,
    } = *shape;
    match outputs >= LONG && adapter.is_software() {
        true => Route::Turned(pixels(outputs, inputs, batch)),
        false => Route::Straight(pixels(batch, inputs, outputs)),
    }
}

/// `[images, inputs]` meets `[outputs, inputs]`.
pub(crate) fn pixels(images: usize, inputs: usize, outputs: usize) -> ConvShape {
    ConvShape {
        batch: images,
        size: [1, 1],
        inputs,
        outputs,
        kernel: [1, 1],
        stride: [1, 1],
        padding: [0, 0],
        dilation: [1, 1],
    }
}

fn taps(weight: CubeTensor, outputs: usize, inputs: usize) -> CubeTensor {
    reshape(weight, [outputs, inputs, 1, 1].into())
}

fn matrix(tensor: CubeTensor, rows: usize, columns: usize) -> CubeTensor {
    reshape(tensor, [rows, columns].into())
}

/// See [`crate::ops::Kernels::linear_forward`].
pub(crate) fn linear_forward(x: CubeTensor, weight: CubeTensor, shape: &LinearShape) -> CubeTensor {
    let LinearShape {
        batch,
        inputs,
        outputs,
    } = *shape;
    match forward_route(shape) {
        Route::Turned(product) => {
            let x = taps(x, batch, inputs);
            let transposed = conv::conv(weight, x, &product);
            permute(matrix(transposed, outputs, batch), &[1, 0])
        }
        Route::Straight(product) => {
            let weight = taps(weight, outputs, inputs);
            matrix(conv::conv(x, weight, &product), batch, outputs)
        }
    }
}

/// See [`crate::ops::Kernels::linear_grad_input`].
pub(crate) fn linear_grad_input(
    grad: CubeTensor,
    weight: CubeTensor,
    shape: &LinearShape,
) -> CubeTensor {
    let LinearShape {
        batch,
        inputs,
        outputs,
    } = *shape;
    let input = match grad_input_route(shape, Adapter::of(&grad)) {
        Route::Turned(product) => {
            conv_weight::conv_grad_weight(weight, permute(grad, &[1, 0]), &product)
        }
        Route::Straight(product) => {
            let weight = taps(weight, outputs, inputs);
            conv::conv_grad_input(grad, weight, &product)
        }
    };
    matrix(input, batch, inputs)
}

/// See [`crate::ops::Kernels::linear_grad_weight`].
pub(crate) fn linear_grad_weight(
    x: CubeTensor,
    grad: CubeTensor,
    shape: &LinearShape,
) -> CubeTensor {
    let LinearShape {
        batch,
        inputs,
        outputs,
    } = *shape;
    let weight = conv_weight::conv_grad_weight(x, grad, &pixels(batch, inputs, outputs));
    matrix(weight, outputs, inputs)
}
