//! Parameter updates in one pass over memory: in several threads on a CPU, on a GPU in a few launches for all tensors, where
//! Burn's operations would take several for each. They multiply and add what Burn's operations would, in the same order, so that
//! a CPU gives the same bits.
//!
//! Like Burn's own operations, these panic when shapes do not match.

use burn::backend::{Dispatch, DispatchDevice};
use burn::tensor::{DType, Tensor};

use crate::backend::gpu::adapter::is_gpu;
use crate::backend::gpu::lars::LarsOps;
use crate::ops::{Many, UpdateOps};
use crate::options::{LarsOptions, SgdOptions};

/// Whether the fused kernels take a tensor: f32, without a graph.
fn is_fusible<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device();
    let known = matches!(
        device.as_dispatch(),
        DispatchDevice::Flex(_) | DispatchDevice::Cube(_)
    );
    known && tensor.dtype() == DType::F32
}

fn many<const D: usize>(tensors: impl Iterator<Item = Tensor<D>>) -> Many<Dispatch> {
    Many(tensors.map(Tensor::into_dispatch).collect())
}

/// `by_a a + by_b b`.
///
/// # Panics
/// When the shapes differ.
pub fn weighted_sum<const D: usize>(a: Tensor<D>, by_a: f64, b: Tensor<D>, by_b: f64) -> Tensor<D> {
    let mut sums = weighted_sums(vec![[a.clone(), b]], by_a, by_b);
    // One of one pair.
    sums.pop().unwrap_or(a)
}

/// `by_a a + by_b b` of each pair `[a, b]`.
///
/// # Panics
/// When shapes of a pair differ.
pub fn weighted_sums<const D: usize>(
    pairs: Vec<[Tensor<D>; 2]>,
    by_a: f64,
    by_b: f64,
) -> Vec<Tensor<D>> {
    for [a, b] in &pairs {
        assert!(a.dims() == b.dims(), "a sum of different shapes");
    }
    if pairs.is_empty() || !pairs.iter().flatten().all(is_fusible) {
        let sum = |[a, b]: [Tensor<D>; 2]| a * by_a + b * by_b;
        return pairs.into_iter().map(sum).collect();
    }
    let (a, b): (Vec<_>, Vec<_>) = pairs.into_iter().map(<(_, _)>::from).unzip();
    let (a, b) = (many(a.into_iter()), many(b.into_iter()));
    let sums = Dispatch::update_weighted_sums(a, by_a, b, by_b);
    sums.0.into_iter().map(Tensor::from_dispatch).collect()
}

/// A parameter of a step: flat tensors of one length, and the hyperparameters.
#[derive(Clone, Debug)]
pub struct Parameter<O> {
    /// Before the step.
    pub weight: Tensor<1>,
    /// Of the loss.
    pub gradient: Tensor<1>,
    /// Before the step.
    pub velocity: Tensor<1>,
    /// Hyperparameters.
    pub options: O,
}

/// One SGD step: the next weight and velocity of each parameter,
/// `g <- g + weight_decay w; v <- momentum v + g; w <- w - learning_rate v`. With Nesterov momentum
/// `w <- w - learning_rate (g + momentum v)` (methods.md 4.1).
///
/// # Panics
/// When lengths of a parameter's tensors differ.
pub fn sgd_steps(parameters: Vec<Parameter<SgdOptions>>) -> Vec<(Tensor<1>, Tensor<1>)> {
    if !are_fusible(&parameters, |_| true) {
        return parameters.into_iter().map(step).collect();
    }
    let ([weights, gradients, velocities], options) = divided(parameters);
    joined(Dispatch::update_sgd(
        weights, gradients, velocities, options,
    ))
}

/// One LARS step, likewise, on a GPU: with weight decay
/// `local = eta |w| / (|g| + weight_decay |w|)`, or 1 where a norm is 0, without it 1;
/// `v <- momentum v + local learning_rate (g + weight_decay w); w <- w - v` (methods.md 4.2).
///
/// # Errors
/// The parameters themselves, where they are not all of f32 on a GPU.
///
/// # Panics
/// When lengths of a parameter's tensors differ.
pub fn lars_steps(
    parameters: Vec<Parameter<LarsOptions>>,
) -> Result<Vec<(Tensor<1>, Tensor<1>)>, Vec<Parameter<LarsOptions>>> {
    if !are_fusible(&parameters, |tensor| is_gpu(&tensor.device())) {
        return Err(parameters);
    }
    let ([weights, gradients, velocities], options) = divided(parameters);
    let next = Dispatch::update_lars(weights, gradients, velocities, options);
    Ok(joined(next))
}

/// Whether the fused kernels take all tensors, of which there are some.
fn are_fusible<O>(parameters: &[Parameter<O>], also: impl Fn(&Tensor<1>) -> bool) -> bool {
    for parameter in parameters {
        let dims = parameter.weight.dims();
        assert!(
            parameter.gradient.dims() == dims && parameter.velocity.dims() == dims,
            "weight, gradient and velocity differ in shape"
        );
    }
    let mut tensors = parameters
        .iter()
        .flat_map(|of| [&of.weight, &of.gradient, &of.velocity]);
    !parameters.is_empty() && tensors.all(|tensor| is_fusible(tensor) && also(tensor))
}

/// Weights, gradients, velocities and hyperparameters.
fn divided<O>(parameters: Vec<Parameter<O>>) -> ([Many<Dispatch>; 3], Vec<O>) {
    let (mut weights, mut gradients, mut velocities) = (Vec::new(), Vec::new(), Vec::new());
    let mut options = Vec::new();
    for parameter in parameters {
        weights.push(parameter.weight.into_dispatch());
        gradients.push(parameter.gradient.into_dispatch());
        velocities.push(parameter.velocity.into_dispatch());
        options.push(parameter.options);
    }
    ([weights, gradients, velocities].map(Many), options)
}

/// The next weight and velocity of each parameter.
fn joined((weights, velocities): (Many<Dispatch>, Many<Dispatch>)) -> Vec<(Tensor<1>, Tensor<1>)> {
    let next = weights.0.into_iter().zip(velocities.0);
    next.map(|(weight, velocity)| {
        (
            Tensor::from_dispatch(weight),
            Tensor::from_dispatch(velocity),
        )
    })
    .collect()
}

/// The step of one parameter in Burn's operations.
fn step(parameter: Parameter<SgdOptions>) -> (Tensor<1>, Tensor<1>) {
    let Parameter {
        weight,
        gradient,
        velocity,
        options,
    } = parameter;
    let gradient = gradient + weight.clone() * options.weight_decay;
    let velocity = velocity * options.momentum + gradient.clone();
    let step = match options.nesterov {
        true => gradient + velocity.clone() * options.momentum,
        false => velocity.clone(),
    };
    (weight - step * options.learning_rate, velocity)
}
