//! Our operations of a case, each measured by itself.

use burn::tensor::{Device, Distribution, Tensor};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{
    Activation, ConvShape, LinearShape, Normed, PoolShape, batch_norm, conv2d, gradients, linear,
    max_pool2d,
};

use crate::cases::{Case, Weight};
use crate::timer::{Bench, BenchError, Measured};

pub(crate) const EPSILON: f64 = 1e-5;

/// Times in the order of [`crate::plan::operations`].
pub(crate) async fn ours(bench: &Bench<'_>, case: &Case) -> Result<Vec<Measured>, BenchError> {
    match case {
        Case::Conv(shape) => convolution(bench, shape).await,
        Case::Norm(shape) => norm(bench, *shape).await,
        Case::Pool(shape) => pool(bench, shape).await,
        Case::Linear(shape, weight) => products(bench, shape, *weight).await,
    }
}

/// Any values but zeros, which some devices multiply faster.
pub(crate) fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

async fn convolution(bench: &Bench<'_>, shape: &ConvShape) -> Result<Vec<Measured>, BenchError> {
    let device = bench.device();
    let ([height, width], [kh, kw]) = (shape.out_size(), shape.kernel);
    let x = random(
        [shape.batch, shape.size[0], shape.size[1], shape.inputs],
        device,
    );
    let weight = random([shape.outputs, shape.inputs, kh, kw], device);
    let grad = random([shape.batch, height, width, shape.outputs], device);
    let options = ConvOptions {
        stride: shape.stride[0],
        padding: shape.padding[0],
        dilation: shape.dilation[0],
    };
    let (x, weight, grad) = (|| x.clone(), || weight.clone(), || grad.clone());
    Ok(vec![
        bench
            .measure(|| drop(conv2d(x(), weight(), options)))
            .await?,
        bench
            .measure(|| drop(gradients::conv2d_input(grad(), weight(), *shape)))
            .await?,
        bench
            .measure(|| drop(gradients::conv2d_weight(x(), grad(), *shape)))
            .await?,
    ])
}

async fn norm(
    bench: &Bench<'_>,
    [rows, channels]: [usize; 2],
) -> Result<Vec<Measured>, BenchError> {
    let device = bench.device();
    let (x, grad) = (
        random([rows, channels], device),
        random([rows, channels], device),
    );
    let (weight, bias) = (random([channels], device), random([channels], device));
    let (x, grad, weight) = (|| x.clone(), || grad.clone(), || weight.clone());
    let forward = || {
        let bias = bias.clone();
        batch_norm(x(), weight(), bias, None, Activation::Relu, EPSILON)
    };
    let passed = forward();
    Ok(vec![
        bench.measure(|| drop(forward())).await?,
        bench
            .measure(|| {
                let normed = Normed {
                    output: passed.output.clone(),
                    mean: passed.mean.clone(),
                    variance: passed.variance.clone(),
                };
                gradients::batch_norm_relu(x(), normed, weight(), grad(), EPSILON);
            })
            .await?,
    ])
}

async fn pool(bench: &Bench<'_>, shape: &PoolShape) -> Result<Vec<Measured>, BenchError> {
    let device = bench.device();
    let [height, width] = shape.out_size();
    let x = random(
        [shape.batch, shape.size[0], shape.size[1], shape.channels],
        device,
    );
    let grad = random([shape.batch, height, width, shape.channels], device);
    let forward = || max_pool2d(x.clone(), shape.kernel, shape.stride, shape.padding);
    let output = forward();
    Ok(vec![
        bench.measure(|| drop(forward())).await?,
        bench
            .measure(|| {
                let (x, output, grad) = (x.clone(), output.clone(), grad.clone());
                gradients::max_pool2d(x, output, grad, *shape);
            })
            .await?,
    ])
}

async fn products(
    bench: &Bench<'_>,
    shape: &LinearShape,
    kind: Weight,
) -> Result<Vec<Measured>, BenchError> {
    let device = bench.device();
    let x = random([shape.batch, shape.inputs], device);
    let weight = random([shape.outputs, shape.inputs], device);
    let grad = random([shape.batch, shape.outputs], device);
    let (x, weight, grad) = (|| x.clone(), || weight.clone(), || grad.clone());
    let mut times = vec![
        bench.measure(|| drop(linear(x(), weight(), None))).await?,
        bench
            .measure(|| drop(gradients::linear_input(grad(), weight())))
            .await?,
    ];
    if kind == Weight::Trained {
        times.push(
            bench
                .measure(|| drop(gradients::linear_weight(x(), grad())))
                .await?,
        );
    }
    Ok(times)
}
