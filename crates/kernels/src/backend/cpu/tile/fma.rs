//! `a * b + c` of vectors.

use pulp::Simd;

/// Adds the products of `P` values, `stride` apart, with `V` vectors.
///
/// # Safety
/// `a` must have the `P` values, `b` the `V` vectors.
#[inline(always)]
pub unsafe fn add_row<S: Simd, const P: usize, const V: usize, const FUSED: bool>(
    simd: S,
    (a, stride): (*const f32, usize),
    b: *const f32,
    mut acc: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    // SAFETY: as the caller promises.
    unsafe {
        let mut row = [simd.splat_f32s(0.0); V];
        for (v, value) in row.iter_mut().enumerate() {
            *value = b.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned();
        }
        for (p, sums) in acc.iter_mut().enumerate() {
            let x = simd.splat_f32s(*a.add(p * stride));
            for (sum, &weights) in sums.iter_mut().zip(&row) {
                *sum = add_product::<S, FUSED>(simd, x, weights, *sum);
            }
        }
    }
    acc
}

/// `a * b + c`, rounded once if `FUSED`, else twice.
#[inline(always)]
pub fn add_product<S: Simd, const FUSED: bool>(
    simd: S,
    a: S::f32s,
    b: S::f32s,
    c: S::f32s,
) -> S::f32s {
    match FUSED {
        true => fused(simd, a, b, c),
        false => simd.add_f32s(simd.mul_f32s(a, b), c),
    }
}

#[cfg(not(target_family = "wasm"))]
#[inline(always)]
fn fused<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    simd.mul_add_e_f32s(a, b, c)
}

#[cfg(target_family = "wasm")]
#[inline(always)]
fn fused<S: Simd>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
    use std::mem::transmute_copy;

    use super::super::rounding::product_and_sum;

    if S::F32_LANES != 4 {
        return simd.mul_add_e_f32s(a, b, c);
    }
    // SAFETY: a vector of four values is a `v128`.
    unsafe {
        let [a, b, c] = [a, b, c].map(|vector| transmute_copy(&vector));
        transmute_copy(&product_and_sum(a, b, c))
    }
}
