//! Linear evaluation beside PyTorch with the CPU in f64: 1e-9 over a hundred steps. In a process of its own, because a
//! device's element type is the whole process's.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Device, FloatDType};
use parallax_parity::{LINEAR_CASES, LinearCase};

#[test]
fn linear_evaluation_follows_pytorch_to_the_ninth_digit() {
    let mut device = Device::flex();
    device
        .configure(FloatDType::F64)
        .expect("this test is the first to use the device");
    for (name, text) in LINEAR_CASES {
        let case = LinearCase::read(name, text).unwrap();
        let apart = pollster::block_on(case.replay(&device)).unwrap();
        println!("{name}: {apart:?}");
        assert!(apart.losses < 1e-9, "{name}: {apart:?}");
        assert!(apart.norms < 1e-9, "{name}: {apart:?}");
        assert!(apart.accuracies < 1e-9, "{name}: {apart:?}");
    }
}
