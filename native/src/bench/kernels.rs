//! `parallax bench kernels`.

use std::time::Duration;

use anyhow::Result;
use burn::tensor::module::{batch_norm_train, conv2d as stock_conv2d};
use burn::tensor::{Device, Distribution, Tensor};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{Activation, ConvShape, batch_norm, conv2d};
use serde::Serialize;

use super::timer::seconds;
use crate::cli::BenchKernels;
use crate::device;

/// A line of the table.
#[derive(Serialize)]
struct Line {
    shape: String,
    operation: &'static str,
    /// Multiply-adds, counted as two; 0 where memory is what counts.
    flops: f64,
    /// Bytes that must move: each operand read once, each result written once.
    bytes: f64,
    ours: f64,
    stock: f64,
}

/// Prints the table.
pub fn run(arguments: &BenchKernels) -> Result<()> {
    let opened = device::open(&arguments.on.device)?;
    let bench = Bench {
        device: opened.device.clone(),
        budget: Duration::from_millis(arguments.milliseconds),
    };
    let product = bench.product()?;
    let mut lines = Vec::new();
    for shape in shapes(arguments.width, arguments.size, arguments.batch) {
        eprintln!("{}", name(&shape));
        lines.extend(bench.convolution(&shape)?);
        lines.extend(bench.norm(&shape)?);
    }
    if arguments.json {
        let device = format!("{} ({})", opened.name, opened.adapter);
        let table =
            serde_json::json!({ "device": device, "product_flops": product, "lines": lines });
        println!("{table}");
        return Ok(());
    }
    println!(
        "{} ({}), ResNet-18 of width {} at {} px, batch {}; product of 512 x 512 matrices {:.1} GFLOP/s\n",
        opened.name,
        opened.adapter,
        arguments.width,
        arguments.size,
        arguments.batch,
        product / 1e9
    );
    println!(
        "{:<26} {:<16} {:>9} {:>9} {:>7} {:>9} {:>8} {:>7}",
        "shape", "operation", "ours ms", "Burn ms", "ratio", "GFLOP/s", "of best", "GB/s"
    );
    for line in &lines {
        let rate = |value: f64| match value > 0.0 {
            true => format!("{:.1}", value / 1e9),
            false => "-".to_string(),
        };
        println!(
            "{:<26} {:<16} {:>9.3} {:>9.3} {:>7.2} {:>9} {:>8} {:>7}",
            line.shape,
            line.operation,
            line.ours * 1e3,
            line.stock * 1e3,
            line.stock / line.ours,
            rate(line.flops / line.ours),
            match line.flops > 0.0 {
                true => format!("{:.0} %", 100.0 * line.flops / line.ours / product),
                false => "-".to_string(),
            },
            rate(line.bytes / line.ours),
        );
    }
    Ok(())
}

/// The different convolutions of a ResNet-18 with the stem for small pictures.
fn shapes(width: usize, size: usize, batch: usize) -> Vec<ConvShape> {
    let shape = |side, inputs, outputs, kernel, stride| ConvShape {
        batch,
        size: [side; 2],
        inputs,
        outputs,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [kernel / 2; 2],
        dilation: [1; 2],
    };
    let mut shapes = vec![shape(size, 3, width, 3, 1), shape(size, width, width, 3, 1)];
    for stage in 0..3 {
        let (side, inputs) = ((size >> stage).max(1), width << stage);
        shapes.push(shape(side, inputs, 2 * inputs, 3, 2));
        shapes.push(shape(side, inputs, 2 * inputs, 1, 2));
        shapes.push(shape(side.div_ceil(2), 2 * inputs, 2 * inputs, 3, 1));
    }
    shapes
}

fn name(shape: &ConvShape) -> String {
    format!(
        "{}x{} {} to {} at {} px /{}",
        shape.kernel[0],
        shape.kernel[1],
        shape.inputs,
        shape.outputs,
        shape.size[0],
        shape.stride[0]
    )
}

struct Bench {
    device: Device,
    budget: Duration,
}

impl Bench {
    fn random<const D: usize>(&self, shape: [usize; D]) -> Tensor<D> {
        let device = self.device.clone().autodiff();
        Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), &device)
    }

    /// The rate of our best matrix product: a convolution of one tap.
    fn product(&self) -> Result<f64> {
        let (x, weight) = (self.random([1, 16, 32, 512]), self.random([512, 512, 1, 1]));
        let options = ConvOptions {
            stride: 1,
            padding: 0,
            dilation: 1,
        };
        let time = seconds(&self.device, self.budget, || {
            conv2d(x.clone(), weight.clone(), options);
        })?;
        Ok(2.0 * 512f64.powi(3) / time)
    }

    /// Forward and both gradients. A gradient's time is that of a pass forward and backward in which it alone is
    /// asked for, less the forward pass.
    fn convolution(&self, shape: &ConvShape) -> Result<Vec<Line>> {
        let [height, width] = shape.out_size();
        let x = self.random([shape.batch, shape.size[0], shape.size[1], shape.inputs]);
        let weight = self.random([
            shape.outputs,
            shape.inputs,
            shape.kernel[0],
            shape.kernel[1],
        ]);
        let pull = self.random([shape.batch, height, width, shape.outputs]);
        let options = ConvOptions {
            stride: shape.stride[0],
            padding: shape.padding[0],
            dilation: 1,
        };
        let ours = |x: &Tensor<4>, weight: &Tensor<4>| conv2d(x.clone(), weight.clone(), options);
        let ours = self.three(&x, &weight, &pull, ours)?;

        let options = burn::tensor::ops::ConvOptions::new(shape.stride, shape.padding, [1, 1], 1);
        let stock = |x: &Tensor<4>, weight: &Tensor<4>| {
            stock_conv2d(x.clone(), weight.clone(), None, options.clone())
        };
        let first = |tensor: Tensor<4>| {
            let tensor = tensor.permute([0, 3, 1, 2]);
            // A copy in Burn's order.
            tensor.clone().zeros_like() + tensor
        };
        let stock = self.three(&first(x), &weight, &first(pull), stock)?;

        let depth = shape.inputs * shape.kernel[0] * shape.kernel[1];
        let values = shape.input_len() + shape.output_len() + shape.weight_len();
        let line = |number: usize, operation| Line {
            shape: name(shape),
            operation,
            flops: 2.0 * (shape.output_len() * depth) as f64,
            bytes: 4.0 * values as f64,
            ours: ours[number],
            stock: stock[number],
        };
        Ok(vec![
            line(0, "forward"),
            line(1, "input gradient"),
            line(2, "weight gradient"),
        ])
    }

    fn three(
        &self,
        x: &Tensor<4>,
        weight: &Tensor<4>,
        pull: &Tensor<4>,
        conv: impl Fn(&Tensor<4>, &Tensor<4>) -> Tensor<4>,
    ) -> Result<[f64; 3]> {
        let inner = |tensor: &Tensor<4>| tensor.clone().inner();
        let (plain_x, plain_weight) = (inner(x), inner(weight));
        let forward = seconds(&self.device, self.budget, || {
            conv(&plain_x, &plain_weight);
        })?;
        let backward = |x: Tensor<4>, weight: Tensor<4>| {
            let product = seconds(&self.device, self.budget, || {
                (conv(&x, &weight) * pull.clone().detach()).sum().backward();
            });
            // The sum and its gradient, which belong to neither.
            let rest = seconds(&self.device, self.budget, || {
                let output = pull.clone().detach().require_grad();
                (output * pull.clone().detach()).sum().backward();
            });
            Ok::<f64, anyhow::Error>((product? - rest? - forward).max(1e-9))
        };
        let leaf = |tensor: &Tensor<4>| tensor.clone().detach().require_grad();
        let constant = |tensor: &Tensor<4>| tensor.clone().detach();
        let input = backward(leaf(x), constant(weight))?;
        let weight = backward(constant(x), leaf(weight))?;
        Ok([forward, input, weight])
    }

    /// Batch norm and ReLU behind a convolution, forward and with both gradients.
    fn norm(&self, shape: &ConvShape) -> Result<Vec<Line>> {
        let [height, width] = shape.out_size();
        let (rows, channels) = (shape.batch * height * width, shape.outputs);
        let x = self.random([rows, channels]).detach().require_grad();
        let weight = self.random([channels]).detach().require_grad();
        let bias = self.random([channels]).detach().require_grad();
        let ours = || {
            let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
            batch_norm(x, weight, bias, None, Activation::Relu, 1e-5).output
        };
        let stock = || {
            let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
            burn::tensor::activation::relu(batch_norm_train(x, weight, bias, 1e-5).output)
        };
        let time = |forward: &dyn Fn() -> Tensor<2>| {
            seconds(&self.device, self.budget, || {
                forward().sum().backward();
            })
        };
        Ok(vec![Line {
            shape: name(shape),
            operation: "norm, ReLU, back",
            flops: 0.0,
            // Read for the statistics, read and written forward; read twice with the gradient, then written.
            bytes: 4.0 * (8 * rows * channels) as f64,
            ours: time(&ours)?,
            stock: time(&stock)?,
        }])
    }
}
