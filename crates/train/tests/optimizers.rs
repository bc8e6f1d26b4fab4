//! SGD and LARS step by step (methods.md 4.1, 4.2).
#![allow(clippy::unwrap_used, clippy::panic)]

use burn::tensor::{Device, Tensor};
use parallax_train::{Lars, Sgd};

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
    let step = |w, g, v, rate| LARS.update(w, vector(g), v, rate, true);
    let (w, v) = step(vector([3.0, 4.0]), [0.6, 0.8], None, 0.1);
    assert_near(&w, [2.9997, 3.9996]);
    let (w, _) = step(w, [-0.8, 0.6], Some(v), 0.2);
    // With the rate outside of the velocity it would be (2.999959913, 3.998280059).
    assert_near(&w, [3.000_229_913, 3.998_640_059]);
}

#[test]
fn lars_trusts_fully_where_a_norm_is_zero() {
    let (w, _) = LARS.update(vector([0.0, 0.0]), vector([0.6, 0.8]), None, 0.1, true);
    assert_near(&w, [-0.06, -0.08]);
    let (w, _) = LARS.update(vector([3.0, 4.0]), vector([0.0, 0.0]), None, 0.1, true);
    assert_near(&w, [3.0 - 3e-7, 4.0 - 4e-7]);
}

#[test]
fn lars_is_plain_for_biases_and_without_decay() {
    let plain = |lars: Lars, decays| {
        let (w, v) = lars.update(vector([3.0, 4.0]), vector([0.6, 0.8]), None, 0.1, decays);
        assert_near(&w, [2.94, 3.92]);
        let (w, _) = lars.update(w, vector([1.0, 0.0]), Some(v), 0.2, decays);
        // v = 0.9 (0.06, 0.08) + (0.2, 0)
        assert_near(&w, [2.94 - 0.254, 3.92 - 0.072]);
    };
    plain(LARS, false);
    let without = Lars {
        weight_decay: 0.0,
        ..LARS
    };
    plain(without, true);
}

#[test]
fn sgd_begins_with_the_gradient_and_can_look_ahead() {
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
