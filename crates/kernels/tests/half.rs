//! Activations stored in half precision, f16 and bf16, on the CPU, against the definitions in f64 of the stored values:
//! activations have one more rounding than in f32, gradients of parameters and statistics have none.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use common::{Conv, Sum, places, values};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{
    Activation, ConvShape, batch_norm, conv2d, max_pool2d, normalize_with, stores, widen,
};

/// Dtypes with their unit roundoff and their smallest subnormal step.
const DTYPES: [(FloatDType, f64, f64); 2] = [
    (FloatDType::F16, 1.0 / 2048.0, 5.97e-8),
    (FloatDType::BF16, 1.0 / 256.0, 0.0),
];

fn put<const D: usize>(values: &[f32], shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

fn read<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    widen(tensor.inner()).into_data().try_to_vec().unwrap()
}

/// Values rounded to a dtype.
fn rounded(values: Vec<f32>, dtype: FloatDType) -> Vec<f32> {
    let count = values.len();
    read(
        put(&values, [count], &Device::flex())
            .autodiff()
            .cast(dtype),
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
fn convolutions_round_once_more() {
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
    for (dtype, roundoff, step) in DTYPES {
        let x = rounded(values(shape.input_len(), 1), dtype);
        let weight = rounded(values(shape.weight_len(), 2), dtype);
        let grad = rounded(values(shape.output_len(), 3), dtype);
        // The parameters are f32 and cast in the graph.
        let x_master = put(&x, [2, 9, 7, 12], &device).require_grad();
        let weight_master = put(&weight, [20, 12, 3, 3], &device).require_grad();
        let output = conv2d(
            x_master.clone().cast(dtype),
            weight_master.clone().cast(dtype),
            None,
            options,
        );
        assert_eq!(output.dtype(), dtype.into());
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

/// Half precision rounds the convolution and the sum; the bias's gradient is f32.
#[test]
fn a_bias_is_f32() {
    let device = Device::flex().autodiff();
    for (dtype, roundoff, step) in DTYPES {
        let x = rounded(values(2 * 5 * 4 * 3, 1), dtype);
        let weight = rounded(values(7 * 3 * 9, 2), dtype);
        let bias = put(&values(7, 3), [7], &device).require_grad();
        let of = |dtype: FloatDType, bias: Option<Tensor<1>>| {
            let x = put(&x, [2, 5, 4, 3], &device).cast(dtype);
            let weight = put(&weight, [7, 3, 3, 3], &device).cast(dtype);
            conv2d(x, weight, bias, ConvOptions::default())
        };
        let output = of(dtype, Some(bias.clone()));
        assert_eq!(output.dtype(), dtype.into());
        let gradients = widen(output.clone()).sum().backward();
        let by_bias = bias.grad(&gradients).unwrap();
        assert_eq!(by_bias.dtype(), FloatDType::F32.into());
        assert_eq!(read(by_bias), [12.0; 7]);
        let (plain, exact) = (of(FloatDType::F32, None), of(FloatDType::F32, Some(bias)));
        let pairs = read(exact).into_iter().zip(read(plain));
        for ((exact, plain), found) in pairs.zip(read(output)) {
            let bound = roundoff * f64::from(exact.abs() + plain.abs()) * 1.01 + 2.0 * step;
            assert!(
                f64::from((found - exact).abs()) <= bound,
                "{exact} became {found}"
            );
        }
    }
}

/// Batch norm and pooling in f32 are compared with their definitions elsewhere; in half precision they are those of the stored
/// values, rounded.
#[test]
fn batch_norm_and_pooling_round_what_f32_gives() {
    let device = Device::flex().autodiff();
    for (dtype, roundoff, step) in DTYPES {
        let of = |seed| rounded(values(4 * 6 * 6 * 8, seed), dtype);
        let (x, residual, grad) = (of(1), of(2), of(3));
        let results = |dtype: FloatDType| {
            let leaf = |values: &[f32]| put(values, [4, 6, 6, 8], &device).require_grad();
            let (x, residual) = (leaf(&x), leaf(&residual));
            let weight = put(&values(8, 4), [8], &device).require_grad();
            let bias = put(&values(8, 5), [8], &device).require_grad();
            let normed = batch_norm(
                x.clone().cast(dtype),
                weight.clone(),
                bias.clone(),
                Some(residual.clone().cast(dtype)),
                Activation::Relu,
                1e-5,
            );
            assert_eq!(normed.output.dtype(), dtype.into());
            assert_eq!(normed.variance.dtype(), FloatDType::F32.into());
            let gradients = (widen(normed.output.clone()) * leaf(&grad))
                .sum()
                .backward();
            let pooled = max_pool2d(x.clone().cast(dtype), 3, 2, 1);
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
        let (expected, found) = (results(FloatDType::F32), results(dtype));
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
    let (half, wide) = (normal(x.clone()), normal(widen(x)));
    assert_eq!(half.dtype(), FloatDType::F16.into());
    for (a, b) in read(half).iter().zip(read(wide)) {
        assert!((a - b).abs() <= b.abs() / 2048.0 + 6e-8, "{b} became {a}");
    }
}

#[test]
fn the_cpu_stores_f32() {
    let stored = |dtype| stores(&Device::flex(), dtype);
    assert!(stored(FloatDType::F32));
    assert!(!stored(FloatDType::F16) && !stored(FloatDType::BF16) && !stored(FloatDType::F64));
}
