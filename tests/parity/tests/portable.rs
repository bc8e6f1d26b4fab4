//! The native CPU with the rounding of browsers without relaxed SIMD: the two builds then differ by 1e-6, gradients included.
//! In a process of its own, because a process has one rounding.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use parallax_kernels::Rounding;
use parallax_parity::{ONE_STEP, PORTABLE, compare, expected, step};

/// Writes the cases instead of comparing with them: see `cases/README.md`.
const BLESS: &str = "PARALLAX_BLESS";

#[test]
fn portable_rounding_gives_the_committed_values() {
    Rounding::Portable.init().expect("no kernel has run before");
    for kind in ONE_STEP {
        let found = pollster::block_on(step(kind, &Device::flex())).unwrap();
        if std::env::var_os(BLESS).is_some() {
            let path = format!(
                "{}/cases/{}.safetensors",
                env!("CARGO_MANIFEST_DIR"),
                kind.name()
            );
            std::fs::write(path, found.to_bytes().unwrap()).unwrap();
            continue;
        }
        let worst = compare(&found, &expected(kind).unwrap(), PORTABLE)
            .unwrap_or_else(|error| panic!("{error}"));
        println!("{}: portable rounding differs by {worst:.2e}", kind.name());
    }
}
