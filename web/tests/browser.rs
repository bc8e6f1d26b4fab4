//! The module in a real browser: the CPU and the WebGPU device give the committed values.
//!
//! A browser without WebGPU fails these tests; they are never skipped.
#![cfg(target_arch = "wasm32")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use parallax_kernels::{Operands, Rounding};
use parallax_methods::MethodKind;
use parallax_parity::{
    CASES, DRAWS, FUSED, GPU, ONE_STEP, PORTABLE, TRANSFER_CASES, Tolerance, TransferCase, VIEWS,
    check_convolutions, check_gpu_views, check_heads, check_kernels, check_largest, check_run,
    check_updates, compare, draws_digest, expected, replay, step, views_digest,
};
use wasm_bindgen_test::{console_log, wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

async fn check(device: &Device, name: &str, tolerance: Tolerance) {
    for kind in ONE_STEP {
        let found = step(kind, device).await.unwrap();
        let worst = compare(&found, &expected(kind).unwrap(), tolerance)
            .unwrap_or_else(|error| panic!("{} on {name}:\n{error}", kind.name()));
        console_log!(
            "{} on {name}: largest relative difference {worst:.2e}",
            kind.name()
        );
    }
}

/// Whether this module and browser round as a test needs it: `cargo xtask test wasm` runs each test in the right module.
fn assert_rounding(expected: Rounding) {
    let found = Rounding::get();
    assert_eq!(
        found, expected,
        "the module or the browser rounds otherwise"
    );
}

#[wasm_bindgen_test]
async fn portable_cpu_equals_the_native_cpu() {
    assert_rounding(Rounding::Portable);
    check(&Device::flex(), "WebAssembly", PORTABLE).await;
}

#[wasm_bindgen_test]
async fn fused_cpu_equals_the_native_cpu() {
    assert_rounding(Rounding::Fused);
    check(&Device::flex(), "WebAssembly, relaxed SIMD", FUSED).await;
}

/// Detections of small detectors against PyTorch's.
async fn detects(device: &Device, name: &str, cases: &[(&str, &str)]) {
    for (case, text) in cases {
        let read = TransferCase::read(text).unwrap();
        let found = read.found(device).await.unwrap();
        let checked = read.check_detections(&found);
        checked.unwrap_or_else(|error| panic!("{case} on {name}: {error}"));
        console_log!("{case} on {name}: {} detections are PyTorch's", found.len());
    }
}

#[wasm_bindgen_test]
async fn cpu_detects_what_pytorch_detects() {
    detects(&Device::flex(), "WebAssembly", &TRANSFER_CASES).await;
}

/// All products of the ResNets against their definition in f64.
async fn every_product(device: &Device, name: &str) {
    for side in [32, 64, 224] {
        let worst = check_convolutions(side, device, Operands::Stored).await;
        let worst = worst.unwrap_or_else(|error| panic!("{name}, {side} px: {error}"));
        console_log!("{name}, {side} px: at most {worst:.2} of the tolerance");
    }
    let worst = check_heads(device, Operands::Stored).await;
    let worst = worst.unwrap_or_else(|error| panic!("{name}: {error}"));
    console_log!("{name}, heads: at most {worst:.2} of the tolerance");
}

#[wasm_bindgen_test]
async fn cpu_computes_every_product_of_the_resnets() {
    let name = format!("WebAssembly, {:?}", Rounding::get());
    every_product(&Device::flex(), &name).await;
}

#[wasm_bindgen_test]
async fn webgpu_agrees_with_the_cpu() {
    // The test runner does not call the module's start function.
    parallax_web::start();
    // One test, because the device opens once a page.
    let device = Device::wgpu_options().init_async().await;
    let device = device.expect("this browser has no WebGPU");
    check(&device, "WebGPU", GPU).await;
    for (name, text) in CASES {
        let deviation = replay(name, text, &device, 10).await.unwrap().deviation();
        console_log!("{name} on WebGPU, 10 steps beside PyTorch: {deviation}");
        assert!(deviation.losses(10) < 1e-3, "{name}: {deviation}");
    }
    let worst = check_kernels(&device, 1e-5).await;
    let worst = worst.unwrap_or_else(|error| panic!("{error}"));
    console_log!("kernels on WebGPU: largest relative difference {worst:.2e}");
    let compared = check_largest(&device).await;
    let compared = compared.unwrap_or_else(|error| panic!("{error}"));
    console_log!("{compared} largest values of rows on WebGPU are those of a sorted list");
    let compared = check_updates(&device).await;
    let compared = compared.unwrap_or_else(|error| panic!("{error}"));
    console_log!("{compared} parameters on WebGPU have the bits of each alone");
    every_product(&device, "WebGPU").await;
    detects(&device, "WebGPU", &TRANSFER_CASES[..1]).await;
    let counts = check_gpu_views(&device, 1).await;
    let counts = counts.unwrap_or_else(|error| panic!("{error}"));
    console_log!("views on WebGPU are those of the CPU: {counts:?}");
    let losses = check_run(&device, 1).await;
    let losses = losses.unwrap_or_else(|error| panic!("{error}"));
    console_log!("a run with either's views: losses {losses:?}");
}

#[wasm_bindgen_test]
fn views_are_the_same_everywhere() {
    assert_eq!(views_digest().unwrap(), VIEWS);
    assert_eq!(draws_digest(), DRAWS);
}

#[wasm_bindgen_test]
fn page_recipes_are_whole() {
    let lars = ["byol-lars", "moco-v2-plus-lars"];
    let systems = MethodKind::ALL.map(MethodKind::name).into_iter();
    for system in systems.chain(lars) {
        let method = system.trim_end_matches("-lars");
        for size in ["tiny", "small"] {
            let overrides = vec!["run.seed=3".to_string()];
            let text = parallax_web::recipe(&format!("page/{system}-{size}"), overrides);
            let text = text.ok().unwrap();
            let optimizer = if lars.contains(&system) {
                "lars"
            } else {
                "sgd"
            };
            for part in [method, optimizer, "seed = 3"] {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
