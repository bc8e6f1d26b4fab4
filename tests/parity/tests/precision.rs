//! `run.precision` on the software Vulkan device, which has f16: kernels, systems of the paper, resume, overflow.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::OnceLock;

use burn::tensor::{Device, FloatDType, Tensor};
use parallax_nets::names::{self, Map};
use parallax_parity::{CASES, Case, begun, check_half_kernels, replay_with};
use parallax_train::{Precision, Run, RunError, TRAINING_FILE, WEIGHTS_FILE};
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
            .expect("no Vulkan device: `cargo xtask setup` installs a software one");
        assert_eq!(
            Precision::of(&device),
            [Precision::F32, Precision::F16],
            "the software Vulkan device has f16, and WGSL no bf16"
        );
        device
    };
    DEVICE.get_or_init(open).clone()
}

#[test]
fn every_kernel_in_f16_agrees_with_the_cpu() {
    let roundoff = ROUNDOFF as f32;
    let worst = block_on(check_half_kernels(&vulkan(), FloatDType::F16, roundoff));
    println!(
        "largest difference beyond a step of f16: {:.2e}",
        worst.unwrap_or_else(|error| panic!("{error}"))
    );
}

#[test]
fn bf16_is_refused() {
    let message = Precision::Bf16.check(&vulkan()).unwrap_err().to_string();
    for part in ["bf16", "WGSL", "f32 and f16"] {
        assert!(message.contains(part), "{message}");
    }
}

/// Every step adds an error of its own to the loss.
#[test]
fn systems_in_f16_follow_pytorch_for_ten_steps() {
    let systems = ["supervised", "moco-v1", "s-moco-v2-plus", "byol-lars"];
    for (case, text) in CASES.iter().filter(|(case, _)| systems.contains(case)) {
        let done = block_on(replay_with(case, text, &vulkan(), 10, &f16())).unwrap();
        let deviation = done.deviation();
        let first = deviation.losses(1);
        println!("{case} in f16: first loss {first:.1e}, {deviation}");
        assert!(first <= FORWARD && first > 0.0, "{case}: {first}");
        assert!(deviation.losses(10) <= 10.0 * FORWARD, "{case}");
    }
}

fn f16() -> [String; 1] {
    ["run.precision=f16".to_string()]
}

/// A run of the supervised case, whose head's weights are multiplied by `factor`.
fn supervised(overrides: &[String], factor: f64) -> (Case, Run) {
    struct Scale(f64);
    impl Map for Scale {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
            match name.starts_with("fc.") {
                true => tensor * self.0,
                false => tensor,
            }
        }
    }
    let (name, text) = CASES[0];
    assert_eq!(name, "supervised");
    let (case, mut run) = begun(name, text, &vulkan(), overrides).unwrap();
    let online = run.method().online().clone();
    *run.method_mut().parts_mut().online = names::map(online, &mut Scale(factor));
    run.measure_norms(true);
    (case, run)
}

fn saved(run: &Run) -> [Vec<u8>; 2] {
    let checkpoint = block_on(run.checkpoint()).unwrap();
    [WEIGHTS_FILE, TRAINING_FILE].map(|name| checkpoint.file(name).unwrap().to_vec())
}

#[test]
fn a_run_in_f16_resumes_with_the_same_bits() {
    let (case, mut whole) = supervised(&f16(), 1.0);
    let take = |run: &mut Run, step| block_on(run.step(case.batch(run, step))).unwrap();
    take(&mut whole, 0);
    let checkpoint = block_on(whole.checkpoint()).unwrap();
    let data = whole.data_shape();
    let mut resumed = Run::resume(&checkpoint, data, &vulkan()).unwrap();
    for run in [&mut whole, &mut resumed] {
        take(run, 1);
        take(run, 2);
    }
    assert!(saved(&whole) == saved(&resumed));
    // f32 goes on from what f16 wrote: all that is kept is f32.
    let on_cpu = Run::resume(&checkpoint, data, &Device::flex())
        .err()
        .unwrap();
    assert!(matches!(on_cpu, RunError::Recipe(_)), "{on_cpu}");
}

/// Gradients of 2^17 outgrow f16 under the rule's scale and fit under the next.
#[test]
fn an_overflow_repeats_the_step_with_a_smaller_scale() {
    let factor = 2f64.powi(17);
    let step = |overrides: &[String]| {
        let (case, mut run) = supervised(overrides, factor);
        let batch = case.batch(&run, 0);
        block_on(run.step(batch)).unwrap()
    };
    let (exact, half) = (step(&[]), step(&f16()));
    let apart = |a: f64, b: f64| (a - b).abs() / a;
    println!("losses {} and {}", exact.loss, half.loss);
    let rule = Precision::F16.loss_scale(16);
    assert_eq!(
        (exact.loss_scale, half.loss_scale),
        (1.0, (rule / 256.0).max(1.0))
    );
    assert!(apart(exact.loss, half.loss) <= FORWARD);
    let [exact, half] = [exact, half].map(|report| report.norms.unwrap().gradient());
    println!("gradients {exact} and {half}");
    assert!(apart(exact, half) <= 2.0 * FORWARD.sqrt());
}

#[test]
fn an_overflow_at_every_scale_ends_the_run_as_it_was() {
    let (case, mut run) = supervised(&f16(), 2f64.powi(34));
    let before = saved(&run);
    let batch = case.batch(&run, 0);
    match block_on(run.step(batch)) {
        Err(error @ RunError::Overflow { step: 1, .. }) => {
            let message = error.to_string();
            assert!(message.contains("run.precision=f32"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert!(saved(&run) == before);
}
