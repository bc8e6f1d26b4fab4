//! Loads and stores that may end within a vector.

use pulp::Simd;

/// Writes the first `out.len()` values of a row of vectors.
#[inline(always)]
pub fn store<S: Simd, const V: usize>(simd: S, row: &[S::f32s; V], out: &mut [f32]) {
    let mut rest = out;
    for &value in row {
        let (now, later) = rest.split_at_mut(rest.len().min(S::F32_LANES));
        put(simd, value, now);
        rest = later;
    }
}

/// Reads `values` into a row of vectors and fills up with zeros.
#[inline(always)]
pub fn load<S: Simd, const V: usize>(simd: S, values: &[f32]) -> [S::f32s; V] {
    let mut row = [simd.splat_f32s(0.0); V];
    let mut rest = values;
    for value in &mut row {
        let (now, later) = rest.split_at(rest.len().min(S::F32_LANES));
        *value = take(simd, now);
        rest = later;
    }
    row
}

/// Writes the first `out.len()` values of a vector.
#[inline(always)]
pub fn put<S: Simd>(simd: S, value: S::f32s, out: &mut [f32]) {
    // A full vector needs no mask.
    match S::as_mut_simd_f32s(out) {
        ([whole], []) => *whole = value,
        _ => simd.partial_store_f32s(out, value),
    }
}

/// Reads `values` into a vector and fills up with zeros.
#[inline(always)]
pub fn take<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values) {
        ([whole], []) => *whole,
        _ => simd.partial_load_f32s(values),
    }
}
