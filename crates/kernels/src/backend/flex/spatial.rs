//! Resampling and the losses of pixels on the CPU.

use burn_flex::FlexTensor;

use super::{Contiguous, is_double};
use crate::backend::cpu;
use crate::backend::pooled::tensor;
use crate::pixel_labels::{LogitShape, PixelLabels};
use crate::reference::spatial as reference;
use crate::sampling::Sampling;

/// See [`crate::ops::Kernels::sample`].
pub fn sample(x: FlexTensor, sampling: &Sampling) -> FlexTensor {
    if is_double(&x) {
        return reference::sample(x, sampling);
    }
    let x = Contiguous::new(x);
    let ([rows, columns], [height, width]) = (sampling.output, sampling.size);
    let channels = x.values().len() / (sampling.batch * height * width);
    let output = cpu::sample(sampling, channels, x.values());
    tensor(output, [sampling.regions(), rows, columns, channels])
}

/// See [`crate::ops::Kernels::sample_grad`].
pub fn sample_grad(grad: FlexTensor, sampling: &Sampling) -> FlexTensor {
    if is_double(&grad) {
        return reference::sample_grad(grad, sampling);
    }
    let grad = Contiguous::new(grad);
    let ([rows, columns], [height, width]) = (sampling.output, sampling.size);
    let channels = grad.values().len() / (sampling.regions() * rows * columns);
    let input = cpu::sample_backward(sampling, channels, grad.values());
    tensor(input, [sampling.batch, height, width, channels])
}

/// See [`crate::ops::Kernels::pixel_losses`].
pub fn pixel_losses(
    logits: FlexTensor,
    labels: &PixelLabels,
    shape: LogitShape,
) -> [FlexTensor; 2] {
    if is_double(&logits) {
        return reference::pixel_losses(logits, labels, shape);
    }
    let logits = Contiguous::new(logits);
    let (losses, logarithms) = cpu::pixel_losses(&shape, labels, logits.values());
    let pixels = shape.pixels();
    [tensor(losses, [pixels]), tensor(logarithms, [pixels])]
}

/// See [`crate::ops::Kernels::pixel_losses_grad`].
pub fn pixel_losses_grad(
    logits: FlexTensor,
    logarithms: FlexTensor,
    grad: FlexTensor,
    labels: &PixelLabels,
    shape: LogitShape,
) -> FlexTensor {
    if is_double(&grad) {
        return reference::pixel_losses_grad(logits, logarithms, grad, labels, shape);
    }
    let [logits, logarithms, grad] = [logits, logarithms, grad].map(Contiguous::new);
    let values = [&logits, &logarithms, &grad].map(Contiguous::values);
    let input = cpu::pixel_losses_backward(&shape, labels, values[0], values[1], values[2]);
    let [height, width] = shape.size;
    tensor(input, [shape.batch, height, width, shape.classes])
}
