//! Neighbours and votes against scikit-learn, and blocks against a plain search.
#![allow(clippy::unwrap_used)]

use burn::tensor::Device;
use parallax_probes::{Features, Knn, Neighbour, ProbeError, Queries};

const COLUMNS: usize = 24;
const CLASSES: usize = 7;

/// The features of `sklearn/generate.py`.
fn features(rows: usize, seed: u32) -> Features {
    let mut state = seed;
    let mut values = Vec::new();
    let labels: Vec<u32> = (0..rows).map(|row| (row % CLASSES) as u32).collect();
    for &label in &labels {
        for column in 0..COLUMNS {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let shift = match column % CLASSES == label as usize {
                true => 3000.0,
                false => 0.0,
            };
            values.push(((state >> 16) % 10_000) as f32 - 5000.0 + shift);
        }
    }
    Features::new(values, labels, COLUMNS).unwrap()
}

fn nearest(train: &[Features], test: &Features, k: usize) -> Vec<Vec<Neighbour>> {
    let mut queries = Queries::new(&Device::flex());
    queries.add(test).unwrap();
    let mut search = queries.search(k);
    for train in train {
        search.add(train).unwrap();
    }
    search.finish()
}

#[test]
fn neighbours_and_accuracies_are_those_of_scikit_learn() {
    let case: serde_json::Value = serde_json::from_str(include_str!("sklearn/knn.json")).unwrap();
    let (train, test) = (features(700, 1), features(90, 2));
    let knn = Knn {
        neighbours: case["k"].as_u64().unwrap() as usize,
        temperature: case["temperature"].as_f64().unwrap() as f32,
    };
    let found = nearest(std::slice::from_ref(&train), &test, knn.neighbours);
    for (row, found) in found.iter().enumerate() {
        let indices: Vec<u32> = found.iter().map(|n| n.index).collect();
        assert_eq!(
            serde_json::json!(indices),
            case["indices"][row],
            "row {row}"
        );
        let expected = case["similarities"][row].as_f64().unwrap();
        assert!((f64::from(found[0].similarity) - expected).abs() < 1e-6);
    }
    let accuracies = knn.accuracies(&train, &test).unwrap();
    assert!((accuracies.top1 - case["top1"].as_f64().unwrap()).abs() < 1e-9);
    assert!((accuracies.top5 - case["top5"].as_f64().unwrap()).abs() < 1e-9);
}

/// Rows of one or four ones among eight columns: every similarity is exact and many are equal.
fn coarse(rows: usize, seed: usize) -> Features {
    let mut values = Vec::new();
    for row in 0..rows {
        let pattern = (row * 7 + seed * 13) % 12;
        let ones: Vec<usize> = match pattern {
            0..8 => vec![pattern],
            _ => (0..4).map(|one| (pattern + 2 * one) % 8).collect(),
        };
        values.extend((0..8).map(|column| f32::from(u8::from(ones.contains(&column)))));
    }
    Features::new(values, vec![0; rows], 8).unwrap()
}

#[test]
fn blocks_and_ties_change_nothing() {
    // More than a block of both, in pieces that fit no block; the last of both are not full.
    let (test, train) = (coarse(1100, 1), coarse(9000, 2));
    let row = |of: &Features, at: usize| of.values()[8 * at..8 * at + 8].to_vec();
    let piece = |from: usize, to: usize| {
        let values = train.values()[8 * from..8 * to].to_vec();
        Features::new(values, vec![0; to - from], 8).unwrap()
    };
    let pieces = [piece(0, 1), piece(1, 5001), piece(5001, 9000)];
    for k in [1, 3, 200, 10_000] {
        let found = nearest(&pieces, &test, k);
        for at in [0, 1, 555, 1023, 1024, 1099] {
            let query = row(&test, at);
            let norm = |row: &[f32]| row.iter().map(|v| v * v).sum::<f32>().sqrt();
            let mut expected: Vec<(f32, u32)> = (0..9000)
                .map(|other| {
                    let key = row(&train, other);
                    let product: f32 = query.iter().zip(&key).map(|(a, b)| a * b).sum();
                    (product / norm(&query) / norm(&key), other as u32)
                })
                .collect();
            // Stable, so that of equal ones the earlier stays in front.
            expected.sort_by(|a, b| b.0.total_cmp(&a.0));
            expected.truncate(k);
            let found: Vec<_> = found[at].iter().map(|n| (n.similarity, n.index)).collect();
            assert_eq!(found, expected, "k {k}, row {at}");
        }
    }
}

#[test]
fn classes_with_equal_votes_stand_in_their_order() {
    let neighbours = |indices: &[u32]| {
        let same = |&index| Neighbour {
            index,
            similarity: 0.5,
        };
        vec![indices.iter().map(same).collect::<Vec<_>>()]
    };
    let vote = |indices: &[u32], label| {
        let labels = [6, 5, 4, 3, 2, 1, 0, 1];
        let accuracy = Knn::default().vote(&neighbours(indices), &labels, &[label]);
        (accuracy.top1, accuracy.top5)
    };
    // Class 1 has two votes; the others one each.
    let all = [0, 1, 2, 3, 4, 5, 6, 7];
    assert_eq!(vote(&all, 1), (100.0, 100.0));
    assert_eq!(vote(&all, 0), (0.0, 100.0));
    assert_eq!(vote(&all, 4), (0.0, 100.0));
    assert_eq!(vote(&all, 5), (0.0, 0.0));
    // Behind the voted ones come the others, the lower first.
    assert_eq!(vote(&[0, 1], 2), (0.0, 100.0));
    assert_eq!(vote(&[0, 1], 3), (0.0, 0.0));
}

#[test]
fn a_small_temperature_does_not_overflow() {
    let (train, test) = (features(70, 1), features(20, 2));
    let knn = |temperature| Knn {
        neighbours: 5,
        temperature,
    };
    let one = Knn {
        neighbours: 1,
        ..Knn::default()
    };
    let sharp = knn(1e-5).accuracy(&train, &test).unwrap();
    assert_eq!(sharp, one.accuracy(&train, &test).unwrap());
}

#[test]
fn examples_without_a_label_are_refused() {
    let unlabelled = Features::new(vec![1.0, 0.0], vec![0, u32::MAX], 1).unwrap();
    let refused = Knn::default().accuracies(&unlabelled, &unlabelled);
    assert!(matches!(refused, Err(ProbeError::Unlabelled { index: 1 })));
}
