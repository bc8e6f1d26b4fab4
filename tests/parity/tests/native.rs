//! The step on the CPU against the committed values, and on the software Vulkan device.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use parallax_methods::MethodKind;
use parallax_parity::{CPU, GPU, compare, expected, step};

/// Writes the cases anew instead of comparing: see `cases/README.md`.
const BLESS: &str = "PARALLAX_BLESS";

#[test]
fn cpu_gives_the_committed_values() {
    for kind in MethodKind::ALL {
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
        let worst =
            compare(&found, &expected(kind).unwrap(), CPU).unwrap_or_else(|e| panic!("{e}"));
        println!("{}: cpu differs by {worst:.2e}", kind.name());
    }
}

#[test]
fn cpu_is_reproducible_to_the_bit() {
    for kind in MethodKind::ALL {
        let [first, second] =
            [(); 2].map(|()| pollster::block_on(step(kind, &Device::flex())).unwrap());
        assert_eq!(first.to_bytes().unwrap(), second.to_bytes().unwrap());
    }
}

#[test]
fn vulkan_agrees_with_the_cpu() {
    let device = Device::wgpu_options()
        .graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan)
        .init()
        .expect("no Vulkan device: `cargo xtask setup` installs a software one");
    for kind in MethodKind::ALL {
        let found = pollster::block_on(step(kind, &device)).unwrap();
        let worst =
            compare(&found, &expected(kind).unwrap(), GPU).unwrap_or_else(|e| panic!("{e}"));
        println!("{}: vulkan differs by {worst:.2e}", kind.name());
    }
}
