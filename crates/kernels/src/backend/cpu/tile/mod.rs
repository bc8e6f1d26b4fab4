//! The two register tiles that all products are made of, for operands that lie anywhere; [`ordered`] has them for
//! operands that lie in order.
//!
//! Both hold `P` rows of `V` vectors in registers. [`gather`] walks along the channels of `P` pixels that
//! lie anywhere; [`outer`] walks over pixels for `P` neighbouring channels. One broadcast value meets `V`
//! vectors of the packed other operand, so nothing is ever summed across a vector.
#![expect(
    unsafe_code,
    reason = "a bounds check an element would double the time of the innermost loops"
)]

mod ordered;

use pulp::Simd;

pub use self::ordered::{collect, outer_in_order, product, spread};

use super::rounding::Rounding;

/// Consecutive values of a pixel's surroundings: `len` of them, `offset` behind the pixel's own place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    pub offset: usize,
    pub len: usize,
}

/// Where pixels lie in a slice, with the farthest known.
pub struct Pixels {
    places: Vec<usize>,
    last: usize,
}

impl Pixels {
    pub fn new(places: Vec<usize>) -> Self {
        let last = places.iter().fold(0, |last, &place| last.max(place));
        Self { places, last }
    }

    pub fn len(&self) -> usize {
        self.places.len()
    }
}

/// Rows of a tile where there are 16 registers. A browser keeps one or two to itself and takes one for each product besides its
/// sum: six rows would be written to the stack and read back at every turn, and a step take a sixth more.
pub const FEW: usize = if cfg!(target_family = "wasm") { 4 } else { 6 };

/// Rows of the tile on this processor: as many as its registers hold accumulators for.
pub const fn rows<S: Simd>() -> usize {
    // WebAssembly knows no limit, but the machines under it mostly have 16 registers.
    if S::REGISTER_COUNT >= 32 && !cfg!(target_family = "wasm") {
        8
    } else {
        FEW
    }
}

/// Work on tiles of `P` rows of `V` vectors.
pub trait Tiled {
    /// Does it.
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32>;
}

/// Does `work` on the widest tile of this processor.
#[inline(always)]
pub fn tiled<S: Simd>(simd: S, work: &impl Tiled) -> Vec<f32> {
    match rows::<S>() {
        8 => work.with::<S, 8, 2>(simd),
        _ => work.with::<S, FEW, 2>(simd),
    }
}

/// `start[p][..] + sum over segments and c of source[pixels[p] + offset + c] * panel[k][..]`, k counting on
/// over all segments; `panel` has `V` vectors a k.
#[inline(always)]
pub fn gather<S: Simd, const P: usize, const V: usize>(
    simd: S,
    source: &[f32],
    pixels: &[usize; P],
    segments: &[Segment],
    panel: &[f32],
    start: [[S::f32s; V]; P],
) -> [[S::f32s; V]; P] {
    let (mut reach, mut depth) = (0, 0);
    for segment in segments {
        reach = reach.max(segment.offset + segment.len);
        depth += segment.len;
    }
    let last = pixels.iter().fold(0, |last, &pixel| last.max(pixel));
    assert!(last + reach <= source.len() && depth * V * S::F32_LANES <= panel.len());

    // SAFETY: what the loop needs has just been asserted.
    unsafe {
        match Rounding::get() {
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
    // A local of constant indices only: it lives in registers.
    let mut acc = start;
    let mut b = panel.as_ptr();
    for segment in segments {
        let a: [*const f32; P] = pixels.map(|pixel| {
            // SAFETY: the caller bounds pixel + offset + len for every pixel and segment.
            unsafe { source.as_ptr().add(pixel + segment.offset) }
        });
        for c in 0..segment.len {
            // SAFETY: b moves V vectors for each of `depth` turns, and c stays below the segment's length.
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
    let pixels = &pixels.places[..count];
    // SAFETY: what the loop needs has just been asserted.
    unsafe {
        match Rounding::get() {
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
        // SAFETY: the caller bounds the pixels, and b moves V vectors for each of `count` turns.
        unsafe {
            let a = source.as_ptr().add(pixel);
            acc = add_row::<S, P, V, FUSED>(simd, (a, 1), b, acc);
            b = b.add(V * S::F32_LANES);
        }
    }
    acc
}

/// Adds the products of `P` values, `apart` from one another, with `V` vectors.
///
/// # Safety
/// `a` must have the `P` values, `b` the `V` vectors.
#[inline(always)]
unsafe fn add_row<S: Simd, const P: usize, const V: usize, const FUSED: bool>(
    simd: S,
    (a, apart): (*const f32, usize),
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
            let x = simd.splat_f32s(*a.add(p * apart));
            for (sum, &weights) in sums.iter_mut().zip(&row) {
                *sum = add_product::<S, FUSED>(simd, x, weights, *sum);
            }
        }
    }
    acc
}

/// `a * b + c`, rounded once where that can be done, or always twice.
#[inline(always)]
fn add_product<S: Simd, const FUSED: bool>(simd: S, a: S::f32s, b: S::f32s, c: S::f32s) -> S::f32s {
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
    use super::rounding::product_and_sum;
    use std::mem::transmute_copy;

    if S::F32_LANES != 4 {
        return simd.mul_add_e_f32s(a, b, c);
    }
    // SAFETY: a vector of four values is a `v128`.
    unsafe {
        let [a, b, c] = [a, b, c].map(|vector| transmute_copy(&vector));
        transmute_copy(&product_and_sum(a, b, c))
    }
}

/// Writes the first `out.len()` lanes of a row of vectors.
#[inline(always)]
pub fn store<S: Simd, const V: usize>(simd: S, row: &[S::f32s; V], out: &mut [f32]) {
    let mut rest = out;
    for &value in row {
        let (now, later) = rest.split_at_mut(rest.len().min(S::F32_LANES));
        put(simd, value, now);
        rest = later;
    }
}

/// Reads `values` into a row of vectors, zeros behind them.
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

/// Writes the first lanes of a vector, as many as `out` has room for.
#[inline(always)]
pub fn put<S: Simd>(simd: S, value: S::f32s, out: &mut [f32]) {
    // A whole vector needs no mask.
    match S::as_mut_simd_f32s(out) {
        ([whole], []) => *whole = value,
        _ => simd.partial_store_f32s(out, value),
    }
}

/// A vector of the first values, zeros behind them.
#[inline(always)]
pub fn take<S: Simd>(simd: S, values: &[f32]) -> S::f32s {
    match S::as_simd_f32s(values) {
        ([whole], []) => *whole,
        _ => simd.partial_load_f32s(values),
    }
}
