//! The second kernel of a split sum (split-K): the splits are added in their order, so that results do not depend on which
//! workgroup was done first.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::linear_launch;
use super::tensors::{empty_of, storage};
use crate::shape::ConvShape;

/// Adds `splits` of `[tap, channel][column]`, and writes `[column][channel, tap]`.
#[cube(launch_unchecked)]
fn add_splits<E: Float>(
    partial: &[f32],
    out: &mut [E],
    splits: u32,
    columns: u32,
    channels: u32,
    taps: u32,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    let rows = channels * taps;
    let len = rows * columns;
    if at >= len {
        terminate!();
    }
    let column = at / rows;
    let rest = at - column * rows;
    let channel = rest / taps;
    let row = (rest - channel * taps) * channels + channel;
    let mut from = row * columns + column;
    let mut sum = 0.0f32;
    for _ in 0..splits {
        sum += partial[from as usize];
        from += len;
    }
    out[at as usize] = E::cast_from(sum);
}

/// From `[split][tap, in][out]` to a weight's gradient `[out, in, kernel, kernel]`.
pub(super) fn weight_of_splits(partial: CubeTensor, shape: &ConvShape) -> CubeTensor {
    let [kh, kw] = shape.kernel;
    let weight = [shape.outputs, shape.inputs, kh, kw];
    let order = [shape.outputs, shape.inputs, kh * kw];
    sum(partial, weight, order, DType::F32)
}

/// From splits that are in the order of `shape`, stored as `dtype`.
pub(super) fn sum_of_splits(partial: CubeTensor, shape: [usize; 4], dtype: DType) -> CubeTensor {
    sum(partial, shape, [1, shape.iter().product(), 1], dtype)
}

fn sum(
    partial: CubeTensor,
    shape: [usize; 4],
    [columns, channels, taps]: [usize; 3],
    dtype: DType,
) -> CubeTensor {
    let [splits, ..] = partial.meta.shape().dims::<3>();
    let out = empty_of(dtype, &partial, shape.to_vec());
    let (client, stored) = (partial.client.clone(), storage(&out));
    let (workgroups, size) = linear_launch(columns * channels * taps);
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: invocations past the result's length return.
    unsafe {
        add_splits::launch_unchecked(
            &client,
            workgroups,
            size,
            partial.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            splits as u32,
            columns as u32,
            channels as u32,
            taps as u32,
            stored,
        );
    }
    out
}
