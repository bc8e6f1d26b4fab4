//! The kernels for GPUs on the software adapter, which by itself takes those for programs. In a process of its own,
//! because what an adapter counts as is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use parallax_kernels::Adapter;
use parallax_parity::{
    GPU, ONE_STEP, check_any_shapes, check_convolutions, check_heads, check_kernels,
    check_not_numbers, compare, expected, step,
};

#[test]
fn kernels_for_gpus_are_right() {
    Adapter::Hardware.assume();
    let device = Device::wgpu_options()
        .graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan)
        .init()
        .expect("no Vulkan device: `cargo xtask setup` installs a software one");
    let right = |what: &str, found: Result<String, String>| match found {
        Ok(found) => println!("{what}: {found}"),
        Err(error) => panic!("{what}: {error}"),
    };
    let worst = pollster::block_on(check_kernels(&device, 1e-5));
    right("every kernel", worst.map(|worst| format!("{worst:.2e}")));
    let looked = pollster::block_on(check_not_numbers(&device));
    right("no numbers", looked.map(|looked| looked.to_string()));
    let worst = pollster::block_on(check_any_shapes(&device, 20));
    right("any shape", worst.map(|worst| format!("{worst:.2}")));
    for side in [32, 224] {
        let worst = pollster::block_on(check_convolutions(side, &device));
        right(
            "ResNets",
            worst.map(|worst| format!("{worst:.2}, {side} px")),
        );
    }
    let worst = pollster::block_on(check_heads(&device));
    right("heads", worst.map(|worst| format!("{worst:.2}")));
    for kind in ONE_STEP {
        let found = pollster::block_on(step(kind, &device)).unwrap();
        let worst = compare(&found, &expected(kind).unwrap(), GPU);
        right(kind.name(), worst.map(|worst| format!("{worst:.2e}")));
    }
}
