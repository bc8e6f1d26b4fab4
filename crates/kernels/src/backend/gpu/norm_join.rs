//! Between the two passes of batch norm over its activation: what the parts of the rows brought, joined for each channel in
//! the order of the parts. On a GPU several units take a channel: each joins neighbouring parts, then the first joins what
//! they have, in order.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::norm_sums::Team;
use super::{BLOCK, blocks, empty};

/// Channels of a cube, and units of a channel: with as many parts as there are, a unit joins as many parts as the first
/// then joins units.
const SHARED: Team = Team { lanes: 8, tall: 32 };

/// Rows in parts of `part`, and how many parts.
#[derive(Clone, Copy)]
pub(super) struct Parts {
    pub rows: usize,
    pub channels: usize,
    pub part: usize,
    pub count: usize,
    /// Whether units share a channel.
    pub shared: bool,
}

/// The same for a kernel; a unit takes `each` parts of a channel.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Joined {
    rows: u32,
    channels: u32,
    part: u32,
    count: u32,
    each: u32,
}

impl Parts {
    fn team(&self) -> Team {
        match self.shared {
            true => SHARED,
            false => Team::ALONE,
        }
    }

    fn cubes(&self) -> CubeCount {
        match self.shared {
            true => CubeCount::Static((self.channels as u32).div_ceil(SHARED.lanes), 1, 1),
            false => blocks(self.channels),
        }
    }

    fn units(&self) -> CubeDim {
        match self.shared {
            true => CubeDim::new_2d(SHARED.lanes, SHARED.tall),
            false => CubeDim::new_1d(BLOCK),
        }
    }

    fn joined(&self) -> JoinedLaunch {
        JoinedLaunch::new(
            self.rows as u32,
            self.channels as u32,
            self.part as u32,
            self.count as u32,
            self.count.div_ceil(self.team().tall as usize) as u32,
        )
    }
}

#[cube]
fn channel_of_unit(#[comptime] team: Team) -> u32 {
    if comptime!(team.is_alone()) {
        ABSOLUTE_POS as u32
    } else {
        CUBE_POS_X * comptime!(team.lanes) + UNIT_POS_X
    }
}

/// Rows in front of a part.
#[cube]
fn rows_before(s: &Joined, part: u32) -> u32 {
    u32::min(u32::min(part, s.count) * s.part, s.rows)
}

/// Mean and biased variance of each channel (Chan's formula).
#[cube(launch_unchecked)]
fn join_statistics(
    parts: &[f32],
    mean_out: &mut [f32],
    variance_out: &mut [f32],
    s: &Joined,
    #[comptime] team: Team,
) {
    let channel = channel_of_unit(team);
    let mut begin = 0u32.runtime();
    if comptime!(!team.is_alone()) {
        begin = UNIT_POS_Y * s.each;
    }
    let end = u32::min(begin + s.each, s.count);
    let end = select(channel < s.channels, end, 0u32);
    let mut mean = 0.0f32;
    let mut spread = 0.0f32;
    let mut before = 0.0f32;
    let mut number = begin;
    while number < end {
        let now = f32::cast_from(u32::min(s.part, s.rows - number * s.part));
        let at = number * 2 * s.channels + channel;
        let all = before + now;
        let apart = parts[at as usize] - mean;
        mean += apart * (now / all);
        spread += parts[(at + s.channels) as usize] + apart * apart * (before * (now / all));
        before = all;
        number += 1;
    }
    let mut leads = channel < s.channels;
    if comptime!(!team.is_alone()) {
        let (lanes, tall) = comptime!((team.lanes, team.tall));
        let units = comptime!((team.lanes * team.tall) as usize);
        let mut means = Shared::<[f32]>::new_slice(units);
        let mut spreads = Shared::<[f32]>::new_slice(units);
        let at = (UNIT_POS_Y * lanes + UNIT_POS_X) as usize;
        means[at] = mean;
        spreads[at] = spread;
        sync_cube();
        leads = leads && UNIT_POS_Y == 0;
        if leads {
            for unit in 1..tall {
                let from = rows_before(s, unit * s.each);
                let rows = rows_before(s, (unit + 1) * s.each) - from;
                // The last units may have no parts.
                if rows > 0 {
                    let now = f32::cast_from(rows);
                    let before = f32::cast_from(from);
                    let share = now / (before + now);
                    let at = (unit * lanes + UNIT_POS_X) as usize;
                    let apart = means[at] - mean;
                    mean += apart * share;
                    spread += spreads[at] + apart * apart * (before * share);
                }
            }
        }
    }
    if leads {
        mean_out[channel as usize] = mean;
        variance_out[channel as usize] = spread / f32::cast_from(s.rows);
    }
}

/// Adds the parts; gives the gradients of shift and scale, and `[own, pull, shift]` of each channel for
/// `dx = own g - pull (x - mean) - shift`.
#[cube(launch_unchecked)]
fn join_sums(
    parts: &[f32],
    variance: &[f32],
    weight: &[f32],
    grad_weight: &mut [f32],
    grad_bias: &mut [f32],
    factors: &mut [f32],
    s: &Joined,
    epsilon: f32,
    #[comptime] team: Team,
) {
    let channel = channel_of_unit(team);
    let mut begin = 0u32.runtime();
    if comptime!(!team.is_alone()) {
        begin = UNIT_POS_Y * s.each;
    }
    let end = u32::min(begin + s.each, s.count);
    let end = select(channel < s.channels, end, 0u32);
    let mut sum = 0.0f32;
    let mut product = 0.0f32;
    let mut number = begin;
    while number < end {
        let at = number * 2 * s.channels + channel;
        sum += parts[at as usize];
        product += parts[(at + s.channels) as usize];
        number += 1;
    }
    let mut leads = channel < s.channels;
    if comptime!(!team.is_alone()) {
        let (lanes, tall) = comptime!((team.lanes, team.tall));
        let units = comptime!((team.lanes * team.tall) as usize);
        let mut sums = Shared::<[f32]>::new_slice(units);
        let mut products = Shared::<[f32]>::new_slice(units);
        let at = (UNIT_POS_Y * lanes + UNIT_POS_X) as usize;
        sums[at] = sum;
        products[at] = product;
        sync_cube();
        leads = leads && UNIT_POS_Y == 0;
        if leads {
            for unit in 1..tall {
                let at = (unit * lanes + UNIT_POS_X) as usize;
                sum += sums[at];
                product += products[at];
            }
        }
    }
    if leads {
        let c = channel as usize;
        let inverse = 1.0f32 / f32::sqrt(variance[c] + epsilon);
        let own = weight[c] * inverse;
        let share = own / f32::cast_from(s.rows);
        grad_bias[c] = sum;
        grad_weight[c] = product * inverse;
        factors[c] = own;
        factors[(s.channels + channel) as usize] = share * product * inverse * inverse;
        factors[(2 * s.channels + channel) as usize] = share * sum;
    }
}

/// Mean and biased variance of each channel from those of the parts, `[count, 2, channels]`.
pub(super) fn joined_statistics(parts: CubeTensor, of: Parts) -> [CubeTensor; 2] {
    let (mean, variance) = (
        empty(&parts, vec![of.channels]),
        empty(&parts, vec![of.channels]),
    );
    let client = parts.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: units behind the last channel or the last part load nothing and write nothing.
    unsafe {
        join_statistics::launch_unchecked(
            &client,
            of.cubes(),
            of.units(),
            parts.into_buffer_arg(),
            mean.clone().into_buffer_arg(),
            variance.clone().into_buffer_arg(),
            of.joined(),
            of.team(),
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
    // SAFETY: as in `joined_statistics`.
    unsafe {
        join_sums::launch_unchecked(
            &client,
            of.cubes(),
            of.units(),
            parts.into_buffer_arg(),
            into_contiguous(variance).into_buffer_arg(),
            into_contiguous(weight).into_buffer_arg(),
            grad_weight.clone().into_buffer_arg(),
            grad_bias.clone().into_buffer_arg(),
            factors.clone().into_buffer_arg(),
            of.joined(),
            epsilon,
            of.team(),
        );
    }
    [grad_weight, grad_bias, factors]
}
