//! Chromium's SwiftShader as a native Vulkan driver, where it is installed. The loader of Vulkan looks for drivers once, so
//! the checks run in a process that is started with this one alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;
use std::process::Command;

use burn::tensor::Device;
use parallax_kernels::{Operands, Tile, is_software_adapter};
use parallax_parity::{
    GPU, ONE_STEP, check_any_shapes, check_convolutions, check_heads, check_kernels, check_largest,
    check_non_finite, check_tiles, check_updates, compare, expected, step,
};

/// Where Debian's Chromium has it.
const DRIVER: &str = "/usr/lib/chromium/vk_swiftshader_icd.json";

#[test]
fn every_operation_is_right_on_swiftshader() {
    if !Path::new(DRIVER).exists() {
        eprintln!("skipped: there is no {DRIVER}");
        return;
    }
    let itself = std::env::current_exe().unwrap();
    let status = Command::new(itself)
        .args(["--exact", "on_swiftshader", "--ignored", "--nocapture"])
        .env("VK_DRIVER_FILES", DRIVER)
        .env("VK_ICD_FILENAMES", DRIVER)
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
#[ignore = "is run by the test above with the driver named"]
fn on_swiftshader() {
    let device = Device::wgpu_options()
        .graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan)
        .init()
        .unwrap();
    let name = device.as_dispatch().identity().unwrap().name;
    assert!(name.contains("SwiftShader"), "this is {name}");
    assert!(is_software_adapter(&name, false), "{name}");
    let right = |what: &str, found: Result<String, String>| match found {
        Ok(found) => println!("{what}: {found}"),
        Err(error) => panic!("{what}: {error}"),
    };
    let worst = pollster::block_on(check_kernels(&device, 1e-5));
    right("every kernel", worst.map(|worst| format!("{worst:.2e}")));
    let compared = pollster::block_on(check_largest(&device));
    right(
        "largest of rows",
        compared.map(|compared| compared.to_string()),
    );
    let compared = pollster::block_on(check_updates(&device));
    right("updates", compared.map(|compared| compared.to_string()));
    let compared = pollster::block_on(check_non_finite(&device));
    right("NaN", compared.map(|compared| compared.to_string()));
    let worst = pollster::block_on(check_any_shapes(&device, 25, Operands::Stored));
    right("any shape", worst.map(|worst| format!("{worst:.2}")));
    let worst = pollster::block_on(check_tiles(&Tile::ALL, &device, Operands::Stored));
    right("every tile", worst.map(|worst| format!("{worst:.2}")));
    let worst = pollster::block_on(check_convolutions(32, &device, Operands::Stored));
    right("ResNets", worst.map(|worst| format!("{worst:.2}")));
    let worst = pollster::block_on(check_heads(&device, Operands::Stored));
    right("heads", worst.map(|worst| format!("{worst:.2}")));
    for kind in ONE_STEP {
        let found = pollster::block_on(step(kind, &device)).unwrap();
        let worst = compare(&found, &expected(kind).unwrap(), GPU);
        right(kind.name(), worst.map(|worst| format!("{worst:.2e}")));
    }
}
