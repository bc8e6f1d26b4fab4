//! Products of operands at irregular indices.

use pulp::Simd;

use super::super::rounding::Rounding;
use super::fma::{add_product, add_row};

/// `len` consecutive values in a pixel's neighbourhood, from `offset` values after the pixel itself on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub offset: usize,
    pub len: usize,
}

/// Indices of pixels in a slice, and their maximum.
pub struct Pixels {
    indices: Vec<usize>,
    last: usize,
}

impl Pixels {
    pub fn new(indices: Vec<usize>) -> Self {
        let last = indices.iter().fold(0, |last, &index| last.max(index));
        Self { indices, last }
    }

    pub fn len(&self) -> usize {
        self.indices.len()
    }
}

/// `start[p][..] + sum over segments and c of source[pixels[p] + offset + c] * panel[k][..]`, where k counts
/// the terms of all segments; `panel` has `V` vectors for each.
#[inline(always)]
pub fn gather<S: Simd, const P: usize, const V: usize>(
    simd: S,
    source: &[f32],
    pixels: &[usize; P],
    segments: &[Segment],
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    let (mut end, mut depth) = (0, 0);
    for segment in segments {
        end = end.max(segment.offset + segment.len);
        depth += segment.len;
    }
    let last = pixels.iter().fold(0, |last, &pixel| last.max(pixel));
    assert!(last + end <= source.len() && depth * V * S::F32_LANES <= panel.len());

    // SAFETY: what the loop needs has just been asserted.
    unsafe {
        match Rounding::of_kernel() {
            Rounding::Fused => {
                gathered::<S, P, V, true>(simd, source, pixels, segments, panel, start)
            }
            Rounding::Portable => {
                gathered::<S, P, V, false>(simd, source, pixels, segments, panel, start)
            }
        }
    }
}

/// The loop of [`gather`].
///
/// # Safety
/// Every pixel + offset + len must lie within `source`, and `panel` must have `V` vectors for every k.
#[inline(always)]
unsafe fn gathered<S: Simd, const P: usize, const V: usize, const FUSED: bool>(
    simd: S,
    source: &[f32],
    pixels: &[usize; P],
    segments: &[Segment],
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    // Indexed by constants alone, so that it stays in registers.
    let mut acc = start;
    let mut b = panel.as_ptr();
    for segment in segments {
        let a: [*const f32; P] = pixels.map(|pixel| {
            // SAFETY: the caller bounds pixel + offset + len for every pixel and segment.
            unsafe { source.as_ptr().add(pixel + segment.offset) }
        });
        for c in 0..segment.len {
            // SAFETY: b advances V vectors for each of `depth` terms, and c stays below the segment's length.
            unsafe {
                let mut row = [simd.splat_f32s(0.0); V];
                for (v, value) in row.iter_mut().enumerate() {
                    *value = b.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned();
                }
                for (sums, pixel) in acc.iter_mut().zip(a) {
                    let x = simd.splat_f32s(*pixel.add(c));
                    for (sum, &weights) in sums.iter_mut().zip(&row) {
                        *sum = add_product::<S, FUSED>(simd, x, weights, *sum);
                    }
                }
                b = b.add(V * S::F32_LANES);
            }
        }
    }
    acc
}

/// `start[p][..] + sum over pixels of source[pixel + p] * panel[pixel's number][..]`, over the first `count`
/// pixels.
#[inline(always)]
pub fn outer<S: Simd, const P: usize, const V: usize>(
    simd: S,
    source: &[f32],
    (pixels, count): (&Pixels, usize),
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    assert!(pixels.last + P <= source.len() && count * V * S::F32_LANES <= panel.len());
    let pixels = &pixels.indices[..count];
    // SAFETY: what the loop needs has just been asserted.
    unsafe {
        match Rounding::of_kernel() {
            Rounding::Fused => outers::<S, P, V, true>(simd, source, pixels, panel, start),
            Rounding::Portable => outers::<S, P, V, false>(simd, source, pixels, panel, start),
        }
    }
}

/// The loop of [`outer`].
///
/// # Safety
/// Every pixel + `P` must lie within `source`, and `panel` must have `V` vectors for every pixel.
#[inline(always)]
unsafe fn outers<S: Simd, const P: usize, const V: usize, const FUSED: bool>(
    simd: S,
    source: &[f32],
    pixels: &[usize],
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    let mut acc = start;
    let mut b = panel.as_ptr();
    for &pixel in pixels {
        // SAFETY: the caller bounds the pixels, and b advances V vectors for each of `count` pixels.
        unsafe {
            let a = source.as_ptr().add(pixel);
            acc = add_row::<S, P, V, FUSED>(simd, (a, 1), b, acc);
            b = b.add(V * S::F32_LANES);
        }
    }
    acc
}
