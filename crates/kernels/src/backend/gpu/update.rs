//! Updates of parameters on a GPU: kernels that read and write each value once, for as many tensors in a launch as the device
//! binds. Each tensor has workgroups of its own, so that its values do not depend on what else is in the launch.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{INVOCATIONS, linear_launch, linear_workgroups};
use super::tensors::empty;
use super::tile::load_width;
use crate::ops::SgdParameter;

/// Buffers of several tensors.
pub(super) type Buffers<N> = Sequence<Box<[Vector<f32, N>]>>;

/// Tensors of a launch, at most: with more, the shader grows and hardly any launches are saved.
pub(super) const MOST: usize = 16;

/// The workgroups of a tensor, from `first` to before `end`, and its loads.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Share {
    pub first: u32,
    pub end: u32,
    pub len: u32,
}

/// The load that an invocation updates, if it is one of a tensor's; `len` or more if not.
#[cube]
pub(super) fn load_of(share: &Share) -> u32 {
    let group = CUBE_POS as u32;
    let inside = group >= share.first && group < share.end;
    let at = (group - share.first) * comptime!(INVOCATIONS) + UNIT_POS;
    select(inside, at, share.len)
}

/// `by_a a + by_b b`.
#[cube(launch_unchecked)]
fn sums_of_two<N: Size>(
    a: &Buffers<N>,
    b: &Buffers<N>,
    out: &mut Buffers<N>,
    shares: &Sequence<Share>,
    by_a: f32,
    by_b: f32,
) {
    let count = comptime!(shares.len());
    #[unroll]
    for n in 0..count {
        let share = shares.index(n);
        let at = load_of(share);
        if at < share.len {
            let at = at as usize;
            let sum = a.index(n)[at] * Vector::new(by_a) + b.index(n)[at] * Vector::new(by_b);
            out.index_mut(n)[at] = sum;
        }
    }
}

/// Hyperparameters of a tensor; see [`crate::SgdOptions`].
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Rates {
    decay: f32,
    momentum: f32,
    rate: f32,
    /// 1 with Nesterov momentum.
    nesterov: u32,
}

/// SGD with momentum and weight decay.
#[cube(launch_unchecked)]
fn sgd_steps_of<N: Size>(
    weights: &Buffers<N>,
    gradients: &Buffers<N>,
    velocities: &Buffers<N>,
    next_weights: &mut Buffers<N>,
    next_velocities: &mut Buffers<N>,
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
            let momentum = Vector::new(rates.momentum);
            let weight = weights.index(n)[at];
            let decayed = gradients.index(n)[at] + weight * Vector::new(rates.decay);
            let updated = velocities.index(n)[at] * momentum + decayed;
            next_velocities.index_mut(n)[at] = updated;
            let mut step = updated;
            if rates.nesterov == 1 {
                step = decayed + updated * momentum;
            }
            next_weights.index_mut(n)[at] = weight - step * Vector::new(rates.rate);
        }
    }
}

/// Tensors of one launch.
pub(super) struct Batch {
    /// Values of a load.
    pub width: usize,
    /// Their indices.
    pub tensors: Vec<usize>,
}

/// Divides tensors of these lengths, empty ones left out, among launches that bind `each` buffers a tensor and `others`.
pub(super) fn batches(lens: &[usize], each: usize, others: usize, like: &CubeTensor) -> Vec<Batch> {
    let bindings = like.client.properties().hardware.max_bindings as usize;
    let most = (bindings.saturating_sub(others) / each).clamp(1, MOST);
    let mut batches = Vec::new();
    for width in [4, 1] {
        let of = |&at: &usize| load_width(lens[at]) == width && lens[at] > 0;
        let of: Vec<usize> = (0..lens.len()).filter(of).collect();
        batches.extend(of.chunks(most).map(|tensors| Batch {
            width,
            tensors: tensors.to_vec(),
        }));
    }
    batches
}

impl Batch {
    /// Workgroups, their size, and which of them take which tensor.
    pub fn launch(&self, lens: &[usize]) -> (CubeCount, CubeDim, SequenceArg<Share>) {
        let mut first = 0;
        let share = |&at: &usize| {
            let loads = lens[at] / self.width;
            let begin = first;
            first += linear_workgroups(loads);
            ShareLaunch::new(begin as u32, first as u32, loads as u32)
        };
        let shares = self.tensors.iter().map(share).collect();
        let (count, size) = linear_launch(first * INVOCATIONS as usize);
        (count, size, shares)
    }

    /// The buffers of the batch's tensors among `all`.
    pub fn buffers<N: Size>(&self, all: &[CubeTensor]) -> SequenceArg<Box<[Vector<f32, N>]>> {
        let of = |&at: &usize| all[at].clone().into_buffer_arg();
        self.tensors.iter().map(of).collect()
    }
}

pub(super) fn lens(tensors: &[CubeTensor]) -> Vec<usize> {
    let len = |tensor: &CubeTensor| tensor.meta.shape().num_elements();
    tensors.iter().map(len).collect()
}

pub(super) fn contiguous(tensors: Vec<CubeTensor>) -> Vec<CubeTensor> {
    tensors.into_iter().map(into_contiguous).collect()
}

/// Uninitialised tensors like others.
pub(super) fn empty_like(tensors: &[CubeTensor]) -> Vec<CubeTensor> {
    let like = |tensor: &CubeTensor| empty(tensor, tensor.meta.shape().to_vec());
    tensors.iter().map(like).collect()
}

/// See [`crate::ops::Kernels::weighted_sums`].
pub(crate) fn weighted_sums(
    a: Vec<CubeTensor>,
    by_a: f64,
    b: Vec<CubeTensor>,
    by_b: f64,
) -> Vec<CubeTensor> {
    let (a, b) = (contiguous(a), contiguous(b));
    let Some(like) = a.first() else {
        return Vec::new();
    };
    let (lens, out) = (lens(&a), empty_like(&a));
    for batch in batches(&lens, 3, 0, like) {
        let (count, size, shares) = batch.launch(&lens);
        #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
        // SAFETY: `load_of` gives loads of a tensor or its length; the tensors of a pair have as many values.
        unsafe {
            sums_of_two::launch_unchecked(
                &like.client,
                count,
                size,
                batch.width,
                batch.buffers(&a),
                batch.buffers(&b),
                batch.buffers(&out),
                shares,
                by_a as f32,
                by_b as f32,
            );
        }
    }
    out
}

/// See [`crate::ops::Kernels::sgd_steps`].
pub(crate) fn sgd_steps(
    parameters: Vec<SgdParameter<burn_cubecl::CubeBackend>>,
) -> Vec<[CubeTensor; 2]> {
    let (mut weights, mut gradients, mut velocities) = (Vec::new(), Vec::new(), Vec::new());
    let mut options = Vec::new();
    for parameter in parameters {
        weights.push(into_contiguous(parameter.weight));
        gradients.push(into_contiguous(parameter.gradient));
        velocities.push(into_contiguous(parameter.velocity));
        options.push(parameter.options);
    }
    let Some(like) = weights.first() else {
        return Vec::new();
    };
    let lens = lens(&weights);
    let (next_weights, next_velocities) = (empty_like(&weights), empty_like(&weights));
    for batch in batches(&lens, 5, 0, like) {
        let (count, size, shares) = batch.launch(&lens);
        let rates = |&at: &usize| {
            let options = options[at];
            RatesLaunch::new(
                options.weight_decay as f32,
                options.momentum as f32,
                options.learning_rate as f32,
                u32::from(options.nesterov),
            )
        };
        #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
        // SAFETY: as in `weighted_sums`.
        unsafe {
            sgd_steps_of::launch_unchecked(
                &like.client,
                count,
                size,
                batch.width,
                batch.buffers(&weights),
                batch.buffers(&gradients),
                batch.buffers(&velocities),
                batch.buffers(&next_weights),
                batch.buffers(&next_velocities),
                shares,
                batch.tensors.iter().map(rates).collect(),
            );
        }
    }
    next_weights
        .into_iter()
        .zip(next_velocities)
        .map(<[_; 2]>::from)
        .collect()
}
