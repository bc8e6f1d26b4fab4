//! LARS on a GPU (methods.md 4.2): the squares of weights and gradients are summed in parts, then over the parts of each tensor,
//! and then every tensor is updated, each for as many tensors in a launch as the device binds. All sums have one order.

use burn::backend::{Backend, backend_extension};
use burn_cubecl::CubeBackend;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{INVOCATIONS, linear_launch};
use super::reduce::sum_of_group;
use super::tensors::empty_f32;
use super::update::{Buffers, Share, ShareLaunch, batches, contiguous, empty_like, lens, load_of};
use crate::ops::Many;
use crate::options::LarsOptions;

/// Parts of the sums of a tensor.
const PARTS: u32 = 64;

/// The sum of the values of a vector.
#[cube]
fn across<N: Size>(value: Vector<f32, N>) -> f32 {
    let width = N::value();
    let mut sum = value.extract(0usize);
    #[unroll]
    for lane in 1..width {
        sum += value.extract(lane);
    }
    sum
}

/// The sums of the squares of weights and of gradients over the parts of each tensor, of which a workgroup takes one; part
/// number `from` is the first of this launch.
#[cube(launch_unchecked)]
fn sums_of_parts<N: Size>(
    weights: &Buffers<N>,
    gradients: &Buffers<N>,
    partial: &mut [f32],
    shares: &Sequence<Share>,
    from: u32,
) {
    let group = CUBE_POS as u32;
    let mut weight = Vector::<f32, N>::new(0.0f32);
    let mut gradient = Vector::<f32, N>::new(0.0f32);
    let count = comptime!(shares.len());
    #[unroll]
    for n in 0..count {
        let share = shares.index(n);
        if group >= share.first && group < share.end {
            let mut at = (group - share.first) * comptime!(INVOCATIONS) + UNIT_POS;
            while at < share.len {
                let (w, g) = (
                    weights.index(n)[at as usize],
                    gradients.index(n)[at as usize],
                );
                weight += w * w;
                gradient += g * g;
                at += comptime!(PARTS * INVOCATIONS);
            }
        }
    }
    let weight = sum_of_group(across::<N>(weight));
    let gradient = sum_of_group(across::<N>(gradient));
    if UNIT_POS == 0 {
        let at = 2 * (from + group);
        partial[at as usize] = weight;
        partial[(at + 1) as usize] = gradient;
    }
}

/// The sums of the squares of each tensor.
#[cube(launch_unchecked)]
fn sums_of_tensors(partial: &[f32], sums: &mut [f32], tensors: u32) {
    let tensor = ABSOLUTE_POS as u32;
    if tensor < tensors {
        let mut weight = 0.0f32;
        let mut gradient = 0.0f32;
        for part in 0..comptime!(PARTS) {
            let at = 2 * (tensor * comptime!(PARTS) + part);
            weight += partial[at as usize];
            gradient += partial[(at + 1) as usize];
        }
        sums[(2 * tensor) as usize] = weight;
        sums[(2 * tensor + 1) as usize] = gradient;
    }
}

/// Hyperparameters of a tensor; see [`LarsOptions`].
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Rates {
    decay: f32,
    momentum: f32,
    rate: f32,
    eta: f32,
    /// Where its sums of squares are, if it decays.
    number: u32,
}

/// `eta |w| / (|g| + decay |w|)`, or 1 where a norm is 0 or nothing decays.
#[cube]
fn trust_ratio(sums: &[f32], rates: &Rates) -> f32 {
    let mut ratio = 1.0f32;
    if rates.decay > 0.0 {
        let weight = f32::sqrt(sums[(2 * rates.number) as usize]);
        let gradient = f32::sqrt(sums[(2 * rates.number + 1) as usize]);
        let is_zero = weight == 0.0 || gradient == 0.0;
        let found = weight * rates.eta / (gradient + weight * rates.decay);
        ratio = select(is_zero, 1.0f32, found);
    }
    ratio
}

/// `v <- momentum v + ratio rate (g + decay w); w <- w - v`.
#[cube(launch_unchecked)]
fn lars_steps_of<N: Size>(
    weights: &Buffers<N>,
    gradients: &Buffers<N>,
    velocities: &Buffers<N>,
    next_weights: &mut Buffers<N>,
    next_velocities: &mut Buffers<N>,
    sums: &[f32],
    shares: &Sequence<Share>,
    rates: &Sequence<Rates>,
) {
    let count = comptime!(shares.len());
    #[unroll]
    for n in 0..count {
        let share = shares.index(n);
        let at = load_of(share);
        if at < share.len {
            let at = at as usize;
            let rates = rates.index(n);
            let weight = weights.index(n)[at];
            let scale = trust_ratio(sums, rates) * rates.rate;
            let decayed = gradients.index(n)[at] + weight * Vector::new(rates.decay);
            let momentum = Vector::new(rates.momentum);
            let updated = velocities.index(n)[at] * momentum + decayed * Vector::new(scale);
            next_velocities.index_mut(n)[at] = updated;
            next_weights.index_mut(n)[at] = weight - updated;
        }
    }
}

/// LARS as an extension of Burn's GPU backend.
#[backend_extension(Cube)]
pub trait LarsOps: Backend {
    /// The next weights and velocities.
    fn update_lars(
        #[extension_type] weights: Many<Self>,
        #[extension_type] gradients: Many<Self>,
        #[extension_type] velocities: Many<Self>,
        options: Vec<LarsOptions>,
    ) -> (Many<Self>, Many<Self>);
}

impl LarsOps for CubeBackend {
    fn update_lars(
        weights: Many<Self>,
        gradients: Many<Self>,
        velocities: Many<Self>,
        options: Vec<LarsOptions>,
    ) -> (Many<Self>, Many<Self>) {
        let [weights, gradients, velocities] =
            [weights, gradients, velocities].map(|many| contiguous(many.0));
        let Some(like) = weights.first() else {
            return (Many(weights), Many(velocities));
        };
        let lens = lens(&weights);
        let (next_weights, next_velocities) = (empty_like(&weights), empty_like(&weights));
        let decaying = lens.iter().zip(&options);
        let decaying = decaying.map(|(&len, options)| match options.weight_decay > 0.0 {
            true => len,
            false => 0,
        });
        let decaying: Vec<usize> = decaying.collect();
        let (sums, numbers) = sums_of_squares(&weights, &gradients, &decaying);
        for batch in batches(&lens, 5, 1, like) {
            let (count, size, shares) = batch.launch(&lens);
            let rates = |&at: &usize| {
                let options = options[at];
                RatesLaunch::new(
                    options.weight_decay as f32,
                    options.momentum as f32,
                    options.learning_rate as f32,
                    options.eta as f32,
                    numbers[at],
                )
            };
            #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
            // SAFETY: `load_of` gives loads of a tensor or its length; the tensors of a parameter have as many values.
            unsafe {
                lars_steps_of::launch_unchecked(
                    &like.client,
                    count,
                    size,
                    batch.width,
                    batch.buffers(&weights),
                    batch.buffers(&gradients),
                    batch.buffers(&velocities),
                    batch.buffers(&next_weights),
                    batch.buffers(&next_velocities),
                    sums.clone().into_buffer_arg(),
                    shares,
                    batch.tensors.iter().map(rates).collect(),
                );
            }
        }
        (Many(next_weights), Many(next_velocities))
    }
}

/// The sums of the squares of weights and gradients, `[tensors, 2]`, of the tensors that are not empty by `lens`; and where those
/// of a tensor are.
fn sums_of_squares(
    weights: &[CubeTensor],
    gradients: &[CubeTensor],
    lens: &[usize],
) -> (CubeTensor, Vec<u32>) {
    let like = &weights[0];
    let tensors = lens.iter().filter(|&&len| len > 0).count();
    // A binding has a size, although nothing reads it where nothing decays.
    let sums = empty_f32(like, vec![tensors.max(1), 2]);
    let mut numbers = vec![0; lens.len()];
    if tensors == 0 {
        return (sums, numbers);
    }
    let partial = empty_f32(like, vec![tensors, PARTS as usize, 2]);
    let mut done = 0;
    for batch in batches(lens, 2, 1, like) {
        let first = done;
        let share = |&at: &usize| {
            let begin = (done - first) * PARTS;
            numbers[at] = done;
            done += 1;
            ShareLaunch::new(begin, begin + PARTS, (lens[at] / batch.width) as u32)
        };
        let shares = batch.tensors.iter().map(share).collect();
        let (count, size) = linear_launch(batch.tensors.len() * (PARTS * INVOCATIONS) as usize);
        #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
        // SAFETY: loads stay behind `at < len`; each workgroup has a place in `partial`.
        unsafe {
            sums_of_parts::launch_unchecked(
                &like.client,
                count,
                size,
                batch.width,
                batch.buffers(weights),
                batch.buffers(gradients),
                partial.clone().into_buffer_arg(),
                shares,
                first * PARTS,
            );
        }
    }
    let (count, size) = linear_launch(tensors);
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: invocations past the last tensor do nothing.
    unsafe {
        sums_of_tensors::launch_unchecked(
            &like.client,
            count,
            size,
            partial.into_buffer_arg(),
            sums.clone().into_buffer_arg(),
            tensors as u32,
        );
    }
    (sums, numbers)
}
