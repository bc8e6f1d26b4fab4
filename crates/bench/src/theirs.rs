//! Burn's own operations of a case.

use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use parallax_kernels::{ConvShape, LinearShape, PoolShape};

use crate::cases::{Case, Weight};
use crate::ours::{EPSILON, random};
use crate::stock;
use crate::timer::Work;

/// In the order of [`crate::launch_lines::operations`]. Images lie channels first, as Burn keeps them.
pub(crate) fn theirs(device: &Device, case: &Case) -> Vec<Work> {
    match case {
        Case::Conv(shape) => convolution(device, *shape),
        Case::Norm(shape) => norm(device, *shape),
        Case::Pool(shape) => pool(device, *shape),
        Case::Linear(shape, weight) => products(device, shape, *weight),
    }
}

fn images(batch: usize, channels: usize, size: [usize; 2], device: &Device) -> Tensor<4> {
    random([batch, channels, size[0], size[1]], device)
}

fn convolution(device: &Device, shape: ConvShape) -> Vec<Work> {
    let x = images(shape.batch, shape.inputs, shape.size, device);
    let grad = images(shape.batch, shape.outputs, shape.out_size(), device);
    let [kh, kw] = shape.kernel;
    let weight = random([shape.outputs, shape.inputs, kh, kw], device);
    let operands = move || (x.clone(), weight.clone(), grad.clone());
    let [forward, input] = [operands.clone(), operands.clone()];
    vec![
        Rc::new(move || {
            let (x, weight, _) = forward();
            stock::conv(x, weight, &shape);
        }),
        Rc::new(move || {
            let (x, weight, grad) = input();
            stock::conv_input(x, weight, grad, &shape);
        }),
        Rc::new(move || {
            let (x, weight, grad) = operands();
            stock::conv_weight(x, weight, grad, &shape);
        }),
    ]
}

fn norm(device: &Device, [rows, channels]: [usize; 2]) -> Vec<Work> {
    let (x, grad) = (
        random([rows, channels], device),
        random([rows, channels], device),
    );
    let (weight, bias) = (random([channels], device), random([channels], device));
    let normed = {
        let (x, weight) = (x.clone(), weight.clone());
        move || stock::norm_relu(x.clone(), weight.clone(), bias.clone(), EPSILON)
    };
    let passed = normed();
    vec![
        Rc::new(move || drop(normed())),
        Rc::new(move || {
            let (x, weight, grad) = (x.clone(), weight.clone(), grad.clone());
            stock::norm_relu_backward(x, &passed, weight, grad, EPSILON);
        }),
    ]
}

fn pool(device: &Device, shape: PoolShape) -> Vec<Work> {
    let x = images(shape.batch, shape.channels, shape.size, device);
    let grad = images(shape.batch, shape.channels, shape.out_size(), device);
    let pooled = {
        let x = x.clone();
        move || stock::pool(x.clone(), &shape)
    };
    let (_, indices) = pooled();
    vec![
        Rc::new(move || drop(pooled())),
        Rc::new(move || stock::pool_backward(x.clone(), indices.clone(), grad.clone(), &shape)),
    ]
}

fn products(device: &Device, shape: &LinearShape, kind: Weight) -> Vec<Work> {
    let x = random([shape.batch, shape.inputs], device);
    let weight = random([shape.outputs, shape.inputs], device);
    let grad: Tensor<2> = random([shape.batch, shape.outputs], device);
    let forward = (x.clone(), weight.clone());
    let input = (grad.clone(), weight);
    let mut works: Vec<Work> = vec![
        Rc::new(move || drop(forward.0.clone().matmul(forward.1.clone().transpose()))),
        Rc::new(move || drop(input.0.clone().matmul(input.1.clone()))),
    ];
    if kind == Weight::Trained {
        works.push(Rc::new(move || {
            grad.clone().transpose().matmul(x.clone());
        }));
    }
    works
}
