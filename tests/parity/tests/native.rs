//! The step on the CPU against the committed values, and on the software Vulkan device.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vulkan;

use burn::tensor::Device;
use parallax_kernels::{Operands, Tile};
use parallax_parity::{
    CASES, DRAWS, Deviation, FUSED, GPU, ONE_STEP, VIEWS, check_any_shapes, check_convolutions,
    check_gpu_views, check_heads, check_kernels, check_non_finite, check_run, check_tiles,
    check_updates, compare, draws_digest, expected, replay, step, views_digest,
};
use vulkan::vulkan;

#[test]
fn cpu_gives_the_committed_values() {
    for kind in ONE_STEP {
        let found = pollster::block_on(step(kind, &Device::flex())).unwrap();
        let worst =
            compare(&found, &expected(kind).unwrap(), FUSED).unwrap_or_else(|e| panic!("{e}"));
        println!("{}: cpu differs by {worst:.2e}", kind.name());
    }
}

#[test]
fn cpu_is_reproducible_to_the_bit() {
    for kind in ONE_STEP {
        let [first, second] =
            [(); 2].map(|()| pollster::block_on(step(kind, &Device::flex())).unwrap());
        assert_eq!(first.to_bytes().unwrap(), second.to_bytes().unwrap());
    }
}

#[test]
fn vulkan_agrees_with_the_cpu() {
    for kind in ONE_STEP {
        let found = pollster::block_on(step(kind, &vulkan())).unwrap();
        let worst =
            compare(&found, &expected(kind).unwrap(), GPU).unwrap_or_else(|e| panic!("{e}"));
        println!("{}: vulkan differs by {worst:.2e}", kind.name());
    }
}

/// Replays every case, says how far each is apart, and names those that are too far.
fn follow(device: &Device, name: &str, steps: usize, near: impl Fn(&Deviation) -> bool) {
    let mut far = Vec::new();
    for (case, text) in CASES {
        let done = pollster::block_on(replay(case, text, device, steps)).unwrap();
        let deviation = done.deviation();
        println!("{case} on {name}: {deviation}");
        if !near(&deviation) {
            far.push(case);
        }
    }
    assert!(far.is_empty(), "too far from PyTorch on {name}: {far:?}");
}

/// Every system of the paper beside PyTorch in f64: losses to 1e-4 over the first 10 steps and to 1e-2 over 100, norms of
/// gradients and weights alike.
#[test]
fn every_system_follows_pytorch_for_a_hundred_steps() {
    follow(&Device::flex(), "the CPU", 100, |deviation| {
        let losses = deviation.losses(10) < 1e-4 && deviation.losses(100) < 1e-2;
        let gradients = deviation.gradients(1) < 1e-4 && deviation.gradients(10) < 1e-3;
        losses && gradients && deviation.state(10) < 1e-4 && deviation.state(100) < 5e-2
    });
}

#[test]
fn every_system_on_vulkan_follows_pytorch_for_ten_steps() {
    follow(&vulkan(), "Vulkan", 10, |deviation| {
        let near = deviation.losses(10) < 1e-3 && deviation.state(10) < 1e-3;
        near && deviation.gradients(1) < 1e-3
    });
}

#[test]
fn parameters_updated_together_have_the_bits_of_each_alone() {
    for (name, device) in [("the CPU", Device::flex()), ("Vulkan", vulkan())] {
        let compared = pollster::block_on(check_updates(&device));
        let compared = compared.unwrap_or_else(|error| panic!("{name}: {error}"));
        println!("{compared} values on {name}");
    }
}

#[test]
fn every_kernel_on_vulkan_agrees_with_the_cpu() {
    let worst = pollster::block_on(check_kernels(&vulkan(), 1e-5));
    println!(
        "largest difference {:.2e}",
        worst.unwrap_or_else(|error| panic!("{error}"))
    );
}

#[test]
fn any_shape_on_vulkan_is_right() {
    let worst = pollster::block_on(check_any_shapes(&vulkan(), 60, Operands::Stored));
    println!(
        "at most {:.2} of the tolerance",
        worst.unwrap_or_else(|error| panic!("{error}"))
    );
}

#[test]
fn every_tile_on_vulkan_is_right() {
    let worst = pollster::block_on(check_tiles(&Tile::ALL, &vulkan(), Operands::Stored));
    println!(
        "at most {:.2} of the tolerance",
        worst.unwrap_or_else(|error| panic!("{error}"))
    );
}

#[test]
fn nan_and_infinity_spread_on_vulkan_as_they_should() {
    let looked = pollster::block_on(check_non_finite(&vulkan()));
    println!(
        "{} values",
        looked.unwrap_or_else(|error| panic!("{error}"))
    );
}

#[test]
fn views_by_kernels_on_vulkan_are_those_of_the_cpu() {
    let counts = pollster::block_on(check_gpu_views(&vulkan(), 14));
    println!("{:?}", counts.unwrap_or_else(|error| panic!("{error}")));
}

#[test]
fn a_run_does_not_depend_on_where_its_views_are_made() {
    let losses = pollster::block_on(check_run(&vulkan(), 4));
    println!("{:?}", losses.unwrap_or_else(|error| panic!("{error}")));
}

#[test]
fn views_are_the_same_everywhere() {
    assert_eq!(views_digest().unwrap(), VIEWS);
    assert_eq!(draws_digest(), DRAWS);
}

/// All products of the ResNets against their definition in f64.
fn every_product(device: &Device, name: &str, sides: &[usize]) {
    for &side in sides {
        let worst = pollster::block_on(check_convolutions(side, device, Operands::Stored));
        let worst = worst.unwrap_or_else(|error| panic!("{name}, {side} px: {error}"));
        println!("{name}, {side} px: at most {worst:.2} of the tolerance");
    }
    let worst = pollster::block_on(check_heads(device, Operands::Stored));
    let worst = worst.unwrap_or_else(|error| panic!("{name}: {error}"));
    println!("{name}, heads: at most {worst:.2} of the tolerance");
}

#[test]
fn every_product_of_the_resnets_on_the_cpu() {
    every_product(&Device::flex(), "CPU", &[32, 64, 224]);
}

#[test]
fn every_product_of_the_resnets_on_vulkan() {
    every_product(&vulkan(), "Vulkan", &[32]);
}

mod slow {
    /// Minutes on a software adapter, which runs the same kernels at 32 px in the default run.
    #[test]
    #[ignore = "slow: `cargo xtask test slow` runs it"]
    fn every_product_of_the_resnets_at_full_size_on_vulkan() {
        super::every_product(&super::vulkan(), "Vulkan", &[64, 224]);
    }
}
