//! Updates of parameters on a GPU: one kernel that reads and writes each value once.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::linear_launch;
use super::tensors::empty;
use super::tile::load_width;
use crate::options::SgdOptions;

/// `by_a a + by_b b`.
#[cube(launch_unchecked)]
fn sum_of_two<N: Size>(
    a: &[Vector<f32, N>],
    b: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    len: u32,
    by_a: f32,
    by_b: f32,
) {
    let at = ABSOLUTE_POS;
    if at as u32 >= len {
        terminate!();
    }
    out[at] = a[at] * Vector::new(by_a) + b[at] * Vector::new(by_b);
}

/// SGD with momentum and weight decay; see [`SgdOptions`].
#[cube(launch_unchecked)]
fn sgd_step<N: Size>(
    weight: &[Vector<f32, N>],
    gradient: &[Vector<f32, N>],
    velocity: &[Vector<f32, N>],
    next_weight: &mut [Vector<f32, N>],
    next_velocity: &mut [Vector<f32, N>],
    len: u32,
    decay: f32,
    momentum: f32,
    rate: f32,
    #[comptime] nesterov: bool,
) {
    let at = ABSOLUTE_POS;
    if at as u32 >= len {
        terminate!();
    }
    let decayed = gradient[at] + weight[at] * Vector::new(decay);
    let updated = velocity[at] * Vector::new(momentum) + decayed;
    next_velocity[at] = updated;
    if comptime!(nesterov) {
        let step = decayed + updated * Vector::new(momentum);
        next_weight[at] = weight[at] - step * Vector::new(rate);
    } else {
        next_weight[at] = weight[at] - updated * Vector::new(rate);
    }
}

/// Values of a load, and loads of a tensor with `len` values.
fn loads(len: usize) -> (usize, usize) {
    let width = load_width(len);
    (width, len / width)
}

/// See [`crate::ops::Kernels::weighted_sum`].
pub(crate) fn weighted_sum(a: CubeTensor, by_a: f64, b: CubeTensor, by_b: f64) -> CubeTensor {
    let (a, b) = (into_contiguous(a), into_contiguous(b));
    let out = empty(&a, a.meta.shape().to_vec());
    let (width, count) = loads(a.meta.shape().num_elements());
    let (workgroups, size) = linear_launch(count);
    let client = a.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: invocations past the last value return; all tensors have as many values.
    unsafe {
        sum_of_two::launch_unchecked(
            &client,
            workgroups,
            size,
            width,
            a.into_buffer_arg(),
            b.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            count as u32,
            by_a as f32,
            by_b as f32,
        );
    }
    out
}

/// See [`crate::ops::Kernels::sgd_step`].
pub(crate) fn sgd(
    weight: CubeTensor,
    gradient: CubeTensor,
    velocity: CubeTensor,
    options: SgdOptions,
) -> [CubeTensor; 2] {
    let [weight, gradient, velocity] = [weight, gradient, velocity].map(into_contiguous);
    let shape = weight.meta.shape().to_vec();
    let (next_weight, next_velocity) = (empty(&weight, shape.clone()), empty(&weight, shape));
    let (width, count) = loads(weight.meta.shape().num_elements());
    let (workgroups, size) = linear_launch(count);
    let client = weight.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: invocations past the last value return; all tensors have as many values.
    unsafe {
        sgd_step::launch_unchecked(
            &client,
            workgroups,
            size,
            width,
            weight.into_buffer_arg(),
            gradient.into_buffer_arg(),
            velocity.into_buffer_arg(),
            next_weight.clone().into_buffer_arg(),
            next_velocity.clone().into_buffer_arg(),
            count as u32,
            options.weight_decay as f32,
            options.momentum as f32,
            options.learning_rate as f32,
            options.nesterov,
        );
    }
    [next_weight, next_velocity]
}
