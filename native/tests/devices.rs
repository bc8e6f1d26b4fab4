//! The software Vulkan device trains like the CPU.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Scratch, fail, parallax, succeed, tiny};

#[test]
fn devices_are_listed() {
    let output = succeed(&mut parallax(&["devices", "--json"]));
    let devices: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let names: Vec<&str> = devices
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|d| d["device"].as_str())
        .collect();
    assert!(names.contains(&"cpu"), "{names:?}");
    assert!(
        names.iter().any(|name| name.starts_with("vulkan")),
        "no Vulkan device in {names:?}"
    );
    for device in devices.as_array().unwrap() {
        let precisions = match device["device"].as_str() {
            Some("cpu") => serde_json::json!(["f32"]),
            _ => serde_json::json!(["f32", "f16"]),
        };
        assert_eq!(device["precisions"], precisions, "{device}");
    }
}

#[test]
fn losses_on_vulkan_are_those_on_the_cpu() {
    let scratch = Scratch::new();
    for method in ["byol", "moco-v2-plus"] {
        let losses = |device: &str, precision: &str| -> Vec<f64> {
            let out = scratch.join(&format!("{method}-{device}-{precision}"));
            let set = format!("run.precision={precision}");
            // The last --device wins.
            succeed(tiny(method, 3, &out).args(["--device", device, "--set", &set]));
            let text = std::fs::read_to_string(out.join("events.jsonl")).unwrap();
            let events = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            events
                .filter(|e| e["event"] == "step")
                .map(|e| e["loss"].as_f64().unwrap())
                .collect()
        };
        let cpu = losses("cpu", "f32");
        // In f16 a loss is off by 2.65 roundoffs, and what a step changes by twice the root of that
        // (`crates/train/tests/precision.rs`).
        let off = 2.65 / 2048.0f64;
        for (precision, loss, change) in [("f32", 1e-3, 0.0), ("f16", off, 2.0 * off.sqrt())] {
            let vulkan = losses("vulkan", precision);
            assert_eq!((cpu.len(), vulkan.len()), (3, 3));
            for (at, vulkan) in cpu.iter().zip(&vulkan) {
                let near = loss * at.abs() + change * (at - cpu[0]).abs();
                assert!(
                    (at - vulkan).abs() <= near,
                    "{method} in {precision}: {at} and {vulkan}"
                );
            }
        }
    }
}

/// 128 MiB is what software Vulkan binds, and what WebGPU promises.
#[test]
fn a_tensor_that_the_device_does_not_bind_is_refused_before_the_start() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let mut command = tiny("moco-v2-plus", 2, &out);
    for set in ["method.queue=65536", "method.out=1024"] {
        command.args(["--set", set]);
    }
    command.args(["--device", "vulkan"]);
    fail(&mut command, 2, &["256 MiB", "128 MiB", "method.queue"]);
    assert!(!out.exists());
}
