//! Comparisons by bits. A shader's compiler may take numbers for granted: `select(x < 0, 0, x)` becomes a maximum, of which
//! some GPUs return the number where the other is none. Integers leave it no choice.

use cubecl::prelude::*;

/// The bits of positive infinity: those of larger magnitude are no numbers.
pub(super) const INFINITY: u32 = 0x7f80_0000;

/// The bits without the sign.
#[cube]
pub(super) fn magnitude<N: Size>(value: Vector<f32, N>) -> Vector<u32, N> {
    Vector::<u32, N>::reinterpret(value) & Vector::new(0x7fff_ffffu32)
}

/// Whether a value is not a number.
#[cube]
pub(super) fn is_nan<N: Size>(value: Vector<f32, N>) -> Vector<bool, N> {
    magnitude::<N>(value).greater_than(&Vector::new(0x7f80_0000u32))
}

/// Nothing where a value is below zero; lets a NaN pass.
#[cube]
pub(super) fn not_below_zero<N: Size>(value: Vector<f32, N>) -> Vector<f32, N> {
    // From the least below zero to negative infinity is one range of bits.
    let above = Vector::<u32, N>::reinterpret(value) - Vector::new(0x8000_0001u32);
    let below = above.less_than(&Vector::new(0x7f80_0000u32));
    select_many(below, Vector::new(0.0f32), value)
}

/// `value` where `output` is not zero, and nothing elsewhere: the gradient in front of a ReLU that gave `output`.
#[cube]
pub(super) fn where_open<N: Size>(output: Vector<f32, N>, value: Vector<f32, N>) -> Vector<f32, N> {
    let closed = magnitude::<N>(output).equal(&Vector::new(0u32));
    select_many(closed, Vector::new(0.0f32), value)
}
