//! The mean over pixels and the logarithm of softmax in Burn's operations: [`crate::layers`] has others for the CPU, which give
//! the same bits in a browser.

use burn::backend::TensorMetadata;
use burn::backend::ops::{ActivationOps, FloatTensorOps};
use burn_flex::{Flex, FlexTensor};

pub(super) fn mean(x: FlexTensor) -> FlexTensor {
    let [batch, height, width, channels] = x.shape().dims();
    let pixels = Flex::float_reshape(x, [batch, height * width, channels].into());
    Flex::float_reshape(Flex::float_mean_dim(pixels, 1), [batch, channels].into())
}

pub(super) fn mean_grad(grad: FlexTensor, [height, width]: [usize; 2]) -> FlexTensor {
    let [batch, channels] = grad.shape().dims();
    let share = Flex::float_mul_scalar(grad, (1.0 / (height * width) as f64).into());
    let share = Flex::float_reshape(share, [batch, 1, 1, channels].into());
    Flex::float_expand(share, [batch, height, width, channels].into())
}

pub(super) fn log_softmax(x: FlexTensor) -> FlexTensor {
    Flex::log_softmax(x, 1)
}

pub(super) fn log_softmax_grad(output: FlexTensor, grad: FlexTensor) -> FlexTensor {
    let shape = grad.shape();
    let sums = Flex::float_expand(Flex::float_sum_dim(grad.clone(), 1), shape);
    Flex::float_sub(grad, Flex::float_mul(Flex::float_exp(output), sums))
}
