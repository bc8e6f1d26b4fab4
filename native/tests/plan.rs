//! `parallax plan` as a user calls it.
#![allow(clippy::unwrap_used)]

mod common;

use common::{fail, parallax, succeed};
use serde_json::Value;

#[test]
fn a_plan_is_timed_on_the_device() {
    let tiny = [
        "--set",
        "model.width=4",
        "--set",
        "views.size=16",
        "--set",
        "run.batch_size=8",
    ];
    let mut command = parallax(&["plan", "demo", "--device", "cpu", "--steps", "1", "--json"]);
    let plan: Value = serde_json::from_slice(&succeed(command.args(tiny)).stdout).unwrap();
    assert_eq!(plan["timed_batch"], 8);
    assert_eq!(plan["steps"], 45 * 2000 / 8);
    for key in [
        "images_per_second",
        "loaded_images_per_second_per_core",
        "seconds",
    ] {
        assert!(plan[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(
        plan["read_bytes_per_second"].is_null(),
        "the sample is no file"
    );
}

#[test]
fn a_measured_card_and_many_devices() {
    let arguments = [
        "plan",
        "moco-v2",
        "--profile",
        "h100",
        "--gpus",
        "8",
        "--images",
        "1281167",
    ];
    let plan: Value =
        serde_json::from_slice(&succeed(parallax(&arguments).arg("--json")).stdout).unwrap();
    let parameters = plan["parameters"].as_u64().unwrap();
    // ResNet-50 without its classifier, and MoCo v2's two layers.
    assert_eq!(
        parameters,
        23_508_032 + (2048 + 1) * 2048 + (2048 + 1) * 128
    );
    let keys = 4 * 128 * 32 * 7;
    assert_eq!(
        plan["network_bytes_per_step"],
        2 * 4 * parameters * 7 / 8 + keys
    );
    // Four forward passes' worth of multiply-adds instead of three.
    let rate = plan["images_per_second"].as_f64().unwrap();
    assert!((rate / (8.0 * 784.0 * 0.75) - 1.0).abs() < 0.02, "{rate}");

    let text = succeed(&mut parallax(&arguments)).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.lines().all(|line| line.chars().count() <= 80),
        "{text}"
    );
    assert!(text.contains("Binds first: loading"), "{text}");
}

#[test]
fn what_cannot_be_planned_is_named() {
    let plan = |more: &[&str]| {
        let mut command = parallax(&["plan", "moco-v2"]);
        command.args(more);
        command
    };
    fail(&mut plan(&["--gpus", "3"]), 2, &["3 devices", "256"]);
    fail(&mut plan(&["--profile", "abacus"]), 2, &["abacus", "h100"]);
    fail(&mut plan(&["--images", "100"]), 2, &["100 images"]);
}
