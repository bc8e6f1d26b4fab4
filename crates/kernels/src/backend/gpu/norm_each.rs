//! The passes of batch norm over single values. A unit takes one vector of channels of several rows, so that what belongs
//! to the channels is loaded and computed once.

use cubecl::prelude::*;

use super::bits::not_below_zero;
use super::norm_sums::{Area, Team, work};

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
    s: &Area,
    epsilon: f32,
    #[comptime] relu: bool,
    #[comptime] team: Team,
    #[define(E)] _element: ElemType,
) {
    let own = work(s, team);
    let place = own.place as usize;
    let scale = weight[place] / (variance[place] + Vector::new(epsilon)).sqrt();
    let (center, shift) = (mean[place], bias[place]);
    let mut row = own.first;
    while row < own.end {
        let at = (row * s.across + own.place) as usize;
        let value = (Vector::<f32, N>::cast_from(x[at]) - center) * scale + shift;
        let value = if comptime!(residual.is_some()) {
            value + Vector::<f32, N>::cast_from(residual.unwrap()[at])
        } else {
            value
        };
        let value = if comptime!(relu) {
            not_below_zero::<N>(value)
        } else {
            value
        };
        out[at] = Vector::cast_from(value);
        row += comptime!(team.tall);
    }
}

/// `dx = own g - pull (x - mean) - shift`, where the factors are `[own, pull, shift]` of each channel.
#[cube(launch_unchecked)]
pub(super) fn input_gradient<E: Float, N: Size>(
    x: &[Vector<E, N>],
    grad: &[Vector<E, N>],
    mean: &[Vector<f32, N>],
    factors: &[Vector<f32, N>],
    out: &mut [Vector<E, N>],
    s: &Area,
    #[comptime] team: Team,
    #[define(E)] _element: ElemType,
) {
    let own = work(s, team);
    let (place, width) = (own.place as usize, s.across as usize);
    let straight = factors[place];
    let pull = factors[place + width];
    let shift = factors[place + 2 * width];
    let center = mean[place];
    let mut row = own.first;
    while row < own.end {
        let at = (row * s.across + own.place) as usize;
        let apart = Vector::<f32, N>::cast_from(x[at]) - center;
        let value = straight * Vector::<f32, N>::cast_from(grad[at]) - apart * pull - shift;
        out[at] = Vector::cast_from(value);
        row += comptime!(team.tall);
    }
}
