//! What moves parameters: on the CPU one pass over memory in several threads, elsewhere Burn's operations in the same
//! order of the same products and sums.
//!
//! As Burn's own operations do, these panic when shapes do not fit together, and on tensors with a graph.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Tensor};
use burn_flex::{Flex, FlexTensor};

pub use crate::cpu::SgdRule;
use crate::{cpu, kept};

/// The updates on the CPU, in f32.
#[backend_extension(Flex)]
pub trait UpdateOps: Backend {
    /// The next weight and velocity.
    fn update_sgd(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        rule: SgdRule,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);

    /// The next target.
    fn update_follow(
        target: FloatTensor<Self>,
        online: FloatTensor<Self>,
        momentum: f64,
    ) -> FloatTensor<Self>;
}

impl UpdateOps for Flex {
    fn update_sgd(
        weight: FlexTensor,
        gradient: FlexTensor,
        velocity: FlexTensor,
        rule: SgdRule,
    ) -> (FlexTensor, FlexTensor) {
        let weight = weight.to_contiguous();
        let (mut gradient, mut velocity) = (whole(gradient), whole(velocity));
        // Contiguous f32, as `whole` and the caller have seen to.
        let weight = weight.as_slice().unwrap_or(&[]);
        cpu::sgd(
            weight,
            gradient.storage_mut(),
            velocity.storage_mut(),
            &rule,
        );
        (gradient, velocity)
    }

    fn update_follow(target: FlexTensor, online: FlexTensor, momentum: f64) -> FlexTensor {
        let (target, online) = (target.to_contiguous(), online.to_contiguous());
        let values = [&target, &online].map(|tensor| tensor.as_slice().unwrap_or(&[]));
        let next = cpu::follow(values[0], values[1], momentum);
        let len = next.len();
        kept::tensor(next, [len])
    }
}

/// The tensor as all that its memory holds, in order; the same memory where it is so already.
fn whole(tensor: FlexTensor) -> FlexTensor {
    let begins = tensor.layout().start_offset() == 0 && tensor.is_contiguous();
    let ends = tensor.bytes().len() == size_of::<f32>() * tensor.layout().num_elements();
    if begins && ends {
        return tensor;
    }
    tensor.to_contiguous()
}

/// Whether the CPU's own pass is for these.
fn on_cpu<const N: usize>(tensors: [&Tensor<1>; N]) -> bool {
    tensors.iter().all(|tensor| {
        matches!(tensor.device().as_dispatch(), DispatchDevice::Flex(_))
            && tensor.dtype() == DType::F32
    })
}

/// The next weight and velocity of some parameters by momentum SGD.
///
/// # Panics
/// When lengths differ.
pub fn sgd(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    velocity: Tensor<1>,
    rule: &SgdRule,
) -> (Tensor<1>, Tensor<1>) {
    assert!(
        weight.dims() == gradient.dims() && weight.dims() == velocity.dims(),
        "weight, gradient and velocity differ in length"
    );
    if on_cpu([&weight, &gradient, &velocity]) {
        let (weight, gradient) = (weight.into_dispatch(), gradient.into_dispatch());
        let velocity = velocity.into_dispatch();
        let (weight, velocity) = Dispatch::update_sgd(weight, gradient, velocity, *rule);
        return (
            Tensor::from_dispatch(weight),
            Tensor::from_dispatch(velocity),
        );
    }
    let pull = gradient + weight.clone() * rule.decay;
    let velocity = velocity * rule.momentum + pull.clone();
    let step = match rule.nesterov {
        true => pull + velocity.clone() * rule.momentum,
        false => velocity.clone(),
    };
    (weight - step * rule.rate, velocity)
}

/// `momentum target + (1 - momentum) online`.
///
/// # Panics
/// When lengths differ.
pub fn follow(target: Tensor<1>, online: Tensor<1>, momentum: f64) -> Tensor<1> {
    assert!(
        target.dims() == online.dims(),
        "target and online network differ in length"
    );
    if on_cpu([&target, &online]) {
        let (target, online) = (target.into_dispatch(), online.into_dispatch());
        return Tensor::from_dispatch(Dispatch::update_follow(target, online, momentum));
    }
    target * momentum + online * (1.0 - momentum)
}
