//! Nearest neighbours that a GPU selects: those of scikit-learn, and of the CPU.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod vulkan;

use burn::tensor::Device;
use parallax_parity::check_largest;
use parallax_probes::{Features, Neighbour, Queries};
use vulkan::vulkan;

/// Of `crates/probes/tests/sklearn/generate.py`.
const CASE: &str = include_str!("../../../crates/probes/tests/sklearn/knn.json");

/// The features of `generate.py` with any number of columns.
fn features(rows: usize, columns: usize, seed: u32) -> Features {
    let mut state = seed;
    let mut values = Vec::new();
    let labels: Vec<u32> = (0..rows).map(|row| (row % 7) as u32).collect();
    for &label in &labels {
        for column in 0..columns {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let shift = match column % 7 == label as usize {
                true => 3000.0,
                false => 0.0,
            };
            values.push(((state >> 16) % 10_000) as f32 - 5000.0 + shift);
        }
    }
    Features::new(values, labels, columns).unwrap()
}

fn nearest(train: &Features, test: &Features, k: usize, device: &Device) -> Vec<Vec<Neighbour>> {
    let mut queries = Queries::new(device);
    queries.add(test).unwrap();
    let mut search = queries.search(k);
    search.add(train).unwrap();
    search.finish()
}

#[test]
fn the_largest_of_rows_are_those_of_a_sorted_list() {
    let compared = pollster::block_on(check_largest(&vulkan()));
    println!("{} values", compared.expect("they differ"));
}

#[test]
fn neighbours_on_vulkan_are_those_of_scikit_learn() {
    let case: serde_json::Value = serde_json::from_str(CASE).unwrap();
    let (train, test) = (features(700, 24, 1), features(90, 24, 2));
    let k = case["k"].as_u64().unwrap() as usize;
    for (row, found) in nearest(&train, &test, k, &vulkan()).iter().enumerate() {
        let indices: Vec<u32> = found.iter().map(|n| n.index).collect();
        let expected = serde_json::json!(indices);
        assert_eq!(expected, case["indices"][row], "row {row}");
        let similarity = case["similarities"][row].as_f64().unwrap();
        assert!((f64::from(found[0].similarity) - similarity).abs() < 1e-6);
    }
}

/// More than a block of both, the last ones not full, on both devices: the same neighbours but where similarities are as near
/// as their rounding.
#[test]
fn blocks_on_vulkan_find_what_the_cpu_finds() {
    for (train, test, k) in [(4200, 4200, 1), (9000, 60, 20), (9000, 20, 5000)] {
        let (train, test) = (features(train, 33, 1), features(test, 33, 2));
        let on_cpu = nearest(&train, &test, k, &Device::flex());
        let on_gpu = nearest(&train, &test, k, &vulkan());
        assert_eq!(on_gpu.len(), on_cpu.len());
        let mut others = 0;
        for (found, expected) in on_gpu.iter().zip(&on_cpu) {
            assert_eq!(found.len(), k);
            for (found, expected) in found.iter().zip(expected) {
                let apart = (found.similarity - expected.similarity).abs();
                assert!(apart < 1e-6, "{found:?}, not {expected:?}");
                others += usize::from(found.index != expected.index);
            }
        }
        println!("k {k}: {others} of {} places have others", k * on_gpu.len());
        assert!(others * 100 < k * on_gpu.len(), "k {k}: {others}");
    }
}
