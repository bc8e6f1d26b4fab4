//! Every operation of a step by itself, ours and Burn's own.

use burn::tensor::{Device, Distribution, Tensor};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{
    Activation, Adapter, ConvShape, LinearShape, PoolShape, batch_norm, conv2d, gradients, linear,
    max_pool2d,
};
use serde::Serialize;

use crate::cases::{Case, Setting, Weight, cases};
use crate::plan::{Plan, dash, operations};
use crate::stock;
use crate::table::{Table, number};
use crate::timer::{Bench, BenchError, Measured};

const EPSILON: f64 = 1e-5;

/// An operation, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct KernelLine {
    /// As in `3x3 16 to 32 at 32 px /2`.
    pub shape: String,
    /// `forward`, `input gradient`, `weight gradient` or `backward`.
    pub operation: &'static str,
    /// Seconds of our operation.
    pub seconds: f64,
    /// Seconds of Burn's own.
    pub stock_seconds: f64,
    /// Kernels that ours launched, counted; 0 on the CPU.
    pub dispatches: usize,
    /// Kernels that Burn's own launched.
    pub stock_dispatches: usize,
    /// Multiply-adds counted as two, a second; `None` where memory is what counts.
    pub rate: Option<f64>,
    /// Share of the rate of our best matrix product.
    pub of_best: Option<f64>,
    /// How it is launched where the device is a GPU.
    pub plan: Option<Plan>,
    /// Bytes of every operand read once and every result written once.
    pub minimum: u64,
}

impl KernelLine {
    /// The columns of [`KernelLine::cells`].
    pub fn table() -> Table {
        Table::new(
            &["shape", "operation"],
            &[
                "ours, ms",
                "Burn, ms",
                "ratio",
                "GFLOP/s",
                "of best",
                "GB/s",
                "dispatches",
                "Burn's",
                "of minimum",
                "mul-adds/byte",
            ],
        )
    }

    /// The line as text.
    pub fn cells(&self) -> Vec<String> {
        let count = |launched: usize| match self.plan {
            Some(_) => launched.to_string(),
            None => dash(),
        };
        let of_plan = |figure: fn(&Plan) -> Option<f64>| {
            let value = self.plan.as_ref().and_then(figure);
            value.map_or_else(dash, |value| number(value, 1))
        };
        vec![
            self.shape.clone(),
            self.operation.to_string(),
            number(self.seconds * 1e3, 3),
            number(self.stock_seconds * 1e3, 3),
            number(self.stock_seconds / self.seconds, 2),
            self.rate.map_or_else(dash, |rate| number(rate / 1e9, 1)),
            self.of_best
                .map_or_else(dash, |share| format!("{} %", number(100.0 * share, 0))),
            number(self.minimum as f64 / self.seconds / 1e9, 1),
            count(self.dispatches),
            count(self.stock_dispatches),
            of_plan(|plan| plan.traffic),
            of_plan(|plan| plan.intensity),
        ]
    }
}

/// Operations a second of our best matrix product, 512 x 512: a convolution of one tap.
///
/// # Errors
/// When the device has failed.
pub async fn product_rate(bench: &Bench<'_>) -> Result<f64, BenchError> {
    let device = bench.device();
    let (x, weight) = (
        random([1, 16, 32, 512], device),
        random([512, 512, 1, 1], device),
    );
    let options = ConvOptions {
        stride: 1,
        padding: 0,
        dilation: 1,
    };
    let measured = bench
        .measure(|| drop(conv2d(x.clone(), weight.clone(), options)))
        .await?;
    Ok(2.0 * 512f64.powi(3) / measured.seconds)
}

/// Measures everything, and hands each line over as soon as it is there. `best` is [`product_rate`].
///
/// # Errors
/// When a size is zero or the device has failed.
pub async fn kernels(
    bench: &Bench<'_>,
    setting: &Setting,
    best: f64,
    mut on_line: impl FnMut(&KernelLine),
) -> Result<(), BenchError> {
    setting.check()?;
    let adapter = Adapter::of_device(bench.device()).unwrap_or_default();
    for case in cases(setting) {
        let (ours, stock) = match &case {
            Case::Conv(shape) => convolution(bench, shape).await?,
            Case::Norm(shape) => norm(bench, *shape).await?,
            Case::Pool(shape) => pool(bench, shape).await?,
            Case::Linear(shape, weight) => products(bench, shape, *weight).await?,
        };
        for (((operation, choice), ours), stock) in
            operations(&case, adapter).into_iter().zip(ours).zip(stock)
        {
            let flops = 2.0 * choice.multiply_adds as f64;
            let rate = (flops > 0.0).then(|| flops / ours.seconds);
            on_line(&KernelLine {
                shape: case.name(),
                operation,
                seconds: ours.seconds,
                stock_seconds: stock.seconds,
                dispatches: ours.dispatches,
                stock_dispatches: stock.dispatches,
                rate,
                of_best: rate.map(|rate| rate / best),
                minimum: choice.minimum,
                plan: (ours.dispatches > 0).then(|| choice.into()),
            });
        }
    }
    Ok(())
}

fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

/// The same values channels first, in Burn's order in memory.
fn channels_first(tensor: &Tensor<4>) -> Tensor<4> {
    let tensor = tensor.clone().permute([0, 3, 1, 2]);
    tensor.clone().zeros_like() + tensor
}

/// Ours and Burn's, each in the order of `operations`.
type Both = (Vec<Measured>, Vec<Measured>);

async fn convolution(bench: &Bench<'_>, shape: &ConvShape) -> Result<Both, BenchError> {
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
    let (x_of, grad_of) = (|| x.clone(), || grad.clone());
    let weight_of = || weight.clone();
    let ours = vec![
        bench
            .measure(|| drop(conv2d(x_of(), weight_of(), options)))
            .await?,
        bench
            .measure(|| drop(gradients::conv2d_input(grad_of(), weight_of(), *shape)))
            .await?,
        bench
            .measure(|| drop(gradients::conv2d_weight(x_of(), grad_of(), *shape)))
            .await?,
    ];
    let (x, grad) = (channels_first(&x), channels_first(&grad));
    let (x_of, grad_of) = (|| x.clone(), || grad.clone());
    let stock = vec![
        bench
            .measure(|| drop(stock::conv(x_of(), weight_of(), shape)))
            .await?,
        bench
            .measure(|| stock::conv_input(x_of(), weight_of(), grad_of(), shape))
            .await?,
        bench
            .measure(|| stock::conv_weight(x_of(), weight_of(), grad_of(), shape))
            .await?,
    ];
    Ok((ours, stock))
}

async fn norm(bench: &Bench<'_>, [rows, channels]: [usize; 2]) -> Result<Both, BenchError> {
    let device = bench.device();
    let (x, grad) = (
        random([rows, channels], device),
        random([rows, channels], device),
    );
    let (weight, bias) = (random([channels], device), random([channels], device));
    let (x_of, grad_of, weight_of) = (|| x.clone(), || grad.clone(), || weight.clone());
    let forward = || {
        let bias = bias.clone();
        batch_norm(x_of(), weight_of(), bias, None, Activation::Relu, EPSILON)
    };
    let passed = forward();
    let ours = vec![
        bench.measure(|| drop(forward())).await?,
        bench
            .measure(|| {
                let normed = parallax_kernels::Normed {
                    output: passed.output.clone(),
                    mean: passed.mean.clone(),
                    variance: passed.variance.clone(),
                };
                gradients::batch_norm_relu(x_of(), normed, weight_of(), grad_of(), EPSILON);
            })
            .await?,
    ];
    let forward = || stock::norm_relu(x_of(), weight_of(), bias.clone(), EPSILON);
    let passed = forward();
    let stock = vec![
        bench.measure(|| drop(forward())).await?,
        bench
            .measure(|| stock::norm_relu_backward(x_of(), &passed, weight_of(), grad_of(), EPSILON))
            .await?,
    ];
    Ok((ours, stock))
}

async fn pool(bench: &Bench<'_>, shape: &PoolShape) -> Result<Both, BenchError> {
    let device = bench.device();
    let [height, width] = shape.out_size();
    let x = random(
        [shape.batch, shape.size[0], shape.size[1], shape.channels],
        device,
    );
    let grad = random([shape.batch, height, width, shape.channels], device);
    let forward = || max_pool2d(x.clone(), shape.kernel, shape.stride, shape.padding);
    let output = forward();
    let ours = vec![
        bench.measure(|| drop(forward())).await?,
        bench
            .measure(|| {
                let (x, output, grad) = (x.clone(), output.clone(), grad.clone());
                gradients::max_pool2d(x, output, grad, *shape);
            })
            .await?,
    ];
    let (x, grad) = (channels_first(&x), channels_first(&grad));
    let (_, indices) = stock::pool(x.clone(), shape);
    let stock = vec![
        bench
            .measure(|| drop(stock::pool(x.clone(), shape)))
            .await?,
        bench
            .measure(|| stock::pool_backward(x.clone(), indices.clone(), grad.clone(), shape))
            .await?,
    ];
    Ok((ours, stock))
}

async fn products(
    bench: &Bench<'_>,
    shape: &LinearShape,
    kind: Weight,
) -> Result<Both, BenchError> {
    let device = bench.device();
    let x = random([shape.batch, shape.inputs], device);
    let weight = random([shape.outputs, shape.inputs], device);
    let grad = random([shape.batch, shape.outputs], device);
    let (x_of, weight_of, grad_of) = (|| x.clone(), || weight.clone(), || grad.clone());
    let mut ours = vec![
        bench
            .measure(|| drop(linear(x_of(), weight_of(), None)))
            .await?,
        bench
            .measure(|| drop(gradients::linear_input(grad_of(), weight_of())))
            .await?,
    ];
    let mut stock = vec![
        bench
            .measure(|| drop(x_of().matmul(weight_of().transpose())))
            .await?,
        bench
            .measure(|| drop(grad_of().matmul(weight_of())))
            .await?,
    ];
    if kind == Weight::Trained {
        ours.push(
            bench
                .measure(|| drop(gradients::linear_weight(x_of(), grad_of())))
                .await?,
        );
        stock.push(
            bench
                .measure(|| drop(grad_of().transpose().matmul(x_of())))
                .await?,
        );
    }
    Ok((ours, stock))
}
