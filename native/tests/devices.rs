//! The software Vulkan device trains like the CPU.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Scratch, parallax, succeed, tiny};

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
}

#[test]
fn losses_on_vulkan_are_those_on_the_cpu() {
    let scratch = Scratch::new();
    for method in ["byol", "moco-v2-plus"] {
        let losses = |device: &str| -> Vec<f64> {
            let out = scratch.join(&format!("{method}-{device}"));
            // The last --device wins.
            succeed(tiny(method, 3, &out).args(["--device", device]));
            let text = std::fs::read_to_string(out.join("events.jsonl")).unwrap();
            let events = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            events
                .filter(|e| e["event"] == "step")
                .map(|e| e["loss"].as_f64().unwrap())
                .collect()
        };
        let (cpu, vulkan) = (losses("cpu"), losses("vulkan"));
        assert_eq!((cpu.len(), vulkan.len()), (3, 3));
        for (cpu, vulkan) in cpu.iter().zip(&vulkan) {
            assert!(
                (cpu - vulkan).abs() <= 1e-3 * cpu.abs(),
                "{method}: {cpu} and {vulkan}"
            );
        }
    }
}
