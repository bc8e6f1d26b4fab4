//! nasm, which assembles libjpeg-turbo's SIMD for x86. Without it JPEG files decode to the same bytes in twice the time.

use anyhow::Result;

use super::{apt, getting, have};
use crate::sh;

pub fn get() -> Result<()> {
    if !cfg!(any(target_arch = "x86", target_arch = "x86_64")) {
        return Ok(());
    }
    if let Some(version) = sh::version("nasm") {
        have("nasm", &version);
        return Ok(());
    }
    getting("nasm", "it assembles the fast loops of the JPEG decoder");
    match apt::install(&["nasm"]) {
        // The decoder may have been built without it, and cargo does not see that nasm is there now.
        Ok(()) => sh::run(&mut sh::words("cargo clean --release -p mozjpeg-sys")),
        Err(error) => {
            println!("setup: {error:#}; JPEG files are decoded all the same, in more time");
            Ok(())
        }
    }
}
