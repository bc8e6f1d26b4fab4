//! What moves parameters behind a step: on a GPU one kernel a parameter, where Burn's operations would be several. On a CPU
//! they are Burn's operations.

use burn::backend::tensor::FloatTensor;
use burn::backend::{Backend, Dispatch, DispatchDevice, backend_extension};
use burn::tensor::{DType, Tensor};

use crate::cube::update;

/// Factors of a step of SGD.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Momentum {
    /// Share of the weight that is added to its gradient.
    pub decay: f64,
    /// Share of the velocity that stays.
    pub momentum: f64,
    /// Share of the velocity by which the weight moves.
    pub rate: f64,
    /// Whether it moves by the gradient and the velocity's next share instead.
    pub nesterov: bool,
}

/// The updates on tensors without a graph, of f32 and of equal shapes.
#[backend_extension(Cube)]
pub trait UpdateOps: Backend {
    /// See [`weighted_sum`].
    fn update_weighted_sum(
        a: FloatTensor<Self>,
        by_a: f64,
        b: FloatTensor<Self>,
        by_b: f64,
    ) -> FloatTensor<Self>;

    /// See [`momentum_step`].
    fn update_momentum(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        by: Momentum,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl UpdateOps for burn_cubecl::CubeBackend {
    fn update_weighted_sum(
        a: FloatTensor<Self>,
        by_a: f64,
        b: FloatTensor<Self>,
        by_b: f64,
    ) -> FloatTensor<Self> {
        update::weighted_sum(a, by_a, b, by_b)
    }

    fn update_momentum(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        velocity: FloatTensor<Self>,
        by: Momentum,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        update::momentum(weight, gradient, velocity, by)
    }
}

/// Whether kernels take these: f32 on a GPU, without a graph.
fn by_kernel<const D: usize>(tensors: &[&Tensor<D>]) -> bool {
    let suits = |tensor: &&Tensor<D>| {
        let device = tensor.device();
        matches!(device.as_dispatch(), DispatchDevice::Cube(_)) && tensor.dtype() == DType::F32
    };
    tensors.iter().all(suits)
}

/// `by_a a + by_b b`.
///
/// # Panics
/// When the shapes differ.
pub fn weighted_sum<const D: usize>(a: Tensor<D>, by_a: f64, b: Tensor<D>, by_b: f64) -> Tensor<D> {
    assert!(a.dims() == b.dims(), "a sum of different shapes");
    if !by_kernel(&[&a, &b]) {
        return a * by_a + b * by_b;
    }
    let sum = Dispatch::update_weighted_sum(a.into_dispatch(), by_a, b.into_dispatch(), by_b);
    Tensor::from_dispatch(sum)
}

/// `g <- g + decay w; v <- momentum v + g; w <- w - rate v`: the next weight and velocity. With Nesterov's momentum
/// `w <- w - rate (g + momentum v)`.
///
/// # Panics
/// When the shapes differ.
pub fn momentum_step(
    weight: Tensor<1>,
    gradient: Tensor<1>,
    velocity: Tensor<1>,
    by: Momentum,
) -> (Tensor<1>, Tensor<1>) {
    let dims = weight.dims();
    assert!(
        gradient.dims() == dims && velocity.dims() == dims,
        "weight, gradient and velocity differ in shape"
    );
    if by_kernel(&[&weight, &gradient, &velocity]) {
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
