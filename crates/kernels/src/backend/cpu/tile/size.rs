//! The sizes of register tiles.

use pulp::Simd;

/// Rows of a tile with 16 vector registers. A browser reserves one or two of them and needs one for each product besides its
/// sum: six rows would spill to the stack in every iteration and make a step a sixth slower.
pub const FEW: usize = if cfg!(target_family = "wasm") { 4 } else { 6 };

/// Rows of a tile on this processor: as many as its registers hold sums for.
pub const fn rows<S: Simd>() -> usize {
    // WebAssembly has no limit, but most processors below it have 16 registers.
    if S::REGISTER_COUNT >= 32 && !cfg!(target_family = "wasm") {
        8
    } else {
        FEW
    }
}

/// A computation on tiles of `P` rows of `V` vectors.
pub trait Tiled {
    /// Computes with tiles of this size.
    fn with<S: Simd, const P: usize, const V: usize>(&self, simd: S) -> Vec<f32>;
}

/// Computes with the largest tile of this processor.
#[inline(always)]
pub fn tiled<S: Simd>(simd: S, work: &impl Tiled) -> Vec<f32> {
    match rows::<S>() {
        8 => work.with::<S, 8, 2>(simd),
        _ => work.with::<S, FEW, 2>(simd),
    }
}
