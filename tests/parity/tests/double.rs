//! Every system beside PyTorch with the CPU in f64: 1e-8 at the hundredth step; of two deeper networks at the tenth. In a process of its own, because
//! a device's element type is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Device, FloatDType};
use parallax_parity::{CASES, DEEP_CASES, replay};

#[test]
fn every_system_follows_pytorch_to_the_eighth_digit() {
    let mut device = Device::flex();
    device
        .configure(FloatDType::F64)
        .expect("this test is the first to use the device");
    let cases = CASES.map(|case| (case, 100));
    // In the deep ones even rounding to f64 grows to a tenth of the loss in a hundred steps.
    let deep = DEEP_CASES.map(|case| (case, 10));
    for ((name, text), steps) in cases.into_iter().chain(deep) {
        let done = pollster::block_on(replay(name, text, &device, steps)).unwrap();
        let deviation = done.deviation();
        println!("{name}: {deviation}");
        assert!(deviation.losses(100) < 1e-8, "{name}: {deviation}");
        assert!(deviation.first_gradients < 1e-8, "{name}: {deviation}");
        assert!(deviation.after < 1e-8, "{name}: {deviation}");
    }
}
