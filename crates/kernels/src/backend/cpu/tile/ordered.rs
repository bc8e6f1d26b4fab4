//! Register tiles for operands that lie in order, and the planes into which such operands are brought.

use pulp::Simd;

use super::super::rounding::Rounding;
use super::add_row;

/// Steps of an innermost loop that are written out one after the other. A browser's compiler, which orders loads before products,
/// keeps fewer of many steps' values in registers.
const AT_ONCE: usize = if cfg!(target_family = "wasm") { 1 } else { 4 };

/// `start[p][..] + sum over c of row[p][c] * panel[c][..]` over the first `depth` values of `P` rows. Rows are cut into
/// vectors: the first ones of all rows follow one another in `source`, the next ones lie `stride` values further.
#[inline(always)]
pub fn product<S: Simd, const P: usize, const V: usize>(
    simd: S,
    (source, stride): (&[f32], usize),
    depth: usize,
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    let turns = depth.div_ceil(S::F32_LANES);
    assert!(turns.saturating_sub(1) * stride + P * S::F32_LANES <= source.len());
    assert!(depth * V * S::F32_LANES <= panel.len());
    // SAFETY: what the loop needs has just been asserted.
    unsafe {
        match Rounding::get() {
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
/// `source` must have `P` vectors at every `stride` values that begin a turn, and `panel` `V` vectors for every c.
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
    for turn in 0..depth.div_ceil(S::F32_LANES) {
        let len = S::F32_LANES.min(depth - turn * S::F32_LANES);
        // SAFETY: c stays below a vector's length, and b moves V vectors for each of `depth` turns.
        unsafe {
            let mut a = source.as_ptr().add(turn * stride);
            for _ in 0..len / AT_ONCE {
                for c in 0..AT_ONCE {
                    let b = b.add(c * V * S::F32_LANES);
                    acc = add_row::<S, P, V, FUSED>(simd, (a.add(c), S::F32_LANES), b, acc);
                }
                (a, b) = (a.add(AT_ONCE), b.add(AT_ONCE * V * S::F32_LANES));
            }
            for _ in len / AT_ONCE * AT_ONCE..len {
                acc = add_row::<S, P, V, FUSED>(simd, (a, S::F32_LANES), b, acc);
                (a, b) = (a.add(1), b.add(V * S::F32_LANES));
            }
        }
    }
    acc
}

/// As [`super::outer`], over `count` pixels that lie `stride` values apart.
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
        match Rounding::get() {
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
    // SAFETY: both move on once for each of `count` pixels, and are not read behind the last one.
    unsafe {
        for _ in 0..count / AT_ONCE {
            for _ in 0..AT_ONCE {
                acc = add_row::<S, P, V, FUSED>(simd, (a, 1), b, acc);
                (a, b) = (a.wrapping_add(stride), b.add(V * S::F32_LANES));
            }
        }
        for _ in count / AT_ONCE * AT_ONCE..count {
            acc = add_row::<S, P, V, FUSED>(simd, (a, 1), b, acc);
            (a, b) = (a.wrapping_add(stride), b.add(V * S::F32_LANES));
        }
    }
    acc
}

/// Writes 16 vectors, each `stride` values behind the one before, the first at `begin`.
#[inline(always)]
pub fn spread<S: Simd>(
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

/// Reads what [`spread`] has written.
#[inline(always)]
pub fn collect<S: Simd>(simd: S, values: &[f32], begin: usize, stride: usize) -> [[S::f32s; 4]; 4] {
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
