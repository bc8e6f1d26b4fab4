//! Detectors: steps, gradients, precise batch norm and detections against PyTorch, and on the software Vulkan device.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vulkan;

use std::collections::BTreeMap;

use burn::tensor::Device;
use parallax_parity::{SEGMENTATION_CASE, Segmented, TRANSFER_CASES, TransferCase, TransferResult};
use parallax_transfer::to_detectron2;
use parallax_weights::NamedTensor;
use pollster::block_on;
use vulkan::vulkan;

fn norm(values: impl Iterator<Item = f32>) -> f64 {
    values.map(|v| f64::from(v).powi(2)).sum::<f64>().sqrt()
}

fn near(found: f64, expected: f64, tolerance: f64, what: &str) {
    let error = (found - expected).abs();
    assert!(
        error <= tolerance * expected.abs().max(1e-3),
        "{what}: {found}, expected {expected}"
    );
}

fn steps_agree(case: &TransferCase, found: &TransferResult, name: &str, tolerance: f64) {
    for (report, expected) in found.steps.iter().zip(&case.steps) {
        let what = format!("{name}, step {}", report.step);
        for (loss, value) in &report.losses {
            near(
                *value,
                expected.losses[*loss],
                tolerance,
                &format!("{what}, {loss}"),
            );
        }
        let counts = BTreeMap::from_iter(report.counts.iter().copied());
        let found = ["rpn_pos", "rpn_neg", "roi_fg", "roi_bg"].map(|count| {
            // A segmenter has none.
            counts.get(count).copied().unwrap_or(0)
        });
        let wanted = [
            expected.rpn_pos,
            expected.rpn_neg,
            expected.roi_fg,
            expected.roi_bg,
        ];
        assert_eq!(found, wanted, "{what}");
        assert_eq!(report.proposals, expected.proposals, "{what}");
        let norms = report.norms.as_ref().unwrap();
        near(
            norms.gradient(),
            expected.grad_norm,
            10.0 * tolerance,
            &what,
        );
        near(report.rate, expected.lr, 1e-12, &what);
    }
    let first = found.steps[0].norms.as_ref().unwrap();
    let own: BTreeMap<String, f64> = first
        .gradients
        .iter()
        .map(|(name, norm)| (to_detectron2(name), *norm))
        .collect();
    assert!(own.keys().eq(case.gradients.keys()), "{name}");
    for (parameter, expected) in &case.gradients {
        near(
            own[parameter],
            *expected,
            1e-2,
            &format!("{name}, gradient of {parameter}"),
        );
    }
}

/// Weights after the last step, how far they moved, and running statistics of precise batch norm.
fn tensors_agree(case: &TransferCase, found: &TransferResult, name: &str) {
    let [before, after, precise] = &found.tensors;
    let of = |tensors: &BTreeMap<String, NamedTensor>, of: &str| {
        norm(tensors[of].values.iter().copied())
    };
    for (tensor, expected) in &case.after {
        near(
            of(after, tensor),
            *expected,
            1e-5,
            &format!("{name}, {tensor} after"),
        );
        let values = after[tensor].values.iter().zip(&before[tensor].values);
        let moved = norm(values.map(|(after, before)| after - before));
        let expected = case.moved[tensor];
        // What rounding moves, where hardly anything moves.
        let rounding = 1e-6 * case.after[tensor];
        assert!(
            (moved - expected).abs() < 2e-2 * expected + rounding,
            "{name}, {tensor} moved by {moved:e}, expected {expected:e}"
        );
    }
    for (tensor, expected) in &case.precise {
        near(
            of(precise, tensor),
            *expected,
            1e-3,
            &format!("{name}, precise {tensor}"),
        );
    }
}

#[test]
fn steps_are_pytorchs() {
    for (name, text) in TRANSFER_CASES {
        let case = TransferCase::read(text).unwrap();
        let found = block_on(case.follow(&Device::flex(), case.steps.len())).unwrap();
        steps_agree(&case, &found, name, 1e-4);

        tensors_agree(&case, &found, name);
        case.check_detections(&found.found)
            .unwrap_or_else(|error| panic!("{name}, {error}"));
    }
}

fn vulkan_takes_the_same_steps(chosen: impl Fn(&str) -> bool) {
    let vulkan = vulkan();
    for (name, text) in TRANSFER_CASES.iter().filter(|(name, _)| chosen(name)) {
        let case = TransferCase::read(text).unwrap();
        let found = block_on(case.follow(&vulkan, case.steps.len())).unwrap();
        steps_agree(&case, &found, &format!("{name} on Vulkan"), 1e-4);
    }
}

/// It has every part that a detector can have.
const WHOLE: &str = "fpn-mask";

#[test]
fn vulkan_takes_the_steps_of_a_pyramid() {
    vulkan_takes_the_same_steps(|name| name == WHOLE);
}

/// Logits and classes of the test image.
fn segments_agree(case: &TransferCase, found: &Segmented) {
    assert_eq!(found.logits.len(), case.logits.len());
    for (found, expected) in found.logits.iter().zip(&case.logits) {
        assert!((found - expected).abs() < 1e-4, "{found}, not {expected}");
    }
    for (found, expected) in found.segments.iter().zip(&case.segments) {
        // A pixel between two classes may fall on either side.
        assert!(found.abs_diff(*expected) <= 2, "{found}, not {expected}");
    }
}

#[test]
fn segmentation_is_pytorchs() {
    let case = TransferCase::read(SEGMENTATION_CASE).unwrap();
    let found = block_on(case.follow_segmenter(&Device::flex())).unwrap();
    segments_agree(&case, &found);
    steps_agree(&case, &found.run, "DeepLabV3", 1e-4);
    tensors_agree(&case, &found.run, "DeepLabV3");
    let again = block_on(case.follow_segmenter(&Device::flex())).unwrap();
    assert!(found.run.steps == again.run.steps && found.logits == again.logits);
    assert!(
        found.run.tensors == again.run.tensors,
        "not reproducible to the bit"
    );
}

#[test]
fn segmentation_on_vulkan_takes_the_same_steps() {
    let case = TransferCase::read(SEGMENTATION_CASE).unwrap();
    let found = block_on(case.follow_segmenter(&vulkan())).unwrap();
    segments_agree(&case, &found);
    steps_agree(&case, &found.run, "DeepLabV3 on Vulkan", 1e-4);
}

mod slow {
    #[test]
    #[ignore = "slow: `cargo xtask test slow` runs it"]
    fn vulkan_takes_the_steps_of_all_others() {
        super::vulkan_takes_the_same_steps(|name| name != super::WHOLE);
    }
}
