//! Batch norm on a GPU. Forward: one pass for the statistics, one that normalises, adds the shortcut and
//! applies ReLU. Backward: one pass for the sums, one for the gradients. Between them a kernel of a few units
//! joins the parts of every channel in order.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::adapter::Adapter;
use super::norm_direct;
use super::norm_join::{Parts, joined_statistics, joined_sums};
use super::{BLOCK, blocks, element, empty, empty_f32};
use crate::choices::{Choice, bytes};
use crate::ops::SavedNorm;

/// Units of a cube along channels, and along rows.
const LANES: u32 = 16;
/// Rows of a part: its cube reads them once.
const PART: usize = 256;

/// The sum of what a cube's units of one channel bring, in the order of their rows.
#[cube]
fn over_rows(value: f32) -> f32 {
    let mut all = Shared::<[f32]>::new_slice(comptime!((LANES * LANES) as usize));
    all[(UNIT_POS_Y * LANES + UNIT_POS_X) as usize] = value;
    sync_cube();
    let mut sum = 0.0f32;
    for row in 0..LANES {
        sum += all[(row * LANES + UNIT_POS_X) as usize];
    }
    sum
}

/// Mean and sum of squares around it, over each part of the rows, as `[part][2][channels]`. Summed around the
/// part's first value, so that a large mean costs no digits.
#[cube(launch_unchecked)]
fn part_statistics<E: Float>(
    x: &[E],
    parts: &mut [f32],
    rows: u32,
    channels: u32,
    part: u32,
    #[define(E)] _element: ElemType,
) {
    let channel = CUBE_POS_Y * LANES + UNIT_POS_X;
    let begin = CUBE_POS_X * part;
    let end = u32::min(begin + part, rows);
    let mut sum = 0.0f32;
    let mut square = 0.0f32;
    let mut shift = 0.0f32;
    if channel < channels {
        shift = f32::cast_from(x[(begin * channels + channel) as usize]);
        let mut row = begin + UNIT_POS_Y;
        while row < end {
            let apart = f32::cast_from(x[(row * channels + channel) as usize]) - shift;
            sum += apart;
            square += apart * apart;
            row += LANES;
        }
    }
    let sum = over_rows(sum);
    let square = over_rows(square);
    if UNIT_POS_Y == 0 && channel < channels {
        let count = f32::cast_from(end - begin);
        let mean = sum / count;
        let at = CUBE_POS_X * 2 * channels + channel;
        parts[at as usize] = shift + mean;
        parts[(at + channels) as usize] = f32::max(square - sum * mean, 0.0f32);
    }
}

/// Joins the parts (Chan's formula): mean and biased variance of each channel.
#[cube(launch_unchecked)]
pub(super) fn join_statistics(
    parts: &[f32],
    mean_out: &mut [f32],
    variance_out: &mut [f32],
    rows: u32,
    channels: u32,
    part: u32,
    count: u32,
) {
    let channel = ABSOLUTE_POS as u32;
    if channel >= channels {
        terminate!();
    }
    let mut mean = 0.0f32;
    let mut spread = 0.0f32;
    let mut before = 0.0f32;
    for number in 0..count {
        let now = f32::cast_from(u32::min(part, rows - number * part));
        let at = number * 2 * channels + channel;
        let all = before + now;
        let apart = parts[at as usize] - mean;
        mean += apart * (now / all);
        spread += parts[(at + channels) as usize] + apart * apart * (before * (now / all));
        before = all;
    }
    mean_out[channel as usize] = mean;
    variance_out[channel as usize] = spread / before;
}

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`.
#[cube]
fn normalized(x: f32, mean: f32, variance: f32, weight: f32, bias: f32, epsilon: f32) -> f32 {
    (x - mean) * (weight / f32::sqrt(variance + epsilon)) + bias
}

/// ReLU that lets a NaN pass.
#[cube]
fn activated(value: f32, #[comptime] relu: bool) -> f32 {
    if comptime!(relu) {
        select(value < 0.0f32, 0.0f32, value)
    } else {
        value
    }
}

#[cube(launch_unchecked)]
fn normalize<E: Float>(
    x: &[E],
    mean: &[f32],
    variance: &[f32],
    weight: &[f32],
    bias: &[f32],
    out: &mut [E],
    len: u32,
    channels: u32,
    epsilon: f32,
    #[comptime] relu: bool,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at as u32 >= len {
        terminate!();
    }
    let c = at % channels as usize;
    let x = f32::cast_from(x[at]);
    let value = normalized(x, mean[c], variance[c], weight[c], bias[c], epsilon);
    out[at] = E::cast_from(activated(value, relu));
}

#[cube(launch_unchecked)]
fn normalize_and_add<E: Float>(
    x: &[E],
    mean: &[f32],
    variance: &[f32],
    weight: &[f32],
    bias: &[f32],
    residual: &[E],
    out: &mut [E],
    len: u32,
    channels: u32,
    epsilon: f32,
    #[comptime] relu: bool,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at as u32 >= len {
        terminate!();
    }
    let c = at % channels as usize;
    let x = f32::cast_from(x[at]);
    let value = normalized(x, mean[c], variance[c], weight[c], bias[c], epsilon);
    let sum = value + f32::cast_from(residual[at]);
    out[at] = E::cast_from(activated(sum, relu));
}

/// The gradient in front of ReLU: nothing where the output is zero or less.
#[cube(launch_unchecked)]
fn mask<E: Float>(
    output: &[E],
    grad: &[E],
    masked: &mut [E],
    len: u32,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at as u32 >= len {
        terminate!();
    }
    let closed = f32::cast_from(output[at]) <= 0.0f32;
    masked[at] = E::cast_from(select(closed, 0.0f32, f32::cast_from(grad[at])));
}

/// Sums of g and of g (x - mean) over each part of the rows, as `[part][2][channels]`.
#[cube(launch_unchecked)]
fn part_sums<E: Float>(
    x: &[E],
    grad: &[E],
    mean: &[f32],
    parts: &mut [f32],
    rows: u32,
    channels: u32,
    part: u32,
    #[define(E)] _element: ElemType,
) {
    let channel = CUBE_POS_Y * LANES + UNIT_POS_X;
    let begin = CUBE_POS_X * part;
    let end = u32::min(begin + part, rows);
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    if channel < channels {
        let center = mean[channel as usize];
        let mut row = begin + UNIT_POS_Y;
        while row < end {
            let at = (row * channels + channel) as usize;
            let pull = f32::cast_from(grad[at]);
            sum += pull;
            product += pull * (f32::cast_from(x[at]) - center);
            row += LANES;
        }
    }
    let sum = over_rows(sum);
    let product = over_rows(product);
    if UNIT_POS_Y == 0 && channel < channels {
        let at = CUBE_POS_X * 2 * channels + channel;
        parts[at as usize] = sum;
        parts[(at + channels) as usize] = product;
    }
}

/// Adds the parts; gives the gradients of shift and scale, and `[own, pull, shift]` of each channel for
/// `dx = own g - pull (x - mean) - shift`.
#[cube(launch_unchecked)]
pub(super) fn join_sums(
    parts: &[f32],
    variance: &[f32],
    weight: &[f32],
    grad_weight: &mut [f32],
    grad_bias: &mut [f32],
    factors: &mut [f32],
    rows: u32,
    channels: u32,
    count: u32,
    epsilon: f32,
) {
    let channel = ABSOLUTE_POS as u32;
    if channel >= channels {
        terminate!();
    }
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    for number in 0..count {
        let at = number * 2 * channels + channel;
        sum += parts[at as usize];
        product += parts[(at + channels) as usize];
    }
    let c = channel as usize;
    let inverse = 1.0f32 / f32::sqrt(variance[c] + epsilon);
    let own = weight[c] * inverse;
    let share = own / f32::cast_from(rows);
    grad_bias[c] = sum;
    grad_weight[c] = product * inverse;
    factors[c] = own;
    factors[(channels + channel) as usize] = share * product * inverse * inverse;
    factors[(2 * channels + channel) as usize] = share * sum;
}

#[cube(launch_unchecked)]
fn input_gradient<E: Float>(
    x: &[E],
    grad: &[E],
    mean: &[f32],
    factors: &[f32],
    out: &mut [E],
    len: u32,
    channels: u32,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS;
    if at as u32 >= len {
        terminate!();
    }
    let width = channels as usize;
    let c = at % width;
    let apart = f32::cast_from(x[at]) - mean[c];
    let own = factors[c] * f32::cast_from(grad[at]);
    out[at] = E::cast_from(own - apart * factors[width + c] - factors[2 * width + c]);
}

/// How rows are parted: rows of a part, parts, and a cube for each part and each [`LANES`] channels.
fn parted(rows: usize, channels: usize) -> (usize, usize, [u32; 2]) {
    // As many parts as a cube count may hold, and no more than a second pass reads quickly.
    let part = PART.max(rows.div_ceil(4096));
    let count = rows.div_ceil(part);
    let cubes = [count as u32, (channels as u32).div_ceil(LANES)];
    (part, count, cubes)
}

/// What the launches of [`norm`] and of [`norm_grad`] cost.
pub(crate) fn choices(rows: usize, channels: usize, residual: bool, relu: bool) -> [Choice; 2] {
    let (_, parts, [along, across]) = parted(rows, channels);
    let (len, of_parts) = (rows * channels, 2 * parts * channels);
    // Every unit along a part's rows loads the value that the part is summed around.
    let around = parts * channels * LANES as usize;
    let more = usize::from(residual);
    let (masks, relu) = (usize::from(relu), usize::from(relu) * 3 * len);
    let choice = |dispatches, values, minimum| Choice {
        tile: String::new(),
        cubes: (along * across) as usize,
        parts,
        dispatches,
        bytes: Some(bytes(values)),
        minimum: bytes(minimum),
        multiply_adds: 0,
    };
    let statistics = len + around + 2 * of_parts + 2 * channels;
    let sums = 2 * len + around + 2 * of_parts + 7 * channels;
    [
        // With each value four of its channel are loaded.
        choice(3, statistics + (6 + more) * len, (2 + more) * len),
        // With each value four of its channel are loaded, too.
        choice(
            3 + masks,
            relu + sums + 7 * len,
            (3 + masks + masks * more) * len,
        ),
    ]
}

/// See [`crate::ops::Kernels::norm`].
#[expect(unsafe_code, reason = "the kernels check every place themselves")]
pub(crate) fn norm(
    x: CubeTensor,
    weight: CubeTensor,
    bias: CubeTensor,
    residual: Option<CubeTensor>,
    relu: bool,
    epsilon: f32,
) -> [CubeTensor; 3] {
    if Adapter::of(&x) == Adapter::Software {
        return norm_direct::norm(x, weight, bias, residual, relu, epsilon);
    }
    let x = into_contiguous(x);
    let [rows, channels] = x.meta.shape().dims();
    let (part, count, [along, across]) = parted(rows, channels);
    let client = x.client.clone();
    let element = element(&x);
    let parts = empty_f32(&x, vec![count, 2, channels]);
    let out = empty(&x, vec![rows, channels]);
    let len = rows * channels;
    let (weight, bias) = (into_contiguous(weight), into_contiguous(bias));
    // SAFETY: every kernel returns, or skips, where its place lies behind `len`, `channels` or `rows`; the
    // buffers have the lengths that these imply.
    unsafe {
        part_statistics::launch_unchecked(
            &client,
            CubeCount::Static(along, across, 1),
            CubeDim::new_2d(LANES, LANES),
            x.clone().into_buffer_arg(),
            parts.clone().into_buffer_arg(),
            rows as u32,
            channels as u32,
            part as u32,
            element,
        );
    }
    let of = Parts {
        rows,
        channels,
        part,
        count,
    };
    let [mean, variance] = joined_statistics(parts, of);
    // SAFETY: as above.
    unsafe {
        match residual {
            Some(residual) => normalize_and_add::launch_unchecked(
                &client,
                blocks(len),
                CubeDim::new_1d(BLOCK),
                x.into_buffer_arg(),
                mean.clone().into_buffer_arg(),
                variance.clone().into_buffer_arg(),
                weight.into_buffer_arg(),
                bias.into_buffer_arg(),
                into_contiguous(residual).into_buffer_arg(),
                out.clone().into_buffer_arg(),
                len as u32,
                channels as u32,
                epsilon,
                relu,
                element,
            ),
            None => normalize::launch_unchecked(
                &client,
                blocks(len),
                CubeDim::new_1d(BLOCK),
                x.into_buffer_arg(),
                mean.clone().into_buffer_arg(),
                variance.clone().into_buffer_arg(),
                weight.into_buffer_arg(),
                bias.into_buffer_arg(),
                out.clone().into_buffer_arg(),
                len as u32,
                channels as u32,
                epsilon,
                relu,
                element,
            ),
        }
    }
    [out, mean, variance]
}

/// See [`crate::ops::Kernels::norm_grad`].
#[expect(unsafe_code, reason = "the kernels check every place themselves")]
pub(crate) fn norm_grad(
    saved: SavedNorm<burn_cubecl::CubeBackend>,
    grad: CubeTensor,
) -> [CubeTensor; 4] {
    if Adapter::of(&saved.x) == Adapter::Software {
        return norm_direct::norm_grad(saved, grad);
    }
    let (x, mut grad) = (into_contiguous(saved.x), into_contiguous(grad));
    let [rows, channels] = x.meta.shape().dims();
    let (part, count, [along, across]) = parted(rows, channels);
    let client = x.client.clone();
    let len = rows * channels;
    let element = element(&x);
    let parts = empty_f32(&x, vec![count, 2, channels]);
    let out = empty(&x, vec![rows, channels]);
    let mean = into_contiguous(saved.mean);
    // SAFETY: as in `norm`.
    unsafe {
        if let Some(output) = saved.output {
            let masked = empty(&x, vec![rows, channels]);
            mask::launch_unchecked(
                &client,
                blocks(len),
                CubeDim::new_1d(BLOCK),
                into_contiguous(output).into_buffer_arg(),
                grad.into_buffer_arg(),
                masked.clone().into_buffer_arg(),
                len as u32,
                element,
            );
            grad = masked;
        }
        part_sums::launch_unchecked(
            &client,
            CubeCount::Static(along, across, 1),
            CubeDim::new_2d(LANES, LANES),
            x.clone().into_buffer_arg(),
            grad.clone().into_buffer_arg(),
            mean.clone().into_buffer_arg(),
            parts.clone().into_buffer_arg(),
            rows as u32,
            channels as u32,
            part as u32,
            element,
        );
    }
    let of = Parts {
        rows,
        channels,
        part,
        count,
    };
    let of_channel = (saved.weight, saved.variance);
    let [grad_weight, grad_bias, factors] =
        joined_sums(parts, of_channel, of, saved.epsilon as f32);
    // SAFETY: as in `norm`.
    unsafe {
        input_gradient::launch_unchecked(
            &client,
            blocks(len),
            CubeDim::new_1d(BLOCK),
            x.into_buffer_arg(),
            grad.clone().into_buffer_arg(),
            mean.into_buffer_arg(),
            factors.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            len as u32,
            channels as u32,
            element,
        );
    }
    [out, grad_weight, grad_bias, grad]
}
