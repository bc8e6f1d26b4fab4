//! Batch norm with the batch's statistics, fused with the residual's addition and ReLU.

use std::ops::Range;

use parallax_ranks::Ranks;
use pulp::Arch;

use super::buffers::buffer;
use super::norm_loops::{Deviations, Gate, GradSums, InputGrad, Normalize, Sum};
use super::threads;
use crate::across::{Moments, summed};
use crate::ops::ReluMask;

/// Values of a block, which stays in L1 for both passes over it.
const BLOCK: usize = 8 * 1024;

/// Results of [`batch_norm`].
pub struct Normed {
    /// `[rows, channels]`
    pub output: Vec<f32>,
    /// The batch's mean, `[channels]`
    pub mean: Vec<f32>,
    /// The batch's biased variance, `[channels]`
    pub variance: Vec<f32>,
}

/// Gradients of [`batch_norm`].
pub struct NormGrad {
    /// Of the input, `[rows, channels]`
    pub input: Vec<f32>,
    /// Of the scale, `[channels]`
    pub weight: Vec<f32>,
    /// Of the shift, `[channels]`
    pub bias: Vec<f32>,
    /// Of the residual, which is the gradient before ReLU; empty without ReLU or where it was not asked for.
    pub residual: Vec<f32>,
}

/// Values of the rows of a block: a function of the shape alone, so that sums do not depend on the number of threads.
fn block_len(channels: usize) -> usize {
    (BLOCK / channels).max(1) * channels
}

/// `act((x - mean) / sqrt(variance + epsilon) * weight + bias + residual)` with the statistics of the batch (methods.md 2.1),
/// where act is ReLU if `relu`, else the identity, and the batch is that of all ranks. `x` is `[rows, channels]`, `residual` the same or empty.
pub fn batch_norm(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    residual: &[f32],
    (relu, epsilon): (bool, f32),
    ranks: Ranks,
) -> Normed {
    let channels = weight.len();
    let (mean, variance) = statistics(x, channels, ranks);
    let scale = scale_of(weight, &variance, epsilon);
    let mut output = buffer(x.len());
    let len = block_len(channels);
    threads::each(4 * x.len(), output.chunks_mut(len), |block, out| {
        let begin = block * len;
        Arch::new().dispatch(Normalize {
            x: &x[begin..begin + out.len()],
            residual: residual.get(begin..begin + out.len()).unwrap_or(&[]),
            mean: &mean,
            scale: &scale,
            bias,
            relu,
            out,
        });
    });
    Normed {
        output,
        mean,
        variance,
    }
}

/// What batch norm multiplies the channels by.
fn scale_of(weight: &[f32], variance: &[f32], epsilon: f32) -> Vec<f32> {
    let channels = weight.iter().zip(variance);
    channels
        .map(|(weight, variance)| weight / (variance + epsilon).sqrt())
        .collect()
}

/// Mean and biased variance of every channel over the batches of all ranks. Each block is summed around its own mean, then blocks are combined in f64 by the
/// parallel algorithm of Chan et al., so that a large mean costs no precision.
fn statistics(x: &[f32], channels: usize, ranks: Ranks) -> (Vec<f32>, Vec<f32>) {
    let len = block_len(channels);
    let mut partials = vec![0.0; x.len().div_ceil(len) * 2 * channels];
    threads::each(
        4 * x.len(),
        partials.chunks_mut(2 * channels),
        |block, partial| {
            let begin = block * len;
            let values = &x[begin..(begin + len).min(x.len())];
            let (mean, squares) = partial.split_at_mut(channels);
            let sum = &mut *mean;
            Arch::new().dispatch(Sum { values, sum });
            let rows = (values.len() / channels) as f32;
            mean.iter_mut().for_each(|mean| *mean /= rows);
            Arch::new().dispatch(Deviations {
                values,
                mean,
                squares,
            });
        },
    );
    let mut moments = Moments::none(channels);
    for (block, partial) in partials.chunks_exact(2 * channels).enumerate() {
        let rows = ((x.len() - block * len).min(len) / channels) as f64;
        let (mean, squares) = partial.split_at(channels);
        let widened = |of: &[f32], c: usize| f64::from(of[c]);
        moments.join(rows, |c| widened(mean, c), |c| widened(squares, c));
    }
    let moments = moments.of_all(ranks);
    let mean = moments.mean.iter().map(|&mean| mean as f32).collect();
    (mean, moments.variance().map(|value| value as f32).collect())
}

/// What [`batch_norm_backward`] needs of the forward pass.
#[derive(Clone, Copy)]
pub struct NormPass<'a> {
    /// `[rows, channels]`
    pub x: &'a [f32],
    /// Where ReLU let the gradient through.
    pub mask: ReluMask<&'a [f32]>,
    /// Scale, `[channels]`
    pub weight: &'a [f32],
    /// `[channels]`
    pub mean: &'a [f32],
    /// Biased, `[channels]`
    pub variance: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
    /// Whose batches the statistics are of.
    pub ranks: Ranks,
}

/// The gradients of [`batch_norm`]; `grad` is the output's gradient. The residual's gradient is computed where ReLU followed and
/// `with_residual` asks for it; without ReLU it is `grad` itself.
pub fn batch_norm_backward(pass: NormPass<'_>, grad: &[f32], with_residual: bool) -> NormGrad {
    let NormPass {
        x,
        mask,
        weight,
        mean,
        variance,
        epsilon,
        ranks,
    } = pass;
    let channels = weight.len();
    let len = block_len(channels);
    let inverse: Vec<f32> = variance
        .iter()
        .map(|variance| 1.0 / (variance + epsilon).sqrt())
        .collect();

    // That of the forward pass, so that the signs are its own.
    let forward_scale = scale_of(weight, variance, epsilon);
    let gate = |range: Range<usize>| match mask {
        ReluMask::None => Gate::None,
        ReluMask::Output(output) => Gate::Output(&output[range]),
        ReluMask::Shift(bias) => Gate::Shift(&forward_scale, bias),
    };

    // First pass: sums of the gradient before ReLU.
    let mut residual = buffer(match with_residual && !matches!(mask, ReluMask::None) {
        true => x.len(),
        false => 0,
    });
    let mut partials = vec![0.0; x.len().div_ceil(len) * 2 * channels];
    let mut residuals = residual.chunks_mut(len);
    let blocks = partials
        .chunks_mut(2 * channels)
        .map(|partial| (partial, residuals.next().unwrap_or_default()));
    threads::each(4 * x.len(), blocks, |block, (partial, residual)| {
        let range = block * len..((block + 1) * len).min(x.len());
        let (plain, weighted) = partial.split_at_mut(channels);
        Arch::new().dispatch(GradSums {
            x: &x[range.clone()],
            gate: gate(range.clone()),
            grad: &grad[range],
            mean,
            residual,
            plain,
            weighted,
        });
    });
    let mut sums = vec![0.0f64; 2 * channels];
    for partial in partials.chunks_exact(2 * channels) {
        for (sum, &partial) in sums.iter_mut().zip(partial) {
            *sum += f64::from(partial);
        }
    }
    let bias: Vec<f32> = sums[..channels].iter().map(|&sum| sum as f32).collect();
    let grad_weight: Vec<f32> = sums[channels..]
        .iter()
        .zip(&inverse)
        .map(|(&sum, &inverse)| (sum * f64::from(inverse)) as f32)
        .collect();

    // Second pass: dx = weight / sigma (g - mean(g) - (x - mean) / sigma^2 mean(g (x - mean))).
    let (sums, rows) = summed(sums, x.len() / channels, ranks);
    let factor = |c: usize| f64::from(weight[c]) * f64::from(inverse[c]);
    let scale: Vec<f32> = (0..channels).map(|c| factor(c) as f32).collect();
    let slope: Vec<f32> = (0..channels)
        .map(|c| {
            let inverse = f64::from(inverse[c]);
            (factor(c) * inverse * inverse * sums[channels + c] / rows) as f32
        })
        .collect();
    let shift: Vec<f32> = (0..channels)
        .map(|c| (factor(c) * sums[c] / rows) as f32)
        .collect();
    let grad = match residual.is_empty() {
        true => grad,
        false => &residual[..],
    };
    let mut input = buffer(x.len());
    threads::each(4 * x.len(), input.chunks_mut(len), |block, out| {
        let range = block * len..block * len + out.len();
        Arch::new().dispatch(InputGrad {
            x: &x[range.clone()],
            gate: match residual.is_empty() {
                true => gate(range.clone()),
                false => Gate::None,
            },
            grad: &grad[range],
            mean,
            scale: &scale,
            slope: &slope,
            shift: &shift,
            out,
        });
    });
    NormGrad {
        input,
        weight: grad_weight,
        bias,
        residual,
    }
}
