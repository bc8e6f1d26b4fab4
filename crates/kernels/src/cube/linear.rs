//! The linear layer's products on a GPU: convolutions of one tap over pictures of one pixel, so that one tile serves
//! all products.

use burn_cubecl::ops::{permute, reshape};
use burn_cubecl::tensor::CubeTensor;

use super::{conv, conv_weight};
use crate::cpu::{ConvShape, LinearShape};

/// Steps of a sum from which its parts are computed side by side: few rows and columns alone leave a GPU idle.
const LONG: usize = 8192;

/// `[pictures, inputs]` meets `[outputs, inputs]`.
fn pixels(pictures: usize, inputs: usize, outputs: usize) -> ConvShape {
    ConvShape {
        batch: pictures,
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
    // The right operand is brought into another order on the way: the smaller one shall be it.
    if batch < outputs {
        let x = taps(x, batch, inputs);
        let transposed = conv::conv(weight, x, &pixels(outputs, inputs, batch));
        return permute(matrix(transposed, outputs, batch), &[1, 0]);
    }
    let weight = taps(weight, outputs, inputs);
    let output = conv::conv(x, weight, &pixels(batch, inputs, outputs));
    matrix(output, batch, outputs)
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
    if outputs >= LONG {
        // The sum over keys is as a gradient's over pixels.
        let grad = permute(grad, &[1, 0]);
        let transposed = pixels(outputs, inputs, batch);
        let input = conv_weight::conv_grad_weight(weight, grad, &transposed);
        return matrix(input, batch, inputs);
    }
    let weight = taps(weight, outputs, inputs);
    let input = conv::conv_grad_input(grad, weight, &pixels(batch, inputs, outputs));
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
