//! How often `a * b + c` is rounded.

use std::sync::atomic::{AtomicBool, Ordering};

/// A fused multiply-add rounds once, a multiplication and an addition round twice: on sums of thousands of values that nearly
/// cancel this shows as a relative difference of a few millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Once where it can be done: faster by up to half, and a little more exact. The default natively.
    Fused,
    /// Twice, everywhere: what every browser can compute, to compare with it. The default in WebAssembly.
    Portable,
}

static PORTABLE: AtomicBool = AtomicBool::new(cfg!(target_family = "wasm"));

impl Rounding {
    /// Makes it the rounding of all that this process computes from now on. In WebAssembly, products are fused only by the
    /// module for browsers with relaxed SIMD (`parallax_web_relaxed_bg.wasm`), on processors that fuse them.
    pub fn set(self) {
        let fused = self == Rounding::Fused && fuses();
        PORTABLE.store(!fused, Ordering::Relaxed);
    }

    /// What products are computed with now.
    #[inline(always)]
    pub fn get() -> Self {
        match PORTABLE.load(Ordering::Relaxed) {
            true => Rounding::Portable,
            false => Rounding::Fused,
        }
    }
}

#[cfg(not(target_family = "wasm"))]
fn fuses() -> bool {
    true
}

#[cfg(target_family = "wasm")]
use wasm::fuses;
#[cfg(target_family = "wasm")]
pub use wasm::product_and_sum;

#[cfg(target_family = "wasm")]
mod wasm {
    use core::arch::wasm32::{f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_splat, v128};
    use std::hint::black_box;

    /// `a * b + c`. A second module is made of this one, in which every call of this function is the instruction
    /// `f32x4.relaxed_madd` (`xtask/src/wasm/relaxed.rs`, which tells why the compiler does not write it).
    #[expect(unsafe_code, reason = "it is found by its name")]
    #[expect(improper_ctypes_definitions, reason = "nobody outside calls it")]
    #[unsafe(no_mangle)]
    #[inline(never)]
    pub extern "C" fn product_and_sum(a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }

    /// Whether that rounds once, in this module and on the processor under it.
    pub(super) fn fuses() -> bool {
        // (1 + e)^2 - (1 + 2 e) is e^2, which two roundings lose.
        let x = f32x4_splat(black_box(1.0 + f32::EPSILON));
        let rounded = f32x4_splat(-1.0 - 2.0 * f32::EPSILON);
        f32x4_extract_lane::<0>(product_and_sum(x, x, rounded)) != 0.0
    }
}
