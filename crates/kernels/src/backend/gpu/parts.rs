//! The second pass over a sum that was computed in parts, side by side: they are added in their order.

use burn::tensor::DType;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{BLOCK, blocks, element, empty_of};
use crate::shape::ConvShape;

/// Adds the parts in their order, and brings a weight's gradient into the weight's.
#[cube(launch_unchecked)]
fn add_parts<E: Float>(
    partial: &[f32],
    out: &mut [E],
    parts: u32,
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
    for _ in 0..parts {
        sum += partial[from as usize];
        from += len;
    }
    out[at as usize] = E::cast_from(sum);
}

/// From `[part][tap, in][out]` to the weight's `[out, in, kernel, kernel]`.
pub(super) fn sum_of_parts(partial: CubeTensor, shape: &ConvShape) -> CubeTensor {
    let [kh, kw] = shape.kernel;
    let weight = [shape.outputs, shape.inputs, kh, kw];
    let order = [shape.outputs, shape.inputs, kh * kw];
    sum(partial, weight, order, DType::F32)
}

/// From parts that are in the order of `shape`, to the element that it is stored in.
pub(super) fn sum_in_order(partial: CubeTensor, shape: [usize; 4], dtype: DType) -> CubeTensor {
    sum(partial, shape, [1, shape.iter().product(), 1], dtype)
}

fn sum(
    partial: CubeTensor,
    shape: [usize; 4],
    [columns, channels, taps]: [usize; 3],
    dtype: DType,
) -> CubeTensor {
    let [parts, ..] = partial.meta.shape().dims::<3>();
    let out = empty_of(dtype, &partial, shape.to_vec());
    let (client, element) = (partial.client.clone(), element(&out));
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: units behind the result's length return.
    unsafe {
        add_parts::launch_unchecked(
            &client,
            blocks(columns * channels * taps),
            CubeDim::new_1d(BLOCK),
            partial.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            parts as u32,
            columns as u32,
            channels as u32,
            taps as u32,
            element,
        );
    }
    out
}
