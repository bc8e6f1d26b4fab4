//! Batch norm and max-pool on the CPU against their definitions in f64.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::values;
use parallax_kernels::PoolShape;
use parallax_kernels::backend::cpu::{
    NormPass, batch_norm, batch_norm_backward, max_pool, max_pool_backward,
};
use parallax_kernels::ops::ReluMask;
use parallax_ranks::Ranks;

const EPSILON: f32 = 1e-5;

/// Batch norm and its gradients by definition.
struct Reference {
    output: Vec<f64>,
    mean: Vec<f64>,
    variance: Vec<f64>,
    input: Vec<f64>,
    weight: Vec<f64>,
    bias: Vec<f64>,
    residual: Vec<f64>,
}

fn reference(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    residual: &[f32],
    relu: bool,
    grad: &[f32],
) -> Reference {
    let channels = weight.len();
    let rows = x.len() / channels;
    let mut r = Reference {
        output: vec![0.0; x.len()],
        mean: vec![0.0; channels],
        variance: vec![0.0; channels],
        input: vec![0.0; x.len()],
        weight: vec![0.0; channels],
        bias: vec![0.0; channels],
        residual: vec![0.0; x.len()],
    };
    for c in 0..channels {
        let at = |row: usize| row * channels + c;
        let count = rows as f64;
        let mean = (0..rows).map(|row| f64::from(x[at(row)])).sum::<f64>() / count;
        let square = |row: usize| (f64::from(x[at(row)]) - mean).powi(2);
        let variance = (0..rows).map(square).sum::<f64>() / count;
        let sigma = (variance + f64::from(EPSILON)).sqrt();
        let (gamma, beta) = (f64::from(weight[c]), f64::from(bias[c]));
        let normed = |row: usize| (f64::from(x[at(row)]) - mean) / sigma;
        for row in 0..rows {
            let added = residual.get(at(row)).map_or(0.0, |&value| f64::from(value));
            let plain = normed(row) * gamma + beta + added;
            let open = !relu || plain > 0.0;
            r.output[at(row)] = if open { plain } else { 0.0 };
            r.residual[at(row)] = if open { f64::from(grad[at(row)]) } else { 0.0 };
        }
        r.bias[c] = (0..rows).map(|row| r.residual[at(row)]).sum();
        r.weight[c] = (0..rows).map(|row| r.residual[at(row)] * normed(row)).sum();
        for row in 0..rows {
            let own = r.residual[at(row)] - r.bias[c] / count - normed(row) * r.weight[c] / count;
            r.input[at(row)] = gamma / sigma * own;
        }
        (r.mean[c], r.variance[c]) = (mean, variance);
    }
    r
}

/// Relative to the largest value, because terms of a sum may cancel.
fn close(what: &str, found: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let scale = expected
        .iter()
        .fold(0.1f64, |scale, value| scale.max(value.abs()));
    for (index, (found, expected)) in found.iter().zip(expected).enumerate() {
        let error = (f64::from(*found) - expected).abs() / scale;
        assert!(
            error <= tolerance,
            "{what}[{index}]: {found} is not {expected}"
        );
    }
}

fn check(rows: usize, channels: usize, relu: bool, with_residual: bool, shift: f32) {
    let x: Vec<f32> = values(rows * channels, 1)
        .iter()
        .map(|x| x + shift)
        .collect();
    let weight: Vec<f32> = values(channels, 2).iter().map(|w| w + 1.5).collect();
    let (bias, grad) = (values(channels, 3), values(rows * channels, 4));
    let residual = match with_residual {
        true => values(rows * channels, 5),
        false => Vec::new(),
    };
    let r = reference(&x, &weight, &bias, &residual, relu, &grad);
    let normed = batch_norm(&x, &weight, &bias, &residual, (relu, EPSILON), Ranks::ONE);
    // A shifted input has been rounded before.
    let digits = 2e-6 * f64::from(1.0 + shift.abs());
    close("mean", &normed.mean, &r.mean, 5e-7);
    close("variance", &normed.variance, &r.variance, digits);
    close("output", &normed.output, &r.output, digits);

    let mask = match relu {
        true => ReluMask::Output(&normed.output[..]),
        false => ReluMask::None,
    };
    let pass = NormPass {
        x: &x,
        mask,
        weight: &weight,
        mean: &normed.mean,
        variance: &normed.variance,
        epsilon: EPSILON,
        ranks: Ranks::ONE,
    };
    let gradients = batch_norm_backward(pass, &grad, true);
    let alone = batch_norm_backward(pass, &grad, false);
    assert!(alone.input == gradients.input && alone.residual.is_empty());
    if relu && !with_residual {
        let mask = ReluMask::Shift(&bias[..]);
        let recomputed = batch_norm_backward(NormPass { mask, ..pass }, &grad, false);
        assert!(recomputed.input == gradients.input && recomputed.weight == gradients.weight);
    }
    close("weight", &gradients.weight, &r.weight, digits);
    close("bias", &gradients.bias, &r.bias, 2e-6);
    close("input", &gradients.input, &r.input, digits);
    match relu {
        true => close("residual", &gradients.residual, &r.residual, 0.0),
        false => assert!(gradients.residual.is_empty()),
    }
}

#[test]
fn forward_and_backward() {
    for (rows, channels) in [(5, 1), (6, 512), (33, 3), (1024, 64), (5000, 17), (9, 9000)] {
        check(rows, channels, false, false, 0.0);
        check(rows, channels, true, false, 0.0);
        check(rows, channels, true, true, 0.0);
    }
}

#[test]
fn a_large_mean_costs_no_precision_of_the_variance() {
    check(4096, 8, false, false, 100.0);
}

#[test]
fn one_row_gives_the_shift() {
    let normed = batch_norm(
        &[3.0, -4.0],
        &[1.0, 2.0],
        &[0.5, 0.25],
        &[],
        (false, EPSILON),
        Ranks::ONE,
    );
    assert_eq!(normed.output, [0.5, 0.25]);
    assert_eq!(normed.variance, [0.0, 0.0]);
}

#[test]
fn nan_passes_relu() {
    let normed = batch_norm(
        &[f32::NAN, 1.0],
        &[1.0],
        &[0.0],
        &[],
        (true, EPSILON),
        Ranks::ONE,
    );
    assert!(normed.output.iter().all(|value| value.is_nan()));
}

#[test]
fn max_pool_takes_the_largest_inside() {
    for (side, kernel, stride, padding) in [(8, 3, 2, 1), (7, 3, 2, 1), (5, 2, 2, 0), (6, 3, 1, 0)]
    {
        let shape = PoolShape {
            batch: 2,
            size: [side, side + 1],
            channels: 5,
            kernel,
            stride,
            padding,
        };
        // Few distinct values, so that many are equal.
        let coarse = |x: &f32| (x * 3.0).round();
        let count = 2 * side * (side + 1) * 5;
        let x: Vec<f32> = values(count, 1).iter().map(coarse).collect();
        let output = max_pool(&shape, &x);
        let grad = values(output.len(), 2);
        let mut input = vec![0.0f32; x.len()];
        let [height, width] = shape.out_size();
        for index in 0..output.len() {
            let (c, rest) = (index % 5, index / 5);
            let (ox, oy, n) = (rest % width, rest / width % height, rest / width / height);
            let (mut best, mut place) = (f32::NEG_INFINITY, 0);
            for i in 0..kernel {
                for j in 0..kernel {
                    let y = (oy * stride + i).checked_sub(padding);
                    let x_place = (ox * stride + j).checked_sub(padding);
                    let (Some(y), Some(column)) = (y, x_place) else {
                        continue;
                    };
                    if y < side && column < side + 1 {
                        let at = ((n * side + y) * (side + 1) + column) * 5 + c;
                        // The first of equal values, as in PyTorch.
                        if x[at] > best {
                            (best, place) = (x[at], at);
                        }
                    }
                }
            }
            assert_eq!(output[index], best);
            input[place] += grad[index];
        }
        let found = max_pool_backward(&shape, &x, &output, &grad);
        let expected: Vec<f64> = input.iter().map(|&value| f64::from(value)).collect();
        close("input", &found, &expected, 1e-6);
    }
}
