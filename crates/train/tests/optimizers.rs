//! SGD and LARS step by step (methods.md 4.1, 4.2).
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use parallax_nets::names::is_buffer;
use parallax_nets::{Head, HeadKind, Init};
use parallax_train::{Lars, Optimizer, ParamGradients, ParamGroup, Recipe, Rule, Sgd};

fn vector(values: [f32; 2]) -> Tensor<1> {
    Tensor::from_floats(values, &Device::flex())
}

fn assert_near(tensor: &Tensor<1>, expected: [f64; 2]) {
    let found: Vec<f64> = tensor.to_data().iter::<f64>().collect();
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() < 1e-6, "{found:?} is not {expected:?}");
    }
}

const LARS: Lars = Lars {
    momentum: 0.9,
    weight_decay: 1e-6,
    eta: 1e-3,
};

#[test]
fn lars_keeps_the_rate_in_its_velocity() {
    let step = |w, g, v, rate| LARS.update(w, vector(g), v, rate);
    let (w, v) = step(vector([3.0, 4.0]), [0.6, 0.8], None, 0.1);
    assert_near(&w, [2.9997, 3.9996]);
    let (w, _) = step(w, [-0.8, 0.6], Some(v), 0.2);
    // With the rate outside of the velocity it would be (2.999959913, 3.998280059).
    assert_near(&w, [3.000_229_913, 3.998_640_059]);
}

#[test]
fn lars_trusts_fully_where_a_norm_is_zero() {
    let (w, _) = LARS.update(vector([0.0, 0.0]), vector([0.6, 0.8]), None, 0.1);
    assert_near(&w, [-0.06, -0.08]);
    let (w, _) = LARS.update(vector([3.0, 4.0]), vector([0.0, 0.0]), None, 0.1);
    assert_near(&w, [3.0 - 3e-7, 4.0 - 4e-7]);
}

#[test]
fn lars_without_decay_is_momentum_sgd() {
    let lars = Lars {
        weight_decay: 0.0,
        ..LARS
    };
    let (w, v) = lars.update(vector([3.0, 4.0]), vector([0.6, 0.8]), None, 0.1);
    assert_near(&w, [2.94, 3.92]);
    let (w, _) = lars.update(w, vector([1.0, 0.0]), Some(v), 0.2);
    // v = 0.9 (0.06, 0.08) + (0.2, 0)
    assert_near(&w, [2.94 - 0.254, 3.92 - 0.072]);
}

#[test]
fn sgd_begins_with_the_gradient_and_has_nesterov_momentum() {
    let two = |nesterov| {
        let sgd = Sgd {
            momentum: 0.9,
            weight_decay: 0.1,
            nesterov,
        };
        let (w, v) = sgd.update(vector([1.0, -2.0]), vector([0.5, 0.0]), None, 0.1);
        let (w, _) = sgd.update(w, vector([0.0, 0.25]), Some(v), 0.2);
        w
    };
    // g1 = (0.6, -0.2), w1 = (0.94, -1.98); g2 = (0.094, 0.052), v2 = (0.634, -0.128).
    assert_near(&two(false), [0.94 - 0.1268, -1.98 + 0.0256]);
    // w1 = (1 - 0.1 * 1.14, -2 + 0.1 * 0.38); g2 = (0.0886, 0.0538), v2 = (0.6286, -0.1262).
    let ahead = [
        0.886 - 0.2 * (0.0886 + 0.9 * 0.6286),
        -1.962 - 0.2 * (0.0538 - 0.9 * 0.1262),
    ];
    assert_near(&two(true), ahead);
}

/// Values of each parameter of a head after one step of gradients that are 1 everywhere.
fn step_of_a_head(optimizer: &mut Optimizer, rate: f64) -> BTreeMap<String, [Vec<f64>; 2]> {
    let graph = Device::flex().autodiff();
    let head = Head::new(&mut Init::new(0, &graph), HeadKind::Projector, 3, 4, 2);
    let read = |head: &Head| {
        let file = pollster::block_on(parallax_weights::collect(head, "")).unwrap();
        let tensors = file.into_iter().filter(|tensor| !is_buffer(&tensor.name));
        let values = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<_>>();
        let tensors = tensors.map(|tensor| (tensor.name, values(tensor.values)));
        tensors.collect::<BTreeMap<_, _>>()
    };
    let before = read(&head);
    let ones = before.iter().map(|(name, values)| {
        let ones = Tensor::<1>::ones([values.len()], &Device::flex());
        (name.clone(), ones)
    });
    let gradients = ParamGradients(ones.collect());
    let mut after = read(&optimizer.step(head, gradients, rate));
    let pairs = before.into_iter().map(|(name, before)| {
        let after = after.remove(&name).unwrap();
        (name, [before, after])
    });
    pairs.collect()
}

fn assert_step(found: &[Vec<f64>; 2], step: impl Fn(f64) -> f64, name: &str) {
    for (before, after) in found[0].iter().zip(&found[1]) {
        let expected = before - step(*before);
        assert!(
            (after - expected).abs() < 1e-6,
            "{name}: {after}, {expected}"
        );
    }
}

/// The optimiser works on any module: here a head alone, whose names are 0.weight, 0.bias, 1.weight, ...
#[test]
fn lars_excludes_biases_and_batch_norm() {
    let lars = Lars {
        weight_decay: 0.1,
        eta: 0.5,
        ..LARS
    };
    let mut optimizer = Optimizer::new(Rule::Lars(lars));
    for (name, found) in step_of_a_head(&mut optimizer, 0.2) {
        match name.as_str() {
            "0.weight" | "3.weight" => {
                let norm = |values: &[f64]| values.iter().map(|v| v * v).sum::<f64>().sqrt();
                let (w, g) = (norm(&found[0]), (found[0].len() as f64).sqrt());
                let local = 0.5 * w / (g + 0.1 * w);
                assert_step(&found, |w| local * 0.2 * (1.0 + 0.1 * w), &name);
            }
            _ => assert_step(&found, |_| 0.2, &name),
        }
    }
}

#[test]
fn the_first_matching_group_sets_rate_and_decay() {
    let group = |pattern: &str, rate, weight_decay| ParamGroup {
        pattern: pattern.to_string(),
        rate,
        weight_decay,
    };
    let sgd = Rule::Sgd(Sgd {
        momentum: 0.9,
        weight_decay: 0.5,
        nesterov: false,
    });
    let groups = vec![
        group("1.*", 0.0, None),
        group("*.bias", 2.0, Some(0.0)),
        group("3.*", 0.1, None),
        group("*.bias", 100.0, Some(100.0)),
    ];
    let mut optimizer = Optimizer::with_groups(sgd, groups);
    for (name, found) in step_of_a_head(&mut optimizer, 0.2) {
        match name.as_str() {
            "0.weight" => assert_step(&found, |w| 0.2 * (1.0 + 0.5 * w), &name),
            "0.bias" | "3.bias" => assert_step(&found, |_| 0.4, &name),
            "3.weight" => assert_step(&found, |w| 0.02 * (1.0 + 0.5 * w), &name),
            _ => assert_step(&found, |_| 0.0, &name),
        }
    }
    // LARS: a group's decay brings the trust ratio to a bias.
    let lars = Rule::Lars(Lars { eta: 0.5, ..LARS });
    let groups = vec![group("1.weight", 1.0, Some(1.0))];
    let mut optimizer = Optimizer::with_groups(lars, groups);
    let found = step_of_a_head(&mut optimizer, 0.2);
    // Scale and gradient are both 1: local = 0.5 |w| / (|g| + |w|) = 0.25.
    assert_step(&found["1.weight"], |w| 0.25 * 0.2 * (1.0 + w), "1.weight");
    assert_step(&found["1.bias"], |_| 0.2, "1.bias");
}

#[test]
fn a_recipe_has_parameter_groups() {
    let recipe = |groups: &str| Recipe::parse(&format!("[method]\nname = 'byol'\n{groups}"), &[]);
    let groups = "[[optimizer.groups]]\npattern = '*.bias'\nweight_decay = 0.0\n\
                  [[optimizer.groups]]\npattern = 'layer4.*'\nrate = 0.1\n";
    let read = recipe(groups).unwrap();
    let found = &read.optimizer.groups;
    assert_eq!((found[0].rate, found[0].weight_decay), (1.0, Some(0.0)));
    assert_eq!((found[1].rate, found[1].weight_decay), (0.1, None));
    assert_eq!(Recipe::parse(&read.to_toml().unwrap(), &[]).unwrap(), read);
    let over = "optimizer.groups=[{pattern = '*bn*', rate = 0.5}]".to_string();
    let over = Recipe::parse("[method]\nname = 'byol'", &[over]).unwrap();
    assert_eq!(over.optimizer.groups[0].rate, 0.5);
    assert!(
        !recipe("")
            .unwrap()
            .to_toml()
            .unwrap()
            .contains("optimizer.groups")
    );

    let refused = |entry: &str, part: &str| {
        let error = recipe(&format!("[[optimizer.groups]]\n{entry}\n")).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    };
    refused("rate = 1.0", "pattern");
    refused("pattern = ''", "optimizer.groups.pattern");
    refused("pattern = '*'\nrate = -1.0", "optimizer.groups.rate");
    refused(
        "pattern = '*'\nweight_decay = nan",
        "optimizer.groups.weight_decay",
    );
    refused("pattern = '*'\nspeed = 1", "speed");
}
