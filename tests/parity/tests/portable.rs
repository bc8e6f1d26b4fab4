//! The native CPU with a browser's rounding: what is left between the two builds is 1e-6, gradients included.
//! In a process of its own, because the rounding is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use parallax_kernels::Rounding;
use parallax_parity::{ONE_STEP, PORTABLE, compare, expected, step};

/// Writes the cases anew instead of comparing: see `cases/README.md`.
const BLESS: &str = "PARALLAX_BLESS";

#[test]
fn portable_rounding_gives_the_committed_values() {
    Rounding::Portable.set();
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
