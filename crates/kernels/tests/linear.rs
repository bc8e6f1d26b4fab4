//! The linear layer's three products, by every algorithm that computes them, against their definition in f64.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use common::{Sum, values};
use parallax_kernels::backend::cpu::{LinearPlan, linear};
use parallax_kernels::{LinearShape, Product};
use proptest::prelude::*;

fn close(what: &str, found: &[f32], expected: impl Fn(usize) -> Sum) {
    // Large results are compared in some places.
    let step = (found.len() / 4000).max(1) | 1;
    for index in (0..found.len()).step_by(step) {
        let (sum, value) = (expected(index), f64::from(found[index]));
        let difference = (value - sum.value).abs();
        assert!(
            difference <= sum.tolerance(),
            "{what} at {index}: {value}, not {}; a difference of {difference:e}, {:e} allowed",
            sum.value,
            sum.tolerance()
        );
    }
}

fn check(shape: LinearShape) {
    let LinearShape {
        batch,
        inputs,
        outputs,
    } = shape;
    let x = values(batch * inputs, 1);
    let weight = values(outputs * inputs, 2);
    let grad = values(batch * outputs, 3);
    for product in Product::ALL {
        let (left, right, len) = match product {
            Product::Forward => (&x, &weight, batch * outputs),
            Product::GradInput => (&grad, &weight, batch * inputs),
            Product::GradWeight => (&x, &grad, outputs * inputs),
        };
        for lanes in [4, 8, 16] {
            let selected = LinearPlan::select(&shape, product, lanes);
            assert!(selected.supports(&shape, product));
        }
        for plan in LinearPlan::ALL {
            if !plan.supports(&shape, product) {
                continue;
            }
            let found = plan.run(&shape, product, left, right);
            assert_eq!(found.len(), len);
            let what = format!("{product:?} of {shape:?} by {plan:?}");
            close(&what, &found, |at| match product {
                Product::Forward => {
                    let (row, column) = (at / outputs, at % outputs);
                    Sum::of((0..inputs).map(|k| (x[row * inputs + k], weight[column * inputs + k])))
                }
                Product::GradInput => {
                    let (row, column) = (at / inputs, at % inputs);
                    let term = |k| (grad[row * outputs + k], weight[k * inputs + column]);
                    Sum::of((0..outputs).map(term))
                }
                Product::GradWeight => {
                    let (row, column) = (at / inputs, at % inputs);
                    Sum::of((0..batch).map(|k| (grad[k * outputs + row], x[k * inputs + column])))
                }
            });
        }
    }
}

#[test]
fn longer_than_a_block_of_the_sum() {
    for (batch, inputs, outputs) in [
        (3, 2048, 40),
        (4, 40, 2100),
        (70, 1100, 200),
        (130, 128, 96),
    ] {
        check(LinearShape {
            batch,
            inputs,
            outputs,
        });
    }
}

proptest! {
    #[test]
    fn any_shape(batch in 1usize..40, inputs in 1usize..90, outputs in 1usize..90) {
        check(LinearShape { batch, inputs, outputs });
    }
}

#[test]
fn infinity_and_nan_pass() {
    let shape = LinearShape {
        batch: 2,
        inputs: 3,
        outputs: 2,
    };
    let mut x = values(6, 1);
    (x[0], x[4]) = (f32::INFINITY, f32::NAN);
    let output = linear(&shape, &x, &[1.0; 6]);
    assert_eq!(output[..2], [f32::INFINITY; 2]);
    assert!(output[2..].iter().all(|value| value.is_nan()));
}
