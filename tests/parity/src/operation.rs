//! Operands of an operation that is compared between devices, and its output and gradients.

use burn::tensor::{Device, Tensor, TensorData};

/// Smooth values without a pattern that a wrong index could hide in.
pub(crate) fn values<const D: usize>(shape: [usize; D], phase: f64, device: &Device) -> Tensor<D> {
    let count: usize = shape.iter().product();
    let value = |i: usize| ((i % 7919) as f64 * (0.61 + phase)).sin() as f32;
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// One operation: from a device with autodiff to its output and the gradients by its inputs, each flat.
pub(crate) type Case = Box<dyn Fn(&Device) -> Vec<Tensor<1>>>;

pub(crate) fn flat<const D: usize>(tensor: Tensor<D>) -> Tensor<1> {
    let count: usize = tensor.dims().iter().product();
    tensor.reshape([count])
}

/// The gradients that a weighted sum of the output gives.
pub(crate) fn pull<const D: usize>(output: &Tensor<D>, device: &Device) -> burn::tensor::Gradients {
    (output.clone() * values(output.dims(), 0.29, device))
        .sum()
        .backward()
}

pub(crate) fn gradient<const D: usize>(
    tensor: &Tensor<D>,
    gradients: &burn::tensor::Gradients,
) -> Tensor<1> {
    // A missing gradient becomes an empty tensor, which equals nothing.
    match tensor.grad(gradients) {
        Some(gradient) => flat(gradient),
        None => Tensor::from_data(
            TensorData::new(Vec::<f32>::new(), [0]),
            &tensor.device().inner(),
        ),
    }
}
