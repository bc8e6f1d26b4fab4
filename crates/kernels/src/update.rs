//! Parameter updates in one pass over memory: in several threads on a CPU, one kernel launch on a GPU, where Burn's
//! operations would take several. They multiply and add what Burn's operations would, in the same order, so that a CPU gives
//! the same bits.
//!
//! Like Burn's own operations, these panic when shapes do not match.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Tensor};

use crate::ops::UpdateOps;
use crate::options::SgdOptions;

/// Whether the fused kernels take these tensors: f32, without a graph.
fn is_fusible<const D: usize>(tensors: &[&Tensor<D>]) -> bool {
    tensors.iter().all(|tensor| {
        let device = tensor.device();
        let known = matches!(
            device.as_dispatch(),
            DispatchDevice::Flex(_) | DispatchDevice::Cube(_)
        );
        known && tensor.dtype() == DType::F32
    })
}

/// `by_a a + by_b b`.
///
/// # Panics
/// When the shapes differ.
pub fn weighted_sum<const D: usize>(a: Tensor<D>, by_a: f64, b: Tensor<D>, by_b: f64) -> Tensor<D> {
    assert!(a.dims() == b.dims(), "a sum of different shapes");
    if !is_fusible(&[&a, &b]) {
        return a * by_a + b * by_b;
    }
    let sum = Dispatch::update_weighted_sum(a.into_dispatch(), by_a, b.into_dispatch(), by_b);
    Tensor::from_dispatch(sum)
}

/// One SGD step: the next weight and velocity,
/// `g <- g + weight_decay w; v <- momentum v + g; w <- w - learning_rate v`. With Nesterov momentum
/// `w <- w - learning_rate (g + momentum v)` (methods.md 4.1).
///
/// # Panics
/// When the shapes differ.
pub fn sgd_step(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    velocity: Tensor<1>,
    options: SgdOptions,
) -> (Tensor<1>, Tensor<1>) {
    let dims = weight.dims();
    assert!(
        gradient.dims() == dims && velocity.dims() == dims,
        "weight, gradient and velocity differ in shape"
    );
    if is_fusible(&[&weight, &gradient, &velocity]) {
        let (weight, velocity) = Dispatch::update_sgd(
            weight.into_dispatch(),
            gradient.into_dispatch(),
            velocity.into_dispatch(),
            options,
        );
        return (
            Tensor::from_dispatch(weight),
            Tensor::from_dispatch(velocity),
        );
    }
    let gradient = gradient + weight.clone() * options.weight_decay;
    let velocity = velocity * options.momentum + gradient.clone();
    let step = match options.nesterov {
        true => gradient + velocity.clone() * options.momentum,
        false => velocity.clone(),
    };
    (weight - step * options.learning_rate, velocity)
}
