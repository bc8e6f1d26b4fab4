//! Between the two passes of batch norm over its activation: what the parts of the rows brought, joined for each channel.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::norm::{join_statistics, join_sums};
use super::{BLOCK, blocks, empty};

/// Rows in parts of `part`, and how many parts.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub rows: usize,
    pub channels: usize,
    pub part: usize,
    pub count: usize,
}

/// Mean and biased variance of each channel from those of the parts, `[count, 2, channels]`.
pub(super) fn joined_statistics(parts: CubeTensor, of: Parts) -> [CubeTensor; 2] {
    let (mean, variance) = (
        empty(&parts, vec![of.channels]),
        empty(&parts, vec![of.channels]),
    );
    let client = parts.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: units behind the last channel return.
    unsafe {
        join_statistics::launch_unchecked(
            &client,
            blocks(of.channels),
            CubeDim::new_1d(BLOCK),
            parts.into_buffer_arg(),
            mean.clone().into_buffer_arg(),
            variance.clone().into_buffer_arg(),
            of.rows as u32,
            of.channels as u32,
            of.part as u32,
            of.count as u32,
        );
    }
    [mean, variance]
}

/// The gradients of scale and shift, and the factors of the input's gradient, from the parts' sums; `weight` and `variance`
/// are those of the channels.
pub(super) fn joined_sums(
    parts: CubeTensor,
    (weight, variance): (CubeTensor, CubeTensor),
    of: Parts,
    epsilon: f32,
) -> [CubeTensor; 3] {
    let factors = empty(&parts, vec![3, of.channels]);
    let (grad_weight, grad_bias) = (
        empty(&parts, vec![of.channels]),
        empty(&parts, vec![of.channels]),
    );
    let client = parts.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: units behind the last channel return.
    unsafe {
        join_sums::launch_unchecked(
            &client,
            blocks(of.channels),
            CubeDim::new_1d(BLOCK),
            parts.into_buffer_arg(),
            into_contiguous(variance).into_buffer_arg(),
            into_contiguous(weight).into_buffer_arg(),
            grad_weight.clone().into_buffer_arg(),
            grad_bias.clone().into_buffer_arg(),
            factors.clone().into_buffer_arg(),
            of.rows as u32,
            of.channels as u32,
            of.count as u32,
            epsilon,
        );
    }
    [grad_weight, grad_bias, factors]
}
