//! Products by matrix instructions on a device that has them: `cargo xtask test matrices` runs this on Mesa's lavapipe.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::OnceLock;

use burn::tensor::Device;
use parallax_kernels::{
    Fragment, MatrixInstructions, MatrixTile, Operand, Operands, Tile, listed_matrix_instructions,
    matrix_instructions,
};
use parallax_parity::{
    CASES, check_any_shapes, check_convolutions, check_heads, check_tiles, replay_with,
};
use parallax_train::Precision;
use pollster::block_on;

/// Half the distance of 1 and the next f16.
const ROUNDOFF: f64 = 1.0 / 2048.0;
/// What the loss of a step is off by: `crates/train/tests/precision.rs` says why.
const FORWARD: f64 = ROUNDOFF * 2.65;

/// The Vulkan device, which opens once a process.
fn vulkan() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || {
        let device = Device::wgpu_options()
            .graphics_api(burn::tensor::wgpu::WgpuBackend::Vulkan)
            .init()
            .expect("no Vulkan device");
        let found = matrix_instructions(&device, Operand::F16);
        println!("matrix instructions for f16: {found:?}");
        assert!(
            found.chosen.is_some(),
            "this Vulkan driver lists no matrix instructions"
        );
        device
    };
    DEVICE.get_or_init(open).clone()
}

#[test]
fn the_first_listed_shape_is_right() {
    let device = vulkan();
    let listed: Vec<Fragment> = listed_matrix_instructions(&device, Operand::F16);
    let MatrixInstructions { chosen, wrong } = matrix_instructions(&device, Operand::F16);
    assert_eq!(listed.first().copied(), chosen);
    assert!(wrong.is_empty(), "{wrong:?}");
    assert!(Precision::of(&device).contains(&Precision::F16Operands));
}

fn every_product(sides: &[usize]) {
    for &side in sides {
        let worst = block_on(check_convolutions(side, &vulkan(), Operands::F16));
        let worst = worst.unwrap_or_else(|error| panic!("{side} px: {error}"));
        println!("{side} px: at most {worst:.2} of the tolerance");
    }
}

#[test]
fn every_product_of_the_resnets() {
    every_product(&[32]);
    let worst = block_on(check_heads(&vulkan(), Operands::F16));
    let worst = worst.unwrap_or_else(|error| panic!("{error}"));
    println!("heads: at most {worst:.2} of the tolerance");
}

fn tiles(tiles: &[Tile]) {
    for tile in tiles {
        let worst = block_on(check_tiles(&[*tile], &vulkan(), Operands::F16));
        let worst = worst.unwrap_or_else(|error| panic!("{error}"));
        println!("{tile}: at most {worst:.2} of the tolerance");
    }
}

/// The tile of software adapters is that of all other tests; of those for GPUs, the smallest.
#[test]
fn the_smallest_tile() {
    let smallest = |tile: &&Tile| tile.to_string().contains("16 x 8 invocations");
    let found: Vec<Tile> = MatrixTile::STAGINGS
        .iter()
        .filter(smallest)
        .copied()
        .collect();
    assert_eq!(found.len(), 1);
    tiles(&found);
}

mod slow {
    /// Lavapipe compiles each for seconds.
    #[test]
    #[ignore = "slow: `cargo xtask test slow` runs it"]
    fn every_tile() {
        super::tiles(&super::MatrixTile::STAGINGS);
    }

    #[test]
    #[ignore = "slow: `cargo xtask test slow` runs it"]
    fn every_product_of_the_resnets_at_full_size() {
        super::every_product(&[64, 224]);
    }

    #[test]
    #[ignore = "slow: `cargo xtask test slow` runs it"]
    fn every_system_follows_pytorch_in_f16() {
        super::follow(super::Precision::F16, &super::CASES);
    }
}

#[test]
fn any_shape() {
    let worst = block_on(check_any_shapes(&vulkan(), 25, Operands::F16));
    let worst = worst.unwrap_or_else(|error| panic!("{error}"));
    println!("at most {worst:.2} of the tolerance");
}

/// What rounding both vectors of a similarity adds to a loss: they have norm one, so a logit is off by at most `2 u / tau`, in
/// parts of a loss of two or more.
fn similarity(case: &str) -> f64 {
    match case {
        "moco-v1" => ROUNDOFF / 0.07,
        _ if case.contains("moco") => ROUNDOFF / 0.2,
        _ => 0.0,
    }
}

/// All systems of the paper beside PyTorch in f64. A step's loss is off by the roundings of the forward pass, of which each
/// step adds its own: the bound of `tests/precision.rs`, whose activations are rounded, holds for operands all the more.
fn follow(precision: Precision, cases: &[(&str, &str)]) {
    let overrides = [format!("run.precision={}", precision.name())];
    for &(case, text) in cases {
        let done = block_on(replay_with(case, text, &vulkan(), 10, &overrides)).unwrap();
        let deviation = done.deviation();
        let first = deviation.losses(1);
        println!(
            "{case} in {}: first loss {first:.1e}, {deviation}",
            precision.name()
        );
        let bound = FORWARD + similarity(case);
        assert!(first <= bound && first > 0.0, "{case}: {first}");
        assert!(deviation.losses(10) <= 10.0 * bound, "{case}");
    }
}

#[test]
fn every_system_follows_pytorch_with_f16_operands() {
    follow(Precision::F16Operands, &CASES);
}

#[test]
fn a_system_follows_pytorch_in_f16() {
    follow(Precision::F16, &CASES[..1]);
}
