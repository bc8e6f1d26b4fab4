//! How often `a * b + c` is rounded.

use std::sync::atomic::{AtomicBool, Ordering};

/// Processors with a fused multiply-add round once, WebAssembly twice: on sums of thousands of values that nearly
/// cancel this shows as a relative difference of a few millionths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// Once where the processor can: faster by up to half, and a little more exact. The default.
    Fused,
    /// Twice, everywhere: what a browser computes, to compare with it.
    Portable,
}

static PORTABLE: AtomicBool = AtomicBool::new(false);

impl Rounding {
    /// Makes it the rounding of all that this process computes from now on.
    pub fn set(self) {
        PORTABLE.store(self == Rounding::Portable, Ordering::Relaxed);
    }

    /// What products are computed with now.
    pub fn get() -> Self {
        // WebAssembly has no choice.
        if !cfg!(target_family = "wasm") && PORTABLE.load(Ordering::Relaxed) {
            Rounding::Portable
        } else {
            Rounding::Fused
        }
    }
}
