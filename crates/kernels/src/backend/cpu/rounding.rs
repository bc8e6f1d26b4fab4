//! How often `a * b + c` is rounded.

use std::error::Error;
use std::fmt;
use std::sync::OnceLock;

/// How a process rounds the `a * b + c` of its matrix products: a fused multiply-add rounds once, a multiplication and an
/// addition round twice. In sums of thousands of terms that nearly cancel the two differ by a few millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Once: faster by up to half, and a little more exact. The default where the processor and, in WebAssembly, the module
    /// fuse: natively, and in the module with relaxed SIMD (`parallax_web_relaxed_bg.wasm`).
    Fused,
    /// Twice: the same bits on every processor and in every browser. The default elsewhere.
    Portable,
}

static CHOSEN: OnceLock<Rounding> = OnceLock::new();

impl Rounding {
    /// Chooses the rounding of this process, as a thread pool's size is chosen: once, before the first kernel runs.
    ///
    /// # Errors
    /// When the process rounds otherwise already, or cannot fuse.
    pub fn init(self) -> Result<(), RoundingError> {
        if self == Rounding::Fused && !fuses() {
            return Err(RoundingError::CannotFuse);
        }
        match *CHOSEN.get_or_init(|| self) == self {
            true => Ok(()),
            false => Err(RoundingError::AlreadyChosen),
        }
    }

    /// The rounding of this process, from now on if none was chosen.
    pub fn get() -> Self {
        *CHOSEN.get_or_init(Self::default)
    }

    /// [`Rounding::get`] within a kernel, whose entry has called that: a load without a branch that would initialise it, for
    /// which a register tile would be written to the stack.
    #[inline(always)]
    pub(super) fn of_kernel() -> Self {
        match CHOSEN.get() {
            Some(Rounding::Portable) => Rounding::Portable,
            _ => Rounding::Fused,
        }
    }
}

impl Default for Rounding {
    fn default() -> Self {
        match fuses() {
            true => Rounding::Fused,
            false => Rounding::Portable,
        }
    }
}

/// Why [`Rounding::init`] failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoundingError {
    /// The other rounding was chosen before, or taken by a kernel.
    AlreadyChosen,
    /// This WebAssembly module or the processor has no fused multiply-add.
    CannotFuse,
}

impl fmt::Display for RoundingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyChosen => {
                "the rounding of a process must be chosen before its first kernel runs"
            }
            Self::CannotFuse => "there is no fused multiply-add here",
        })
    }
}

impl Error for RoundingError {}

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

    /// `a * b + c`. The module with relaxed SIMD is made from this one by replacing every call of this function by the
    /// instruction `f32x4.relaxed_madd`; `xtask/src/wasm/relaxed.rs` says why the compiler does not emit it.
    #[expect(unsafe_code, reason = "it is found by its name")]
    #[expect(improper_ctypes_definitions, reason = "it has no caller outside")]
    #[unsafe(no_mangle)]
    #[inline(never)]
    pub extern "C" fn product_and_sum(a: v128, b: v128, c: v128) -> v128 {
        f32x4_add(f32x4_mul(a, b), c)
    }

    /// Whether [`product_and_sum`] rounds once, in this module and on this processor.
    pub(super) fn fuses() -> bool {
        // (1 + e)^2 - (1 + 2 e) is e^2, which rounding twice loses.
        let x = f32x4_splat(black_box(1.0 + f32::EPSILON));
        let rounded = f32x4_splat(-1.0 - 2.0 * f32::EPSILON);
        f32x4_extract_lane::<0>(product_and_sum(x, x, rounded)) != 0.0
    }
}
