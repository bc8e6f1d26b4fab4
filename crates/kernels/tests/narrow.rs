//! Activations stored in f16 and bf16, on the CPU, against the definitions in f64 of what is stored: a result has one
//! rounding more than in f32, gradients of parameters and statistics have none.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use common::{Conv, Sum, places, values};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{
    Activation, ConvShape, batch_norm, conv2d, max_pool2d, normalize_with, stores, widen,
};

/// Elements with their unit roundoff and their smallest step.
const ELEMENTS: [(FloatDType, f64, f64); 2] = [
    (FloatDType::F16, 1.0 / 2048.0, 5.97e-8),
    (FloatDType::BF16, 1.0 / 256.0, 0.0),
];

fn put<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    widen(tensor.inner()).into_data().try_to_vec().unwrap()
}

/// What is left of values when they are stored.
fn kept(values: Vec<f32>, element: FloatDType) -> Vec<f32> {
    let count = values.len();
    read(
        put(&values, [count], &Device::flex())
            .autodiff()
            .cast(element),
    )
}

fn agree(what: &str, found: &[f32], roundoff: f64, step: f64, expected: impl Fn(usize) -> Sum) {
    for index in places(found.len(), 300) {
        let sum = expected(index);
        let error = (f64::from(found[index]) - sum.value).abs();
        let rounding = roundoff * sum.value.abs() + step;
        assert!(
            error <= sum.tolerance() * (1.0 + roundoff) + rounding,
            "{what}[{index}]: {} is not {}",
            found[index],
            sum.value
        );
    }
}

#[test]
fn convolutions_have_one_rounding_more() {
    let shape = ConvShape {
        batch: 2,
        size: [9, 7],
        inputs: 12,
        outputs: 20,
        kernel: [3, 3],
        stride: [2, 2],
        padding: [1, 1],
        dilation: [1, 1],
    };
    let options = ConvOptions {
        stride: 2,
        padding: 1,
        dilation: 1,
    };
    let device = Device::flex().autodiff();
    for (element, roundoff, step) in ELEMENTS {
        let x = kept(values(shape.input_len(), 1), element);
        let weight = kept(values(shape.weight_len(), 2), element);
        let grad = kept(values(shape.output_len(), 3), element);
        // Masters in f32, whose copies are stored: the graph goes through the cast.
        let x_master = put(&x, [2, 9, 7, 12], &device).require_grad();
        let weight_master = put(&weight, [20, 12, 3, 3], &device).require_grad();
        let output = conv2d(
            x_master.clone().cast(element),
            weight_master.clone().cast(element),
            options,
        );
        assert_eq!(output.dtype(), element.into());
        let pull = put(&grad, [2, 5, 4, 20], &device);
        let gradients = (widen(output.clone()) * pull).sum().backward();
        let reference = Conv {
            shape,
            x: &x,
            weight: &weight,
            grad: &grad,
        };
        let by_input = x_master.grad(&gradients).unwrap();
        let by_weight = weight_master.grad(&gradients).unwrap();
        assert_eq!(by_weight.dtype(), FloatDType::F32.into());
        agree("output", &read(output), roundoff, step, |at| {
            reference.forward(at)
        });
        agree("input", &read(by_input), roundoff, step, |at| {
            reference.grad_input(at)
        });
        agree("weight", &read(by_weight), 0.0, 0.0, |at| {
            reference.grad_weight(at)
        });
    }
}

/// A batch norm in f32 is compared with its definition elsewhere: in a narrow element it is that of the stored values,
/// rounded.
#[test]
fn batch_norm_and_pooling_round_what_f32_gives() {
    let device = Device::flex().autodiff();
    for (element, roundoff, step) in ELEMENTS {
        let of = |seed| kept(values(4 * 6 * 6 * 8, seed), element);
        let (x, residual, grad) = (of(1), of(2), of(3));
        let results = |element: FloatDType| {
            let leaf = |values: &[f32]| put(values, [4, 6, 6, 8], &device).require_grad();
            let (x, residual) = (leaf(&x), leaf(&residual));
            let weight = put(&values(8, 4), [8], &device).require_grad();
            let bias = put(&values(8, 5), [8], &device).require_grad();
            let normed = batch_norm(
                x.clone().cast(element),
                weight.clone(),
                bias.clone(),
                Some(residual.clone().cast(element)),
                Activation::Relu,
                1e-5,
            );
            assert_eq!(normed.output.dtype(), element.into());
            assert_eq!(normed.variance.dtype(), FloatDType::F32.into());
            let gradients = (widen(normed.output.clone()) * leaf(&grad))
                .sum()
                .backward();
            let pooled = max_pool2d(x.clone().cast(element), 3, 2, 1);
            let pull = put(&grad[..4 * 3 * 3 * 8], [4, 3, 3, 8], &device);
            let of_pool = (widen(pooled.clone()) * pull).sum().backward();
            let stored = [
                read(normed.output),
                read(x.grad(&gradients).unwrap()),
                read(residual.grad(&gradients).unwrap()),
                read(pooled),
                read(x.grad(&of_pool).unwrap()),
            ];
            let summed = [
                read(normed.mean),
                read(normed.variance),
                read(weight.grad(&gradients).unwrap()),
                read(bias.grad(&gradients).unwrap()),
            ];
            (stored, summed)
        };
        let (expected, found) = (results(FloatDType::F32), results(element));
        for (expected, found) in expected.0.iter().zip(&found.0) {
            for (a, b) in expected.iter().zip(found) {
                let bound = roundoff * f64::from(a.abs()) + step;
                assert!(f64::from((a - b).abs()) <= bound, "{a} became {b}");
            }
        }
        // Where ReLU opens is decided by the output: rounding keeps its sign, so that sums are the same.
        assert_eq!(expected.1, found.1);
    }
}

#[test]
fn evaluation_takes_what_is_stored() {
    let device = Device::flex();
    let x = put(&values(60, 1), [20, 3], &device).cast(FloatDType::F16);
    let row = |seed| put(&values(3, seed), [3], &device);
    let statistics = (row(2), row(3).abs() + 0.5);
    let affine = (row(4), row(5));
    let normal = |x| {
        let (none, epsilon) = (Activation::None, 1e-5);
        normalize_with(x, statistics.clone(), affine.clone(), None, none, epsilon)
    };
    let (narrow, wide) = (normal(x.clone()), normal(widen(x)));
    assert_eq!(narrow.dtype(), FloatDType::F16.into());
    for (a, b) in read(narrow).iter().zip(read(wide)) {
        assert!((a - b).abs() <= b.abs() / 2048.0 + 6e-8, "{b} became {a}");
    }
}

#[test]
fn the_cpu_stores_f32() {
    let stored = |element| stores(&Device::flex(), element);
    assert!(stored(FloatDType::F32));
    assert!(!stored(FloatDType::F16) && !stored(FloatDType::BF16) && !stored(FloatDType::F64));
}
