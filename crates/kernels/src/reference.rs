//! The operations in f64 on the CPU: plain loops, written as the definitions are, for checks in which rounding to f32 would
//! hide an error. A run computes in f32.

pub mod spatial;

use burn::tensor::TensorData;
use burn_flex::{Flex, FlexTensor};
use parallax_ranks::Ranks;

use crate::across::{Moments, summed};
use crate::ops::{ReluMask, SavedNorm};
use crate::shape::{ConvShape, LinearShape, PoolShape};

struct Host(FlexTensor);

impl Host {
    fn new(tensor: FlexTensor) -> Self {
        Self(tensor.to_contiguous())
    }

    fn values(&self) -> &[f64] {
        // The caller has checked the dtype, and `new` made the values contiguous.
        self.0.as_slice().unwrap_or(&[])
    }
}

fn tensor<const D: usize>(values: Vec<f64>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// Calls `each` with the indices of output, input and weight for every product of a convolution.
fn products(shape: &ConvShape, mut each: impl FnMut(usize, usize, usize)) {
    let ([rows, columns], [height, width]) = (shape.out_size(), shape.size);
    let [kh, kw] = shape.kernel;
    // The input's coordinate under a tap; padding is zero and contributes nothing.
    let read = |axis: usize, place: usize, tap: usize| {
        let at = place * shape.stride[axis] + tap * shape.dilation[axis];
        at.checked_sub(shape.padding[axis])
            .filter(|&at| at < shape.size[axis])
    };
    for image in 0..shape.batch {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)))
        {
            for (i, j) in (0..kh).flat_map(|i| (0..kw).map(move |j| (i, j))) {
                let (Some(y), Some(x)) = (read(0, row, i), read(1, column, j)) else {
                    continue;
                };
                let output = ((image * rows + row) * columns + column) * shape.outputs;
                let input = ((image * height + y) * width + x) * shape.inputs;
                for out in 0..shape.outputs {
                    for channel in 0..shape.inputs {
                        let weight = ((out * shape.inputs + channel) * kh + i) * kw + j;
                        each(output + out, input + channel, weight);
                    }
                }
            }
        }
    }
}

pub fn conv(x: FlexTensor, weight: FlexTensor, shape: ConvShape) -> FlexTensor {
    let (x, weight) = (Host::new(x), Host::new(weight));
    let (x, weight) = (x.values(), weight.values());
    let mut output = vec![0.0; shape.output_len()];
    products(&shape, |o, i, w| output[o] += x[i] * weight[w]);
    let [rows, columns] = shape.out_size();
    tensor(output, [shape.batch, rows, columns, shape.outputs])
}

pub fn conv_grad_input(grad: FlexTensor, weight: FlexTensor, shape: ConvShape) -> FlexTensor {
    let (grad, weight) = (Host::new(grad), Host::new(weight));
    let (grad, weight) = (grad.values(), weight.values());
    let mut input = vec![0.0; shape.input_len()];
    products(&shape, |o, i, w| input[i] += grad[o] * weight[w]);
    let [height, width] = shape.size;
    tensor(input, [shape.batch, height, width, shape.inputs])
}

pub fn conv_grad_weight(x: FlexTensor, grad: FlexTensor, shape: ConvShape) -> FlexTensor {
    let (x, grad) = (Host::new(x), Host::new(grad));
    let (x, grad) = (x.values(), grad.values());
    let mut weight = vec![0.0; shape.weight_len()];
    products(&shape, |o, i, w| weight[w] += grad[o] * x[i]);
    let [height, width] = shape.kernel;
    tensor(weight, [shape.outputs, shape.inputs, height, width])
}

/// The sum of `value(index)` over the rows, for every channel.
fn sums(len: usize, channels: usize, value: impl Fn(usize) -> f64) -> Vec<f64> {
    let mut sums = vec![0.0; channels];
    for index in 0..len {
        sums[index % channels] += value(index);
    }
    sums
}

pub fn norm(
    x: FlexTensor,
    weight: FlexTensor,
    bias: FlexTensor,
    residual: Option<FlexTensor>,
    (relu, epsilon): (bool, f64),
    ranks: Ranks,
) -> [FlexTensor; 3] {
    let (x, weight, bias) = (Host::new(x), Host::new(weight), Host::new(bias));
    let residual = residual.map(Host::new);
    let (x, weight, bias) = (x.values(), weight.values(), bias.values());
    let channels = weight.len();
    let rows = x.len() / channels;
    let average = |sums: Vec<f64>| -> Vec<f64> { sums.iter().map(|s| s / rows as f64).collect() };
    let mean = average(sums(x.len(), channels, |i| x[i]));
    let squares = sums(x.len(), channels, |i| (x[i] - mean[i % channels]).powi(2));
    let of_all = Moments {
        rows: rows as f64,
        mean,
        squares,
    };
    let of_all = of_all.of_all(ranks);
    let variance: Vec<f64> = of_all.variance().collect();
    let mean = of_all.mean;
    let value = |i: usize| {
        let c = i % channels;
        let normal = (x[i] - mean[c]) / (variance[c] + epsilon).sqrt();
        let other = residual
            .as_ref()
            .map_or(0.0, |residual| residual.values()[i]);
        let value = normal * weight[c] + bias[c] + other;
        if relu && value < 0.0 { 0.0 } else { value }
    };
    let output = (0..x.len()).map(value).collect();
    [
        tensor(output, [rows, channels]),
        tensor(mean, [channels]),
        tensor(variance, [channels]),
    ]
}

pub fn norm_grad(saved: SavedNorm<Flex>, grad: FlexTensor) -> [FlexTensor; 4] {
    let [x, weight, mean, variance, grad] =
        [saved.x, saved.weight, saved.mean, saved.variance, grad].map(Host::new);
    let (x, weight, grad) = (x.values(), weight.values(), grad.values());
    let (mean, variance) = (mean.values(), variance.values());
    let channels = weight.len();
    let rows = x.len() / channels;
    let sigma = |c: usize| (variance[c] + saved.epsilon).sqrt();
    let normal = |i: usize| (x[i] - mean[i % channels]) / sigma(i % channels);
    // The gradient before ReLU, which is the residual's.
    let open = |output: &dyn Fn(usize) -> f64| -> Vec<f64> {
        let of = |(i, &grad)| if output(i) <= 0.0 { 0.0 } else { grad };
        grad.iter().enumerate().map(of).collect()
    };
    let residual = match saved.mask {
        ReluMask::None => grad.to_vec(),
        ReluMask::Output(output) => {
            let output = Host::new(output);
            let output = output.values();
            open(&|i| output[i])
        }
        ReluMask::Shift(bias) => {
            let bias = Host::new(bias);
            let bias = bias.values();
            open(&|i| normal(i) * weight[i % channels] + bias[i % channels])
        }
    };
    let bias = sums(x.len(), channels, |i| residual[i]);
    let scale = sums(x.len(), channels, |i| residual[i] * normal(i));
    let (sums_of_all, n) = summed([&bias[..], &scale[..]].concat(), rows, saved.ranks);
    let (plain, weighted) = sums_of_all.split_at(channels);
    let input = |i: usize| {
        let c = i % channels;
        weight[c] / sigma(c) * (residual[i] - plain[c] / n - normal(i) * weighted[c] / n)
    };
    let input = (0..x.len()).map(input).collect();
    [
        tensor(input, [rows, channels]),
        tensor(scale, [channels]),
        tensor(bias, [channels]),
        tensor(residual, [rows, channels]),
    ]
}

/// For every output of a max-pool the index of its maximum, the first of equal ones.
fn argmax(x: &[f64], shape: &PoolShape) -> Vec<usize> {
    let ([rows, columns], [height, width]) = (shape.out_size(), shape.size);
    let mut indices = Vec::with_capacity(shape.batch * rows * columns * shape.channels);
    let window = |place: usize, side: usize| {
        let begin = place * shape.stride;
        begin.saturating_sub(shape.padding)
            ..(begin + shape.kernel)
                .saturating_sub(shape.padding)
                .min(side)
    };
    for image in 0..shape.batch {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)))
        {
            for channel in 0..shape.channels {
                let at = |y: usize, x: usize| {
                    ((image * height + y) * width + x) * shape.channels + channel
                };
                let (ys, xs) = (window(row, height), window(column, width));
                let mut best = at(ys.start, xs.start);
                for index in ys
                    .flat_map(|y| xs.clone().map(move |x| (y, x)))
                    .map(|(y, x)| at(y, x))
                {
                    if x[index] > x[best] {
                        best = index;
                    }
                }
                indices.push(best);
            }
        }
    }
    indices
}

pub fn pool(x: FlexTensor, shape: PoolShape) -> FlexTensor {
    let x = Host::new(x);
    let x = x.values();
    let output = argmax(x, &shape)
        .into_iter()
        .map(|index| x[index])
        .collect();
    let [rows, columns] = shape.out_size();
    tensor(output, [shape.batch, rows, columns, shape.channels])
}

pub fn pool_grad(x: FlexTensor, grad: FlexTensor, shape: PoolShape) -> FlexTensor {
    let (x, grad) = (Host::new(x), Host::new(grad));
    let mut input = vec![0.0; x.values().len()];
    for (index, grad) in argmax(x.values(), &shape).into_iter().zip(grad.values()) {
        input[index] += grad;
    }
    let [height, width] = shape.size;
    tensor(input, [shape.batch, height, width, shape.channels])
}

/// `[rows, columns]`, each value a sum of `terms` products.
fn matrix(
    [rows, columns, terms]: [usize; 3],
    product: impl Fn(usize, usize, usize) -> f64,
) -> FlexTensor {
    let value = |index: usize| {
        let (row, column) = (index / columns, index % columns);
        (0..terms).map(|term| product(row, column, term)).sum()
    };
    tensor((0..rows * columns).map(value).collect(), [rows, columns])
}

pub fn linear(x: FlexTensor, weight: FlexTensor, shape: LinearShape) -> FlexTensor {
    let (x, weight) = (Host::new(x), Host::new(weight));
    let (x, weight, n) = (x.values(), weight.values(), shape.inputs);
    let size = [shape.batch, shape.outputs, n];
    matrix(size, |row, column, k| {
        x[row * n + k] * weight[column * n + k]
    })
}

pub fn linear_grad_input(grad: FlexTensor, weight: FlexTensor, shape: LinearShape) -> FlexTensor {
    let (grad, weight) = (Host::new(grad), Host::new(weight));
    let (grad, weight) = (grad.values(), weight.values());
    let (n, o) = (shape.inputs, shape.outputs);
    let size = [shape.batch, n, o];
    matrix(size, |row, column, k| {
        grad[row * o + k] * weight[k * n + column]
    })
}

pub fn linear_grad_weight(x: FlexTensor, grad: FlexTensor, shape: LinearShape) -> FlexTensor {
    let (x, grad) = (Host::new(x), Host::new(grad));
    let (x, grad) = (x.values(), grad.values());
    let (n, o) = (shape.inputs, shape.outputs);
    let size = [o, n, shape.batch];
    matrix(size, |row, column, k| grad[k * o + row] * x[k * n + column])
}
