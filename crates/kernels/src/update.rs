//! What moves parameters behind a step, each value read and written once: on a CPU one pass over memory in several threads,
//! on a GPU one kernel a parameter, where Burn's operations would be several. The products and sums are those of Burn's
//! operations in their order, and so are the bits on a CPU.
//!
//! As Burn's own operations do, these panic when shapes do not fit together.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Tensor};
use burn_cubecl::CubeBackend;
use burn_flex::{Flex, FlexTensor};

pub use crate::backend::cpu::SgdOptions;
use crate::backend::{cpu, gpu, pooled};

/// The updates on tensors without a graph, of f32 and of equal shapes.
#[backend_extension(Flex, Cube)]
pub trait UpdateOps: Backend {
    /// See [`weighted_sum`].
    fn update_weighted_sum(
        a: FloatTensor<Self>,
        by_a: f64,
        b: FloatTensor<Self>,
        by_b: f64,
    ) -> FloatTensor<Self>;

    /// See [`sgd_step`].
    fn update_momentum(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        by: SgdOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl UpdateOps for Flex {
    fn update_weighted_sum(a: FlexTensor, by_a: f64, b: FlexTensor, by_b: f64) -> FlexTensor {
        let (a, b) = (a.to_contiguous(), b.to_contiguous());
        let values = [&a, &b].map(|tensor| tensor.as_slice().unwrap_or(&[]));
        let sum = cpu::weighted_sum(values[0], by_a, values[1], by_b);
        pooled::shaped(sum, a.layout().shape().clone())
    }

    fn update_momentum(
        weight: FlexTensor,
        gradient: FlexTensor,
        velocity: FlexTensor,
        by: SgdOptions,
    ) -> (FlexTensor, FlexTensor) {
        let weight = weight.to_contiguous();
        let (mut gradient, mut velocity) = (whole(gradient), whole(velocity));
        // Contiguous f32, as `whole` and the caller have seen to.
        let weight = weight.as_slice().unwrap_or(&[]);
        cpu::sgd_step(weight, gradient.storage_mut(), velocity.storage_mut(), &by);
        (gradient, velocity)
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

impl UpdateOps for CubeBackend {
    fn update_weighted_sum(
        a: FloatTensor<Self>,
        by_a: f64,
        b: FloatTensor<Self>,
        by_b: f64,
    ) -> FloatTensor<Self> {
        gpu::update::weighted_sum(a, by_a, b, by_b)
    }

    fn update_momentum(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        by: SgdOptions,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        gpu::update::momentum(weight, gradient, velocity, by)
    }
}

/// Whether the passes of this crate take these: f32 without a graph.
fn suits<const D: usize>(tensors: &[&Tensor<D>]) -> bool {
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
    if !suits(&[&a, &b]) {
        return a * by_a + b * by_b;
    }
    let sum = Dispatch::update_weighted_sum(a.into_dispatch(), by_a, b.into_dispatch(), by_b);
    Tensor::from_dispatch(sum)
}

/// `g <- g + decay w; v <- momentum v + g; w <- w - rate v`: the next weight and velocity. With Nesterov's momentum
/// `w <- w - rate (g + momentum v)` (methods.md 4.1).
///
/// # Panics
/// When the shapes differ.
pub fn sgd_step(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    velocity: Tensor<1>,
    by: SgdOptions,
) -> (Tensor<1>, Tensor<1>) {
    let dims = weight.dims();
    assert!(
        gradient.dims() == dims && velocity.dims() == dims,
        "weight, gradient and velocity differ in shape"
    );
    if suits(&[&weight, &gradient, &velocity]) {
        let (weight, velocity) = Dispatch::update_momentum(
            weight.into_dispatch(),
            gradient.into_dispatch(),
            velocity.into_dispatch(),
            by,
        );
        return (
            Tensor::from_dispatch(weight),
            Tensor::from_dispatch(velocity),
        );
    }
    let pull = gradient + weight.clone() * by.decay;
    let velocity = velocity * by.momentum + pull.clone();
    let step = match by.nesterov {
        true => pull + velocity.clone() * by.momentum,
        false => velocity.clone(),
    };
    (weight - step * by.rate, velocity)
}
