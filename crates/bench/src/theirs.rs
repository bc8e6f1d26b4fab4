//! Burn's own operations of a case, each measured by itself.

use burn::tensor::{Device, Tensor};
use parallax_kernels::{ConvShape, LinearShape, PoolShape};

use crate::cases::{Case, Weight};
use crate::ours::{EPSILON, random};
use crate::stock;
use crate::timer::{Bench, BenchError, Measured};

/// Times in the order of [`crate::plan::operations`]. Pictures lie channels first, as Burn keeps them.
pub(crate) async fn theirs(bench: &Bench<'_>, case: &Case) -> Result<Vec<Measured>, BenchError> {
    match case {
        Case::Conv(shape) => convolution(bench, shape).await,
        Case::Norm(shape) => norm(bench, *shape).await,
        Case::Pool(shape) => pool(bench, shape).await,
        Case::Linear(shape, weight) => products(bench, shape, *weight).await,
    }
}

fn pictures(batch: usize, channels: usize, size: [usize; 2], device: &Device) -> Tensor<4> {
    random([batch, channels, size[0], size[1]], device)
}

async fn convolution(bench: &Bench<'_>, shape: &ConvShape) -> Result<Vec<Measured>, BenchError> {
    let device = bench.device();
    let x = pictures(shape.batch, shape.inputs, shape.size, device);
    let grad = pictures(shape.batch, shape.outputs, shape.out_size(), device);
    let [kh, kw] = shape.kernel;
    let weight = random([shape.outputs, shape.inputs, kh, kw], device);
    let (x, weight, grad) = (|| x.clone(), || weight.clone(), || grad.clone());
    Ok(vec![
        bench
            .measure(|| drop(stock::conv(x(), weight(), shape)))
            .await?,
        bench
            .measure(|| stock::conv_input(x(), weight(), grad(), shape))
            .await?,
        bench
            .measure(|| stock::conv_weight(x(), weight(), grad(), shape))
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
    let forward = || stock::norm_relu(x(), weight(), bias.clone(), EPSILON);
    let passed = forward();
    Ok(vec![
        bench.measure(|| drop(forward())).await?,
        bench
            .measure(|| stock::norm_relu_backward(x(), &passed, weight(), grad(), EPSILON))
            .await?,
    ])
}

async fn pool(bench: &Bench<'_>, shape: &PoolShape) -> Result<Vec<Measured>, BenchError> {
    let device = bench.device();
    let x = pictures(shape.batch, shape.channels, shape.size, device);
    let grad = pictures(shape.batch, shape.channels, shape.out_size(), device);
    let (_, indices) = stock::pool(x.clone(), shape);
    Ok(vec![
        bench
            .measure(|| drop(stock::pool(x.clone(), shape)))
            .await?,
        bench
            .measure(|| stock::pool_backward(x.clone(), indices.clone(), grad.clone(), shape))
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
        bench
            .measure(|| drop(x().matmul(weight().transpose())))
            .await?,
        bench.measure(|| drop(grad().matmul(weight()))).await?,
    ];
    if kind == Weight::Trained {
        times.push(
            bench
                .measure(|| drop(grad().transpose().matmul(x())))
                .await?,
        );
    }
    Ok(times)
}
