//! The CPU's convolutions, by every algorithm that computes them, against their definition in f64.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use common::{Conv, Sum, places, values};
use parallax_kernels::backend::cpu::{
    ConvPlan, Epilogue, conv2d, conv2d_grad_input, conv2d_grad_weight,
};
use parallax_kernels::{ConvShape, Product};
use proptest::prelude::*;

/// Values of each result that are compared.
const COMPARED: usize = 400;

fn agree(what: &str, shape: &ConvShape, found: &[f32], expected: impl Fn(usize) -> Sum) {
    for index in places(found.len(), COMPARED) {
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
    for product in Product::ALL {
        let (left, right, len) = match product {
            Product::Forward => (&x, &weight, shape.output_len()),
            Product::GradInput => (&grad, &weight, shape.input_len()),
            Product::GradWeight => (&x, &grad, shape.weight_len()),
        };
        assert!(ConvPlan::select(&shape, product).supports(&shape, product));
        for plan in ConvPlan::ALL {
            if !plan.supports(&shape, product) {
                continue;
            }
            let found = plan.run(&shape, product, left, right);
            assert_eq!(found.len(), len);
            let what = format!("{product:?} by {plan:?}");
            agree(&what, &shape, &found, |at| match product {
                Product::Forward => reference.forward(at),
                Product::GradInput => reference.grad_input(at),
                Product::GradWeight => reference.grad_weight(at),
            });
        }
    }
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

/// The dilated convolutions of DeepLab, whose padding keeps the size, also where the kernel is larger than the image.
#[test]
fn dilations_of_segmentation() {
    for dilation in [2, 4, 6, 8, 12, 18] {
        let mut shape = square(1, 28, (32, 48), (3, 1, dilation, dilation));
        check(shape);
        shape.size = [17, 30];
        check(shape);
        // Without padding, and with a stride.
        shape.size = [25 + dilation, 40];
        shape.padding = [0, dilation];
        shape.stride = [1, 2];
        if shape.output_len() > 0 {
            check(shape);
        }
    }
}

#[test]
fn selection() {
    use ConvPlan::{ImplicitGemm, Subsampled, Winograd};
    for (shape, expected) in [
        // A block of a ResNet, its first, and its shortcut's 1x1 convolution.
        (square(32, 8, (64, 64), (3, 1, 1, 1)), [Winograd; 3]),
        (square(32, 16, (64, 128), (3, 2, 1, 1)), [ImplicitGemm; 3]),
        (
            square(32, 16, (64, 128), (1, 2, 0, 1)),
            [ImplicitGemm, ImplicitGemm, Subsampled],
        ),
        (square(32, 16, (64, 128), (1, 1, 0, 1)), [ImplicitGemm; 3]),
        // Few channels, few tiles, dilation.
        (square(32, 32, (3, 64), (3, 1, 1, 1)), [ImplicitGemm; 3]),
        (square(1, 8, (64, 64), (3, 1, 1, 1)), [ImplicitGemm; 3]),
        (square(32, 8, (64, 64), (3, 1, 2, 2)), [ImplicitGemm; 3]),
    ] {
        let found = Product::ALL.map(|product| ConvPlan::select(&shape, product));
        assert_eq!(found, expected, "{shape:?}");
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

/// Shapes whose work is shared among threads in different ways.
fn shared() -> [ConvShape; 7] {
    [
        // Winograd: by images; the weight gradient by split-K.
        square(9, 16, (24, 40), (3, 1, 1, 1)),
        square(4, 32, (16, 16), (3, 1, 1, 1)),
        // Winograd: by columns, because there are no more tiles than columns; the weight gradient likewise.
        square(2, 8, (64, 128), (3, 1, 1, 1)),
        square(3, 12, (160, 160), (3, 1, 1, 1)),
        // Implicit products: strides, a single tap, few inputs.
        square(5, 16, (24, 40), (3, 2, 1, 1)),
        square(8, 32, (16, 40), (1, 2, 0, 1)),
        square(9, 24, (3, 40), (3, 1, 1, 1)),
    ]
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    for shape in shared() {
        let (x, weight) = (values(shape.input_len(), 1), values(shape.weight_len(), 2));
        let grad = values(shape.output_len(), 3);
        let all = || {
            let results = [
                conv2d(&shape, &x, &weight),
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
fn nan_stays_within_reach_of_the_kernel() {
    let shape = square(1, 6, (2, 3), (3, 1, 1, 1));
    let mut x = values(shape.input_len(), 1);
    x[(2 * 6 + 2) * 2] = f32::NAN;
    let weight = values(shape.weight_len(), 2);
    let output = conv2d(&shape, &x, &weight);
    for (index, value) in output.iter().enumerate() {
        let (column, row) = (index / 3 % 6, index / 3 / 6);
        let reached = (1..=3).contains(&row) && (1..=3).contains(&column);
        assert_eq!(value.is_nan(), reached, "row {row}, column {column}");
    }
}

/// Batch norm, residual and ReLU behind a convolution give the bits that they would give one after the other.
#[test]
fn what_follows_a_convolution() {
    let shapes = [
        square(3, 10, (16, 24), (3, 1, 1, 1)),
        // More columns than Winograd's tiles.
        square(2, 4, (32, 70), (3, 1, 1, 1)),
        square(2, 9, (5, 33), (3, 2, 1, 1)),
        // More terms than a block of the sum.
        square(1, 5, (1100, 7), (1, 1, 0, 1)),
        square(70, 3, (3, 4), (1, 1, 0, 1)),
    ];
    for shape in shapes {
        let (x, weight) = (values(shape.input_len(), 1), values(shape.weight_len(), 2));
        let (scale, shift) = (values(shape.outputs, 3), values(shape.outputs, 4));
        let added = values(shape.output_len(), 5);
        for plan in [ConvPlan::Winograd, ConvPlan::ImplicitGemm] {
            if !plan.supports(&shape, Product::Forward) {
                continue;
            }
            let plain = plan.forward(&shape, &x, &weight, None);
            for (relu, residual) in [(true, &added[..]), (true, &[]), (false, &[])] {
                let epilogue = Epilogue {
                    scale: &scale,
                    shift: &shift,
                    residual,
                    relu,
                };
                let found = plan.forward(&shape, &x, &weight, Some(epilogue));
                for (index, (found, plain)) in found.iter().zip(&plain).enumerate() {
                    let channel = index % shape.outputs;
                    let mut expected = plain * scale[channel] + shift[channel];
                    if let Some(residual) = residual.get(index) {
                        expected += residual;
                    }
                    if relu {
                        expected = expected.max(0.0);
                    }
                    assert_eq!(*found, expected, "{plan:?}[{index}] of {shape:?}");
                }
            }
        }
    }
}
