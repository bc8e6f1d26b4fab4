//! Comparisons that keep a NaN, by the bits of a float. A shader's compiler may assume that there are no NaNs and make a maximum
//! of `select(x < 0, 0, x)`; some GPUs' maximum drops a NaN. Integers leave it no choice.

use cubecl::prelude::*;

/// The bits of positive infinity: a larger magnitude is a NaN.
pub(super) const INFINITY: u32 = 0x7f80_0000;

/// The bits without the sign.
#[cube]
pub(super) fn magnitude<N: Size>(value: Vector<f32, N>) -> Vector<u32, N> {
    Vector::<u32, N>::reinterpret(value) & Vector::new(0x7fff_ffffu32)
}

/// Whether a value is a NaN.
#[cube]
pub(super) fn is_nan<N: Size>(value: Vector<f32, N>) -> Vector<bool, N> {
    magnitude::<N>(value).greater_than(&Vector::new(0x7f80_0000u32))
}

/// ReLU: zero where a value is below zero; keeps a NaN.
#[cube]
pub(super) fn relu<N: Size>(value: Vector<f32, N>) -> Vector<f32, N> {
    // From the least below zero to negative infinity is one range of bits.
    let above = Vector::<u32, N>::reinterpret(value) - Vector::new(0x8000_0001u32);
    let below = above.less_than(&Vector::new(0x7f80_0000u32));
    select_many(below, Vector::new(0.0f32), value)
}

/// The input gradient of a ReLU that gave `output`: `grad` where the output is not zero, zero elsewhere.
#[cube]
pub(super) fn relu_gradient<N: Size>(
    output: Vector<f32, N>,
    grad: Vector<f32, N>,
) -> Vector<f32, N> {
    let closed = magnitude::<N>(output).equal(&Vector::new(0u32));
    select_many(closed, Vector::new(0.0f32), grad)
}
