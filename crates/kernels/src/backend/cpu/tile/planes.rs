//! The 16 planes of Winograd's 4x4 tiles.

use pulp::Simd;

/// Writes the 16 vectors of a 4x4 tile to planes that are `stride` values apart, the first at `begin`.
#[inline(always)]
pub fn store_planes<S: Simd>(
    _: S,
    values: &[[S::f32s; 4]; 4],
    out: &mut [f32],
    begin: usize,
    stride: usize,
) {
    assert!(stride <= out.len() / 16 && begin + 15 * stride + S::F32_LANES <= out.len());
    for (number, value) in values.as_flattened().iter().enumerate() {
        // SAFETY: the last vector ends within `out`, as has just been asserted.
        unsafe {
            let to = out.as_mut_ptr().add(begin + number * stride);
            to.cast::<S::f32s>().write_unaligned(*value);
        }
    }
}

/// Reads what [`store_planes`] has written.
#[inline(always)]
pub fn load_planes<S: Simd>(
    simd: S,
    values: &[f32],
    begin: usize,
    stride: usize,
) -> [[S::f32s; 4]; 4] {
    assert!(stride <= values.len() / 16 && begin + 15 * stride + S::F32_LANES <= values.len());
    let mut vectors = [[simd.splat_f32s(0.0); 4]; 4];
    for (number, vector) in vectors.as_flattened_mut().iter_mut().enumerate() {
        // SAFETY: the last vector ends within `values`, as has just been asserted.
        unsafe {
            let from = values.as_ptr().add(begin + number * stride);
            *vector = from.cast::<S::f32s>().read_unaligned();
        }
    }
    vectors
}
