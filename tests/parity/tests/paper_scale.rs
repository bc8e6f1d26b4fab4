//! A whole step of every system with ResNet-50 on images of 224 pixels beside PyTorch in f64.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use parallax_parity::paper_scale;

/// In f32 no system may be this many times as far from f64 as PyTorch in f32 is in the worst of the eight: one system alone
/// may be near by chance.
const TIMES: f64 = 2.0;

#[test]
fn a_step_of_every_system_at_the_papers_scale_is_pytorchs() {
    let found = pollster::block_on(paper_scale(&Device::flex())).unwrap();
    assert_eq!(found.len(), 8);
    let mut reach = found[0].2;
    for (system, ours, theirs) in &found {
        println!("{system}: {ours}; PyTorch in f32: {theirs}");
        reach = reach.worst(theirs);
    }
    for (system, ours, _) in found {
        assert!(ours.within(&reach, TIMES), "{system}: {ours}; {reach}");
    }
}
