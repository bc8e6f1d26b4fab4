//! Our operations of a case.

use std::rc::Rc;

use burn::tensor::{Device, Distribution, Tensor};
use parallax_kernels::layers::ConvOptions;
use parallax_kernels::{
    Activation, ConvShape, LinearShape, Normed, PoolShape, batch_norm, conv2d, gradients, linear,
    max_pool2d,
};

use crate::cases::{Case, Weight};
use crate::timer::Work;

pub(crate) const EPSILON: f64 = 1e-5;

/// In the order of [`crate::launch_lines::operations`].
pub(crate) fn ours(device: &Device, case: &Case) -> Vec<Work> {
    match case {
        Case::Conv(shape) => convolution(device, *shape),
        Case::Norm(shape) => norm(device, *shape),
        Case::Pool(shape) => pool(device, *shape),
        Case::Linear(shape, weight) => products(device, shape, *weight),
    }
}

/// Any values but zeros, which some devices multiply faster.
pub(crate) fn random<const D: usize>(shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::random(shape, Distribution::Uniform(-1.0, 1.0), device)
}

fn convolution(device: &Device, shape: ConvShape) -> Vec<Work> {
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
    let forward = (x.clone(), weight.clone());
    let input = (grad.clone(), weight);
    vec![
        Rc::new(move || drop(conv2d(forward.0.clone(), forward.1.clone(), None, options))),
        Rc::new(move || {
            gradients::conv2d_input(input.0.clone(), input.1.clone(), shape);
        }),
        Rc::new(move || drop(gradients::conv2d_weight(x.clone(), grad.clone(), shape))),
    ]
}

fn norm(device: &Device, [rows, channels]: [usize; 2]) -> Vec<Work> {
    let (x, grad) = (
        random([rows, channels], device),
        random([rows, channels], device),
    );
    let (weight, bias) = (random([channels], device), random([channels], device));
    let normed = {
        let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
        move || {
            let (x, weight, bias) = (x.clone(), weight.clone(), bias.clone());
            batch_norm(x, weight, bias, None, Activation::Relu, EPSILON)
        }
    };
    let passed = normed();
    vec![
        Rc::new(move || drop(normed())),
        Rc::new(move || {
            let normed = Normed {
                output: passed.output.clone(),
                mean: passed.mean.clone(),
                variance: passed.variance.clone(),
                running: None,
            };
            let affine = (weight.clone(), bias.clone());
            gradients::batch_norm_relu(x.clone(), normed, affine, grad.clone(), EPSILON);
        }),
    ]
}

fn pool(device: &Device, shape: PoolShape) -> Vec<Work> {
    let [height, width] = shape.out_size();
    let x = random(
        [shape.batch, shape.size[0], shape.size[1], shape.channels],
        device,
    );
    let grad = random([shape.batch, height, width, shape.channels], device);
    let pooled = {
        let x = x.clone();
        move || max_pool2d(x.clone(), shape.kernel, shape.stride, shape.padding)
    };
    let output = pooled();
    vec![
        Rc::new(move || drop(pooled())),
        Rc::new(move || {
            gradients::max_pool2d(x.clone(), output.clone(), grad.clone(), shape);
        }),
    ]
}

fn products(device: &Device, shape: &LinearShape, kind: Weight) -> Vec<Work> {
    let x = random([shape.batch, shape.inputs], device);
    let weight = random([shape.outputs, shape.inputs], device);
    let grad = random([shape.batch, shape.outputs], device);
    let forward = (x.clone(), weight.clone());
    let input = (grad.clone(), weight);
    let mut works: Vec<Work> = vec![
        Rc::new(move || drop(linear(forward.0.clone(), forward.1.clone(), None))),
        Rc::new(move || {
            gradients::linear_input(input.0.clone(), input.1.clone());
        }),
    ];
    if kind == Weight::Trained {
        works.push(Rc::new(move || {
            gradients::linear_weight(x.clone(), grad.clone());
        }));
    }
    works
}
