//! The CPU's convolutions against their definition in f64.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Conv, Sum, places, values};
use parallax_kernels::ConvShape;
use parallax_kernels::backend::cpu::{conv2d, conv2d_grad_input, conv2d_grad_weight};
use proptest::prelude::*;

/// Values of each result that are computed anew.
const LOOKS: usize = 400;

fn agree(what: &str, shape: &ConvShape, found: &[f32], expected: impl Fn(usize) -> Sum) {
    for index in places(found.len(), LOOKS) {
        let sum = expected(index);
        let error = (f64::from(found[index]) - sum.value).abs();
        assert!(
            error <= sum.tolerance(),
            "{what}[{index}] of {shape:?}: {} is not {}",
            found[index],
            sum.value
        );
    }
}

fn check(shape: ConvShape) {
    let (x, weight) = (values(shape.input_len(), 1), values(shape.weight_len(), 2));
    let grad = values(shape.output_len(), 3);
    let reference = Conv {
        shape,
        x: &x,
        weight: &weight,
        grad: &grad,
    };
    let output = conv2d(&shape, &x, &weight, &[]);
    assert_eq!(output.len(), shape.output_len());
    agree("output", &shape, &output, |at| reference.forward(at));
    let input = conv2d_grad_input(&shape, &grad, &weight);
    assert_eq!(input.len(), shape.input_len());
    agree("input", &shape, &input, |at| reference.grad_input(at));
    let gradient = conv2d_grad_weight(&shape, &x, &grad);
    assert_eq!(gradient.len(), shape.weight_len());
    agree("weight", &shape, &gradient, |at| reference.grad_weight(at));
}

fn square(
    batch: usize,
    size: usize,
    (inputs, outputs): (usize, usize),
    (kernel, stride, padding, dilation): (usize, usize, usize, usize),
) -> ConvShape {
    ConvShape {
        batch,
        size: [size; 2],
        inputs,
        outputs,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [dilation; 2],
    }
}

#[test]
fn tiles_of_winograd() {
    for padding in [0, 1, 2] {
        for size in [8, 9, 12, 15] {
            check(square(2, size, (16, 40), (3, 1, padding, 1)));
        }
    }
    // More tiles than a task takes at once, channels that fill no vector, many channels.
    check(square(1, 40, (17, 35), (3, 1, 1, 1)));
    check(square(9, 6, (600, 24), (3, 1, 1, 1)));
    check(square(2, 8, (512, 512), (3, 1, 1, 1)));
}

#[test]
fn dilations_of_segmentation() {
    for dilation in [2, 4, 8] {
        check(square(1, 28, (32, 48), (3, 1, dilation, dilation)));
    }
}

#[test]
fn more_images_than_a_task_takes() {
    check(square(9, 32, (16, 24), (3, 1, 1, 1)));
    check(square(70, 4, (8, 8), (3, 1, 1, 1)));
    check(square(150, 1, (40, 33), (1, 1, 0, 1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn any_shape(
        batch in 1usize..4,
        size in [1usize..14, 1usize..14],
        inputs in 1usize..20,
        outputs in 1usize..70,
        kernel in [1usize..5, 1usize..5],
        stride in [1usize..4, 1usize..4],
        padding in [0usize..4, 0usize..4],
        dilation in [1usize..4, 1usize..4],
    ) {
        let shape = ConvShape { batch, size, inputs, outputs, kernel, stride, padding, dilation };
        prop_assume!(shape.output_len() > 0);
        check(shape);
    }
}

/// Shapes that take every way there is to share work among threads.
fn ways() -> [ConvShape; 7] {
    [
        // Winograd's way, images shared; its weight gradient in parts of the tiles.
        square(9, 16, (24, 40), (3, 1, 1, 1)),
        square(4, 32, (16, 16), (3, 1, 1, 1)),
        // Columns shared, because there are no more tiles than columns; so in the weight gradient.
        square(2, 8, (64, 128), (3, 1, 1, 1)),
        square(3, 12, (160, 160), (3, 1, 1, 1)),
        // Taps one by one: strides, a single tap, few inputs.
        square(5, 16, (24, 40), (3, 2, 1, 1)),
        square(8, 32, (16, 40), (1, 2, 0, 1)),
        square(9, 24, (3, 40), (3, 1, 1, 1)),
    ]
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for shape in ways() {
        let (x, weight) = (values(shape.input_len(), 1), values(shape.weight_len(), 2));
        let grad = values(shape.output_len(), 3);
        let all = || {
            let results = [
                conv2d(&shape, &x, &weight, &[]),
                conv2d_grad_input(&shape, &grad, &weight),
                conv2d_grad_weight(&shape, &x, &grad),
            ];
            results.map(|values| {
                values
                    .iter()
                    .map(|value| value.to_bits())
                    .collect::<Vec<_>>()
            })
        };
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.unwrap().install(all)
        };
        let one = with(1);
        assert!(one == with(2) && one == with(5), "{shape:?}");
        check(shape);
    }
}

#[test]
fn not_a_number_stays_where_it_reaches() {
    let shape = square(1, 6, (2, 3), (3, 1, 1, 1));
    let mut x = values(shape.input_len(), 1);
    x[(2 * 6 + 2) * 2] = f32::NAN;
    let weight = values(shape.weight_len(), 2);
    let output = conv2d(&shape, &x, &weight, &[]);
    for (index, value) in output.iter().enumerate() {
        let (column, row) = (index / 3 % 6, index / 3 / 6);
        let reached = (1..=3).contains(&row) && (1..=3).contains(&column);
        assert_eq!(value.is_nan(), reached, "row {row}, column {column}");
    }
}

#[test]
fn a_bias_is_added_once() {
    // Deep enough for several turns over the output.
    let shape = square(1, 3, (700, 5), (3, 1, 1, 1));
    let x = values(shape.input_len(), 1);
    let weight = vec![0.0; shape.weight_len()];
    let bias = [1.0, 2.0, 3.0, 4.0, 5.0];
    let output = conv2d(&shape, &x, &weight, &bias);
    for (index, value) in output.iter().enumerate() {
        assert_eq!(*value, bias[index % 5]);
    }
}
