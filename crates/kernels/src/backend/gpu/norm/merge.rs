//! Between the two passes of batch norm over its activation: the chunks' statistics or sums are merged for each channel.
//! Several invocations take a channel; each merges neighbouring chunks, then the first merges what they have, in order.

use burn_cubecl::CubeBackend;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::sums::Workgroup;
use crate::backend::gpu::tensors::empty;
use crate::ops::Running;

/// Channels of a workgroup, and invocations of a channel: with the most chunks that there are, each invocation merges as many
/// chunks as the first one then merges invocations.
const GROUP: Workgroup = Workgroup { x: 8, y: 32 };

/// `count` chunks of `chunk` rows.
#[derive(Clone, Copy)]
pub(super) struct Chunks {
    pub rows: usize,
    pub channels: usize,
    pub chunk: usize,
    pub count: usize,
}

/// The same for a kernel; an invocation takes `each` chunks of a channel.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Merge {
    rows: u32,
    channels: u32,
    chunk: u32,
    count: u32,
    each: u32,
}

impl Chunks {
    fn workgroups(&self) -> CubeCount {
        CubeCount::Static((self.channels as u32).div_ceil(GROUP.x), 1, 1)
    }

    fn launch(&self) -> MergeLaunch {
        MergeLaunch::new(
            self.rows as u32,
            self.channels as u32,
            self.chunk as u32,
            self.count as u32,
            self.count.div_ceil(GROUP.y as usize) as u32,
        )
    }
}

/// Rows before a chunk.
#[cube]
fn rows_before(m: &Merge, chunk: u32) -> u32 {
    u32::min(u32::min(chunk, m.count) * m.chunk, m.rows)
}

/// Statistics of a channel.
#[derive(CubeType, Clone, Copy)]
struct Statistics {
    mean: f32,
    /// Biased.
    variance: f32,
}

/// Mean and biased variance of a channel (Chan, Golub and LeVeque 1979), complete in the first of its invocations.
#[cube]
fn statistics_of(
    partial: &[f32],
    m: &Merge,
    channel: u32,
    #[comptime] group: Workgroup,
) -> Statistics {
    let begin = UNIT_POS_Y * m.each;
    let end = u32::min(begin + m.each, m.count);
    let end = select(channel < m.channels, end, 0u32);
    let mut mean = 0.0f32;
    let mut squares = 0.0f32;
    let mut before = 0.0f32;
    let mut number = begin;
    while number < end {
        let now = f32::cast_from(u32::min(m.chunk, m.rows - number * m.chunk));
        let at = number * 2 * m.channels + channel;
        let all = before + now;
        let delta = partial[at as usize] - mean;
        mean += delta * (now / all);
        squares += partial[(at + m.channels) as usize] + delta * delta * (before * (now / all));
        before = all;
        number += 1;
    }
    let (across, down) = comptime!((group.x, group.y));
    let mut means = Shared::<[f32]>::new_slice(comptime!((group.x * group.y) as usize));
    let mut squares_of = Shared::<[f32]>::new_slice(comptime!((group.x * group.y) as usize));
    let at = (UNIT_POS_Y * across + UNIT_POS_X) as usize;
    means[at] = mean;
    squares_of[at] = squares;
    sync_cube();
    if channel < m.channels && UNIT_POS_Y == 0 {
        for other in 1..down {
            let from = rows_before(m, other * m.each);
            let rows = rows_before(m, (other + 1) * m.each) - from;
            // The last invocations may have no chunks.
            if rows > 0 {
                let now = f32::cast_from(rows);
                let before = f32::cast_from(from);
                let share = now / (before + now);
                let at = (other * across + UNIT_POS_X) as usize;
                let delta = means[at] - mean;
                mean += delta * share;
                squares += squares_of[at] + delta * delta * (before * share);
            }
        }
    }
    Statistics {
        mean,
        variance: squares / f32::cast_from(m.rows),
    }
}

/// The statistics of each channel.
#[cube(launch_unchecked)]
fn merge_statistics(
    partial: &[f32],
    mean_out: &mut [f32],
    variance_out: &mut [f32],
    m: &Merge,
    #[comptime] group: Workgroup,
) {
    let channel = CUBE_POS_X * comptime!(group.x) + UNIT_POS_X;
    let found = statistics_of(partial, m, channel, group);
    if channel < m.channels && UNIT_POS_Y == 0 {
        mean_out[channel as usize] = found.mean;
        variance_out[channel as usize] = found.variance;
    }
}

/// The same, and the next running statistics: `keep` of those before, `take` of these.
#[cube(launch_unchecked)]
fn merge_running_statistics(
    partial: &[f32],
    running_mean: &[f32],
    running_variance: &[f32],
    mean_out: &mut [f32],
    variance_out: &mut [f32],
    next_mean: &mut [f32],
    next_variance: &mut [f32],
    m: &Merge,
    keep: f32,
    take: f32,
    correction: f32,
    #[comptime] group: Workgroup,
) {
    let channel = CUBE_POS_X * comptime!(group.x) + UNIT_POS_X;
    let found = statistics_of(partial, m, channel, group);
    if channel < m.channels && UNIT_POS_Y == 0 {
        let c = channel as usize;
        mean_out[c] = found.mean;
        variance_out[c] = found.variance;
        next_mean[c] = running_mean[c] * keep + found.mean * take;
        next_variance[c] = running_variance[c] * keep + found.variance * correction * take;
    }
}

/// Adds the chunks' sums; gives the gradients of scale and shift, and `[scale, slope, shift]` of each channel for the input
/// gradient `scale * grad - slope * (x - mean) - shift`.
#[cube(launch_unchecked)]
fn merge_gradients(
    partial: &[f32],
    variance: &[f32],
    weight: &[f32],
    grad_weight: &mut [f32],
    grad_bias: &mut [f32],
    factors: &mut [f32],
    m: &Merge,
    epsilon: f32,
    #[comptime] group: Workgroup,
) {
    let channel = CUBE_POS_X * comptime!(group.x) + UNIT_POS_X;
    let begin = UNIT_POS_Y * m.each;
    let end = u32::min(begin + m.each, m.count);
    let end = select(channel < m.channels, end, 0u32);
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    let mut number = begin;
    while number < end {
        let at = number * 2 * m.channels + channel;
        sum += partial[at as usize];
        product += partial[(at + m.channels) as usize];
        number += 1;
    }
    let (across, down) = comptime!((group.x, group.y));
    let mut sums = Shared::<[f32]>::new_slice(comptime!((group.x * group.y) as usize));
    let mut products = Shared::<[f32]>::new_slice(comptime!((group.x * group.y) as usize));
    let at = (UNIT_POS_Y * across + UNIT_POS_X) as usize;
    sums[at] = sum;
    products[at] = product;
    sync_cube();
    if channel < m.channels && UNIT_POS_Y == 0 {
        for other in 1..down {
            let at = (other * across + UNIT_POS_X) as usize;
            sum += sums[at];
            product += products[at];
        }
        let c = channel as usize;
        let inverse = 1.0f32 / f32::sqrt(variance[c] + epsilon);
        let scale = weight[c] * inverse;
        let share = scale / f32::cast_from(m.rows);
        grad_bias[c] = sum;
        grad_weight[c] = product * inverse;
        factors[c] = scale;
        factors[(m.channels + channel) as usize] = share * product * inverse * inverse;
        factors[(2 * m.channels + channel) as usize] = share * sum;
    }
}

/// Mean and biased variance of each channel from those of the chunks, `[count, 2, channels]`, and the next running statistics
/// where there are any.
pub(super) fn merged_statistics(
    partial: CubeTensor,
    of: Chunks,
    running: Running<CubeBackend>,
) -> ([CubeTensor; 2], Running<CubeBackend>) {
    let of_channels = || empty(&partial, vec![of.channels]);
    let (mean, variance) = (of_channels(), of_channels());
    let client = partial.client.clone();
    let next = match running {
        Running::None => {
            #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
            // SAFETY: invocations past the last channel or the last chunk load nothing and store nothing.
            unsafe {
                merge_statistics::launch_unchecked(
                    &client,
                    of.workgroups(),
                    GROUP.size(),
                    partial.into_buffer_arg(),
                    mean.clone().into_buffer_arg(),
                    variance.clone().into_buffer_arg(),
                    of.launch(),
                    GROUP,
                );
            }
            Running::None
        }
        Running::Of {
            mean: running_mean,
            variance: running_variance,
            update,
        } => {
            let (next_mean, next_variance) = (of_channels(), of_channels());
            #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
            // SAFETY: as above; running statistics have a value of each channel.
            unsafe {
                merge_running_statistics::launch_unchecked(
                    &client,
                    of.workgroups(),
                    GROUP.size(),
                    partial.into_buffer_arg(),
                    into_contiguous(running_mean).into_buffer_arg(),
                    into_contiguous(running_variance).into_buffer_arg(),
                    mean.clone().into_buffer_arg(),
                    variance.clone().into_buffer_arg(),
                    next_mean.clone().into_buffer_arg(),
                    next_variance.clone().into_buffer_arg(),
                    of.launch(),
                    (1.0 - update.momentum) as f32,
                    update.momentum as f32,
                    update.correction as f32,
                    GROUP,
                );
            }
            Running::Of {
                mean: next_mean,
                variance: next_variance,
                update,
            }
        }
    };
    ([mean, variance], next)
}

/// The gradients of scale and shift, and the factors of the input gradient, from the chunks' sums; `weight` and `variance`
/// are those of the channels.
pub(super) fn merged_gradients(
    partial: CubeTensor,
    (weight, variance): (CubeTensor, CubeTensor),
    of: Chunks,
    epsilon: f32,
) -> [CubeTensor; 3] {
    let factors = empty(&partial, vec![3, of.channels]);
    let [grad_weight, grad_bias] = [(); 2].map(|()| empty(&partial, vec![of.channels]));
    let client = partial.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: as in `merged_statistics`.
    unsafe {
        merge_gradients::launch_unchecked(
            &client,
            of.workgroups(),
            GROUP.size(),
            partial.into_buffer_arg(),
            into_contiguous(variance).into_buffer_arg(),
            into_contiguous(weight).into_buffer_arg(),
            grad_weight.clone().into_buffer_arg(),
            grad_bias.clone().into_buffer_arg(),
            factors.clone().into_buffer_arg(),
            of.launch(),
            epsilon,
            GROUP,
        );
    }
    [grad_weight, grad_bias, factors]
}
