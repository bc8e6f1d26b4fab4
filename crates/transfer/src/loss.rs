//! Losses as sums with given weights. The weights are made on the host, where it is known what a step learns from.

use burn::tensor::activation::log_sigmoid;
use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::{log_softmax, row_sums};

/// Uploads rows of values.
pub(crate) fn upload<const D: usize>(
    values: Vec<f32>,
    shape: [usize; D],
    device: &Device,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// `sum(x)`, `[1]`, in an order that does not depend on the processor.
fn total<const D: usize>(x: Tensor<D>) -> Tensor<1> {
    let count = x.dims().iter().product::<usize>();
    row_sums(x.reshape([1, count])).reshape([1])
}

/// `sum(weights * BCE(sigmoid(logits), targets))`, `[1]`.
pub(crate) fn binary_cross_entropy<const D: usize>(
    logits: Tensor<D>,
    targets: Tensor<D>,
    weights: Tensor<D>,
) -> Tensor<1> {
    let positive = log_sigmoid(logits.clone()) * targets.clone();
    let negative = log_sigmoid(-logits) * (-targets + 1.0);
    total(-(positive + negative) * weights)
}

/// `sum(weights * |x - targets|)`, `[1]`.
pub(crate) fn l1<const D: usize>(
    x: Tensor<D>,
    targets: Tensor<D>,
    weights: Tensor<D>,
) -> Tensor<1> {
    total((x - targets).abs() * weights)
}

/// `sum(weights * -log softmax(logits))`, `[1]`: `weights` `[rows, classes]` are zero but for each row's class.
pub(crate) fn cross_entropy(logits: Tensor<2>, weights: Tensor<2>) -> Tensor<1> {
    total(-log_softmax(logits) * weights)
}
