//! A whole step of every system with ResNet-50 on pictures of 224 pixels beside PyTorch in f64.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use parallax_parity::paper_scale;

/// In f32 we may be this many times as far from f64 as PyTorch in f32 is.
const TIMES: f64 = 3.0;

#[test]
fn a_step_of_every_system_at_the_papers_scale_is_pytorchs() {
    let found = pollster::block_on(paper_scale(&Device::flex())).unwrap();
    for (system, ours, theirs) in &found {
        println!("{system}: {ours}; PyTorch in f32: {theirs}");
    }
    assert_eq!(found.len(), 8);
    for (system, ours, theirs) in found {
        assert!(ours.within(&theirs, TIMES), "{system}: {ours}; {theirs}");
    }
}
