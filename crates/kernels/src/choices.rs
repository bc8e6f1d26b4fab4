//! What the kernels for GPUs launch for a shape, known without a device: the launches themselves take their tiles and
//! cubes from where these figures come from.

use crate::backend::gpu::adapter::Adapter;
use crate::backend::gpu::axis::Axis;
use crate::backend::gpu::{conv, conv_weight, direct_weight, linear, norm, pool, winograd};
use crate::shape::{ConvShape, LinearShape, PoolShape};

/// How an operation is launched on a GPU, and what that costs on any of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What a unit computes, the units of a cube and the steps of the sum that it stages, as in
    /// `4 x 4 by 16 x 16 units, depth 16`; empty where an operation has no tile.
    pub tile: String,
    /// Cubes of the products, over all their launches.
    pub cubes: usize,
    /// Parts of a sum that are computed side by side.
    pub parts: usize,
    /// Kernels launched.
    pub dispatches: usize,
    /// Bytes that the kernels ask global memory for, a load at a time: caches may serve some of them. `None` where
    /// that depends on the values.
    pub bytes: Option<u64>,
    /// Bytes of every operand read once and every result written once.
    pub minimum: u64,
    /// Multiplications with their additions that the result takes; those with the border's zeros count.
    pub multiply_adds: u64,
}

impl Choice {
    /// How often the least traffic is asked for.
    pub fn traffic(&self) -> Option<f64> {
        self.bytes.map(|bytes| bytes as f64 / self.minimum as f64)
    }

    /// Multiply-adds for each byte of that traffic.
    pub fn intensity(&self) -> Option<f64> {
        let bytes = self.bytes.filter(|_| self.multiply_adds > 0)?;
        Some(self.multiply_adds as f64 / bytes as f64)
    }
}

/// A convolution forward, its input gradient and its weight gradient.
pub fn choices(shape: &ConvShape, adapter: Adapter) -> [Choice; 3] {
    let taps = shape.kernel[0] * shape.kernel[1];
    let work = shape.output_len() * shape.inputs * taps;
    let others = shape.output_len() + shape.weight_len();
    // A stride may leave pixels of the input unread; its gradient has them all.
    let [down, across] = [0, 1].map(|axis| Axis::forward(shape, axis).touched(shape.size[axis]));
    let read = shape.batch * down * across * shape.inputs;
    let of = |choice: Choice, input: usize| Choice {
        minimum: bytes(input + others),
        multiply_adds: work as u64,
        ..choice
    };
    [
        of(forward_choice(shape, adapter), read),
        of(backward_choice(shape, adapter), shape.input_len()),
        of(weight_choice(shape, adapter), read),
    ]
}

fn forward_choice(shape: &ConvShape, adapter: Adapter) -> Choice {
    match winograd::Plan::forward(shape, adapter) {
        Some(plan) => plan.choice(),
        None => conv::Plan::forward(shape, adapter).choice(),
    }
}

fn backward_choice(shape: &ConvShape, adapter: Adapter) -> Choice {
    match winograd::Plan::backward(shape, adapter) {
        Some(plan) => plan.choice(),
        None => conv::Plan::backward(shape, adapter).choice(),
    }
}

fn weight_choice(shape: &ConvShape, adapter: Adapter) -> Choice {
    if let Some(plan) = winograd::WeightPlan::of(shape, adapter) {
        return plan.choice();
    }
    match adapter {
        Adapter::Hardware => conv_weight::Plan::of(shape).choice(),
        Adapter::Software(program) => direct_weight::Plan::of(shape, program).choice(),
    }
}

/// A linear layer forward, its input gradient and its weight gradient.
pub fn linear_choices(shape: &LinearShape, adapter: Adapter) -> [Choice; 3] {
    let LinearShape {
        batch,
        inputs,
        outputs,
    } = *shape;
    let minimum = batch * inputs + inputs * outputs + batch * outputs;
    let forward = match linear::forward_route(shape) {
        linear::Route::Straight(product) | linear::Route::Turned(product) => {
            conv::Plan::forward(&product, adapter).choice()
        }
    };
    let input = match linear::grad_input_route(shape, adapter) {
        linear::Route::Straight(product) => conv::Plan::backward(&product, adapter).choice(),
        linear::Route::Turned(product) => {
            let choice = weight_choice(&product, adapter);
            // The gradient is turned first, where it has more than one row.
            let turns = usize::from(batch > 1);
            Choice {
                dispatches: choice.dispatches + turns,
                bytes: choice
                    .bytes
                    .map(|all| all + bytes(2 * turns * batch * outputs)),
                ..choice
            }
        }
    };
    let weight = weight_choice(&linear::pixels(batch, inputs, outputs), adapter);
    [forward, input, weight].map(|choice| Choice {
        minimum: bytes(minimum),
        multiply_adds: (batch * inputs * outputs) as u64,
        ..choice
    })
}

/// Batch norm over `[rows, channels]` forward and backward, with a shortcut and with ReLU or without.
pub fn norm_choices(
    rows: usize,
    channels: usize,
    residual: bool,
    relu: bool,
    adapter: Adapter,
) -> [Choice; 2] {
    norm::choices(rows, channels, residual, relu, adapter)
}

/// Max-pool forward and backward.
pub fn pool_choices(shape: &PoolShape) -> [Choice; 2] {
    pool::choices(shape)
}

/// Bytes of `values` f32.
pub(crate) fn bytes(values: usize) -> u64 {
    4 * values as u64
}
