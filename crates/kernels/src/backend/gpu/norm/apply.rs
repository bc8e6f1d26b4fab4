//! The elementwise passes of batch norm. An invocation takes one vector of channels of several rows, so that what belongs
//! to the channels is loaded and computed once.

use cubecl::prelude::*;

use super::sums::{Matrix, Workgroup, gated, work};
use crate::backend::gpu::bits::relu;

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, then the residual, then ReLU, each where there is one.
#[cube(launch_unchecked)]
pub(super) fn normalize<E: Float, N: Size>(
    x: &[Vector<E, N>],
    mean: &[Vector<f32, N>],
    variance: &[Vector<f32, N>],
    weight: &[Vector<f32, N>],
    bias: &[Vector<f32, N>],
    residual: ComptimeOption<&[Vector<E, N>]>,
    out: &mut [Vector<E, N>],
    m: &Matrix,
    epsilon: f32,
    #[comptime] with_relu: bool,
    #[comptime] group: Workgroup,
    #[define(E)] _element: ElemType,
) {
    let own = work(m, group);
    let column = own.column as usize;
    let scale = weight[column] / (variance[column] + Vector::new(epsilon)).sqrt();
    let (center, shift) = (mean[column], bias[column]);
    let mut row = own.first;
    while row < own.end {
        let at = (row * m.across + own.column) as usize;
        let value = (Vector::<f32, N>::cast_from(x[at]) - center) * scale + shift;
        let value = if comptime!(residual.is_some()) {
            value + Vector::<f32, N>::cast_from(residual.unwrap()[at])
        } else {
            value
        };
        let value = if comptime!(with_relu) {
            relu::<N>(value)
        } else {
            value
        };
        out[at] = Vector::cast_from(value);
        row += comptime!(group.y);
    }
}

/// `scale * grad - slope * (x - mean) - shift`, where the factors are `[scale, slope, shift]` of each channel. With a `bias` a ReLU
/// followed, and `grad` counts where it is open.
#[cube(launch_unchecked)]
pub(super) fn input_gradient<E: Float, N: Size>(
    x: &[Vector<E, N>],
    grad: &[Vector<E, N>],
    mean: &[Vector<f32, N>],
    factors: &[Vector<f32, N>],
    bias: ComptimeOption<&[Vector<f32, N>]>,
    out: &mut [Vector<E, N>],
    m: &Matrix,
    #[comptime] group: Workgroup,
    #[define(E)] _element: ElemType,
) {
    let own = work(m, group);
    let (column, across) = (own.column as usize, m.across as usize);
    let scale = factors[column];
    let slope = factors[column + across];
    let shift = factors[column + 2 * across];
    let center = mean[column];
    let mut row = own.first;
    while row < own.end {
        let at = (row * m.across + own.column) as usize;
        let deviation = Vector::<f32, N>::cast_from(x[at]) - center;
        let gradient = Vector::<f32, N>::cast_from(grad[at]);
        let gradient = if comptime!(bias.is_some()) {
            gated::<N>(deviation * scale + bias.unwrap()[column], gradient)
        } else {
            gradient
        };
        let value = scale * gradient - deviation * slope - shift;
        out[at] = Vector::cast_from(value);
        row += comptime!(group.y);
    }
}
