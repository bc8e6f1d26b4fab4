//! Runs divided among ranks, which are threads here: equal to one process, to gradient accumulation, and among each other.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod threads;

use parallax_ranks::Ranks;
use parallax_train::Recipe;
use threads::{SYSTEMS, distributed, on_each, recipe, steps, systems_equal_one_process};

#[test]
fn every_system_equals_one_process() {
    systems_equal_one_process(1e-4);
}

#[test]
fn local_batch_norm_has_the_bits_of_gradient_accumulation() {
    for size in [2, 4] {
        let accumulate = format!("run.accumulate={size}");
        for classifier in ["probe.online=false", "run.recompute=true"] {
            let one = recipe("supervised", &[&accumulate, classifier]);
            let one = steps(&one, None, 10, Ranks::ONE);
            let own = recipe("supervised", &[classifier]);
            for rank in distributed(&own, None, 10, size) {
                assert_eq!(rank.losses, one.losses);
                assert_eq!(rank.spread, one.spread);
                // The recipe is in the files' metadata; the tensors are behind it.
                let tensors = |files: &[Vec<u8>; 2]| {
                    files.each_ref().map(|file| {
                        parallax_weights::WeightFile::from_bytes("file", file)
                            .unwrap()
                            .tensors
                    })
                };
                assert!(tensors(&rank.tensors) == tensors(&one.tensors), "{size}");
            }
        }
    }
}

#[test]
fn a_run_resumed_on_as_many_ranks_ends_with_the_same_bits() {
    for (method, overrides) in SYSTEMS {
        let recipe = recipe(method, &[overrides, &["probe.online=true"]].concat());
        let whole = distributed(&recipe, None, 6, 2);
        let half = distributed(&recipe, None, 3, 2);
        let rest = distributed(&recipe, Some(&half[0].checkpoint), 3, 2);
        assert_eq!(rest[1].losses, whole[0].losses[3..], "{method}");
        assert!(
            rest[0].tensors == whole[0].tensors,
            "{method} {overrides:?}"
        );
    }
}

#[test]
fn gradients_may_travel_in_f16() {
    let losses = |dtype: &str| {
        let recipe = recipe("byol", &[&format!("run.gradient_dtype={dtype}")]);
        let all = distributed(&recipe, None, 10, 2);
        assert!(all[0] == all[1]);
        all[0].losses.clone()
    };
    let (whole, half) = (losses("f32"), losses("f16"));
    assert_ne!(whole, half);
    for (a, b) in whole.iter().zip(&half) {
        assert!((a - b).abs() < 1e-3 * a, "{a} {b}");
    }
}

#[test]
fn more_bn_groups_than_ranks_are_divided() {
    let recipe = recipe("moco-v1", &["method.bn_groups=4"]);
    let (one, two) = (
        steps(&recipe, None, 4, Ranks::ONE),
        distributed(&recipe, None, 4, 2),
    );
    for (a, b) in one.losses.iter().zip(&two[1].losses) {
        assert!((a - b).abs() < 1e-4 * a, "{a} {b}");
    }
}

#[test]
fn what_cannot_be_divided_is_refused() {
    let message = |overrides: &[&str], method| {
        let recipe = recipe(method, overrides);
        let refused = on_each(3, |ranks| {
            recipe.check_ranks(ranks).unwrap_err().to_string()
        });
        refused[0].clone()
    };
    assert!(message(&[], "byol").contains("6 can"));
    let of =
        |overrides: &[&str], method| message(&[&["run.batch_size=12"], overrides].concat(), method);
    assert!(of(&["method.bn_groups=2"], "byol").contains("method.bn_groups"));
    assert!(of(&["run.accumulate=2"], "moco-v1").contains("ShuffleBN"));
    assert!(of(&["run.accumulate=3"], "byol").contains("4 images"));
    assert!(of(&["run.accumulate=4"], "byol").contains("fewer than 2"));
    let fine = recipe("byol", &["run.batch_size=12", "run.accumulate=2"]);
    on_each(3, |ranks| Recipe::check_ranks(&fine, ranks).unwrap());
}
