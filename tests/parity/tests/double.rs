//! Every system, and two deeper networks, beside PyTorch with the CPU in f64: 1e-8 over a hundred steps. In a process of
//! its own, because a device's element type is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Device, FloatDType};
use parallax_parity::{CASES, DEEP_CASES, replay};

#[test]
fn every_system_follows_pytorch_to_the_eighth_digit() {
    let mut device = Device::flex();
    device
        .configure(FloatDType::F64)
        .expect("this test is the first to use the device");
    for (name, text) in CASES.into_iter().chain(DEEP_CASES) {
        let done = pollster::block_on(replay(name, text, &device, 100)).unwrap();
        let deviation = done.deviation();
        println!("{name}: {deviation}");
        assert!(deviation.losses(100) < 1e-8, "{name}: {deviation}");
        assert!(deviation.gradients(100) < 1e-8, "{name}: {deviation}");
        assert!(deviation.state(100) < 1e-8, "{name}: {deviation}");
    }
}
