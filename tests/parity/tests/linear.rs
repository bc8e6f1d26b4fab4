//! Linear evaluation beside PyTorch in f64, on the CPU in f32: losses to 1e-5 over a hundred steps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::Device;
use parallax_parity::{LINEAR_CASES, LinearCase};

#[test]
fn linear_evaluation_follows_pytorch() {
    for (name, text) in LINEAR_CASES {
        let case = LinearCase::read(name, text).unwrap();
        let apart = pollster::block_on(case.replay(&Device::flex())).unwrap();
        println!("{name}: {apart:?}");
        assert!(apart.losses < 1e-5, "{name}: {apart:?}");
        assert!(apart.norms < 1e-4, "{name}: {apart:?}");
        assert!(apart.accuracies < 1e-4, "{name}: {apart:?}");
    }
}
