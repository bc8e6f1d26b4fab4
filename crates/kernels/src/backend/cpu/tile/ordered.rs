//! Products of operands at regular strides.

use pulp::Simd;

use super::super::rounding::Rounding;
use super::fma::add_row;

/// Unrolling of the innermost loops. A browser's compiler moves loads before products and so spills when loops are unrolled.
const UNROLL: usize = if cfg!(target_family = "wasm") { 1 } else { 4 };

/// `start[p][..] + sum over c of row[p][c] * panel[c][..]` over the first `depth` values of `P` rows. Rows are split into
/// vectors: the first vectors of all rows are contiguous in `source`, the next ones `stride` values further.
#[inline(always)]
pub fn product<S: Simd, const P: usize, const V: usize>(
    simd: S,
    (source, stride): (&[f32], usize),
    depth: usize,
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    let vectors = depth.div_ceil(S::F32_LANES);
    assert!(vectors.saturating_sub(1) * stride + P * S::F32_LANES <= source.len());
    assert!(depth * V * S::F32_LANES <= panel.len());
    // SAFETY: what the loop needs has just been asserted.
    unsafe {
        match Rounding::of_kernel() {
            Rounding::Fused => products::<S, P, V, true>(simd, source, stride, depth, panel, start),
            Rounding::Portable => {
                products::<S, P, V, false>(simd, source, stride, depth, panel, start)
            }
        }
    }
}

/// The loop of [`product`].
///
/// # Safety
/// `source` must have `P` vectors at every multiple of `stride` that begins a vector of the rows, and `panel` `V` vectors for
/// every c.
#[inline(always)]
unsafe fn products<S: Simd, const P: usize, const V: usize, const FUSED: bool>(
    simd: S,
    source: &[f32],
    stride: usize,
    depth: usize,
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    let mut acc = start;
    let mut b = panel.as_ptr();
    for vector in 0..depth.div_ceil(S::F32_LANES) {
        let len = S::F32_LANES.min(depth - vector * S::F32_LANES);
        // SAFETY: c stays below a vector's length, and b advances V vectors for each of `depth` terms.
        unsafe {
            let mut a = source.as_ptr().add(vector * stride);
            for _ in 0..len / UNROLL {
                for c in 0..UNROLL {
                    let b = b.add(c * V * S::F32_LANES);
                    acc = add_row::<S, P, V, FUSED>(simd, (a.add(c), S::F32_LANES), b, acc);
                }
                (a, b) = (a.add(UNROLL), b.add(UNROLL * V * S::F32_LANES));
            }
            for _ in len / UNROLL * UNROLL..len {
                acc = add_row::<S, P, V, FUSED>(simd, (a, S::F32_LANES), b, acc);
                (a, b) = (a.add(1), b.add(V * S::F32_LANES));
            }
        }
    }
    acc
}

/// Like [`super::outer`], over `count` pixels that are `stride` values apart.
#[inline(always)]
pub fn outer_in_order<S: Simd, const P: usize, const V: usize>(
    simd: S,
    (source, stride): (&[f32], usize),
    count: usize,
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    assert!(count.saturating_sub(1) * stride + P <= source.len());
    assert!(count * V * S::F32_LANES <= panel.len());
    // SAFETY: what the loop needs has just been asserted.
    unsafe {
        match Rounding::of_kernel() {
            Rounding::Fused => {
                outers_in_order::<S, P, V, true>(simd, source, stride, count, panel, start)
            }
            Rounding::Portable => {
                outers_in_order::<S, P, V, false>(simd, source, stride, count, panel, start)
            }
        }
    }
}

/// The loop of [`outer_in_order`].
///
/// # Safety
/// `source` must have `P` values at each of `count` places `stride` apart, and `panel` `V` vectors for each.
#[inline(always)]
unsafe fn outers_in_order<S: Simd, const P: usize, const V: usize, const FUSED: bool>(
    simd: S,
    source: &[f32],
    stride: usize,
    count: usize,
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    let mut acc = start;
    let (mut a, mut b) = (source.as_ptr(), panel.as_ptr());
    // SAFETY: both advance once for each of `count` pixels, and are not read beyond the last one.
    unsafe {
        for _ in 0..count / UNROLL {
            for _ in 0..UNROLL {
                acc = add_row::<S, P, V, FUSED>(simd, (a, 1), b, acc);
                (a, b) = (a.wrapping_add(stride), b.add(V * S::F32_LANES));
            }
        }
        for _ in count / UNROLL * UNROLL..count {
            acc = add_row::<S, P, V, FUSED>(simd, (a, 1), b, acc);
            (a, b) = (a.wrapping_add(stride), b.add(V * S::F32_LANES));
        }
    }
    acc
}
