//! Batch norm in training, with what follows it: the shortcut's addition and ReLU.

use pulp::Arch;

use super::norm_loops::{InputGrad, Normalize, Spread, Sum, Sums};
use super::scratch::buffer;
use super::threads;

/// Values of a block: both passes over it find it in the nearest cache.
const BLOCK: usize = 8 * 1024;

/// What the forward pass gives.
pub struct Normed {
    /// `[rows, channels]`
    pub output: Vec<f32>,
    /// Of the batch, `[channels]`
    pub mean: Vec<f32>,
    /// Of the batch, biased, `[channels]`
    pub variance: Vec<f32>,
}

/// What the backward pass gives.
pub struct NormGrad {
    /// By the input, `[rows, channels]`
    pub input: Vec<f32>,
    /// By the scale, `[channels]`
    pub weight: Vec<f32>,
    /// By the shift, `[channels]`
    pub bias: Vec<f32>,
    /// The gradient in front of ReLU, which is that of the shortcut; empty where nobody asked or there was no ReLU.
    pub residual: Vec<f32>,
}

/// Rows of a block: a rule of the shape alone, so that sums do not depend on threads.
fn block_len(channels: usize) -> usize {
    (BLOCK / channels).max(1) * channels
}

/// `act((x - mean) / sqrt(variance + epsilon) * weight + bias + residual)` with the statistics of the batch
/// (methods.md 2.1). `x` is `[rows, channels]`; `residual` is empty or like it; act is ReLU or nothing.
pub fn batch_norm(
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    residual: &[f32],
    relu: bool,
    epsilon: f32,
) -> Normed {
    let channels = weight.len();
    let (mean, variance) = statistics(x, channels);
    let scale: Vec<f32> = weight
        .iter()
        .zip(&variance)
        .map(|(weight, variance)| weight / (variance + epsilon).sqrt())
        .collect();
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

/// Mean and biased variance of every channel. Each block is summed around its own mean, then blocks are
/// joined in f64 (Chan's formula), so a large mean costs no digits.
fn statistics(x: &[f32], channels: usize) -> (Vec<f32>, Vec<f32>) {
    let len = block_len(channels);
    let mut parts = vec![0.0; x.len().div_ceil(len) * 2 * channels];
    threads::each(
        4 * x.len(),
        parts.chunks_mut(2 * channels),
        |block, part| {
            let begin = block * len;
            let values = &x[begin..(begin + len).min(x.len())];
            let (mean, spread) = part.split_at_mut(channels);
            let sum = &mut *mean;
            Arch::new().dispatch(Sum { values, sum });
            let rows = (values.len() / channels) as f32;
            mean.iter_mut().for_each(|mean| *mean /= rows);
            Arch::new().dispatch(Spread {
                values,
                mean,
                spread,
            });
        },
    );
    let mut mean = vec![0.0f64; channels];
    let mut spread = vec![0.0f64; channels];
    let mut before = 0.0;
    for (block, part) in parts.chunks_exact(2 * channels).enumerate() {
        let rows = ((x.len() - block * len).min(len) / channels) as f64;
        let all = before + rows;
        for c in 0..channels {
            let apart = f64::from(part[c]) - mean[c];
            mean[c] += apart * rows / all;
            spread[c] += f64::from(part[channels + c]) + apart * apart * before * rows / all;
        }
        before = all;
    }
    let mean = mean.iter().map(|&mean| mean as f32).collect();
    let variance = spread.iter().map(|&spread| (spread / before) as f32);
    (mean, variance.collect())
}

/// What the backward pass needs of the forward pass.
#[derive(Clone, Copy)]
pub struct NormPass<'a> {
    /// `[rows, channels]`
    pub x: &'a [f32],
    /// What [`batch_norm`] gave where ReLU followed, else empty.
    pub output: &'a [f32],
    /// Scale, `[channels]`
    pub weight: &'a [f32],
    /// `[channels]`
    pub mean: &'a [f32],
    /// Biased, `[channels]`
    pub variance: &'a [f32],
    /// Added to the variance.
    pub epsilon: f32,
}

/// The gradients of [`batch_norm`]; `grad` is the gradient by the output. The gradient by the shortcut is given where
/// there was a ReLU and `with_residual` asks for it.
pub fn batch_norm_backward(pass: NormPass<'_>, grad: &[f32], with_residual: bool) -> NormGrad {
    let NormPass {
        x,
        output,
        weight,
        mean,
        variance,
        epsilon,
    } = pass;
    let channels = weight.len();
    let len = block_len(channels);
    let inverse: Vec<f32> = variance
        .iter()
        .map(|variance| 1.0 / (variance + epsilon).sqrt())
        .collect();

    // First pass: the sums of the gradient in front of ReLU.
    let mut residual = buffer(match with_residual && !output.is_empty() {
        true => x.len(),
        false => 0,
    });
    let mut parts = vec![0.0; x.len().div_ceil(len) * 2 * channels];
    let mut residuals = residual.chunks_mut(len);
    let blocks = parts
        .chunks_mut(2 * channels)
        .map(|part| (part, residuals.next().unwrap_or_default()));
    threads::each(4 * x.len(), blocks, |block, (part, residual)| {
        let range = block * len..((block + 1) * len).min(x.len());
        let (plain, weighted) = part.split_at_mut(channels);
        Arch::new().dispatch(Sums {
            x: &x[range.clone()],
            output: output.get(range.clone()).unwrap_or(&[]),
            grad: &grad[range],
            mean,
            residual,
            plain,
            weighted,
        });
    });
    let mut sums = vec![0.0f64; 2 * channels];
    for part in parts.chunks_exact(2 * channels) {
        for (sum, &part) in sums.iter_mut().zip(part) {
            *sum += f64::from(part);
        }
    }
    let bias: Vec<f32> = sums[..channels].iter().map(|&sum| sum as f32).collect();
    let grad_weight: Vec<f32> = sums[channels..]
        .iter()
        .zip(&inverse)
        .map(|(&sum, &inverse)| (sum * f64::from(inverse)) as f32)
        .collect();

    // Second pass: dx = weight / sigma (g - mean(g) - (x - mean) / sigma^2 mean(g (x - mean))).
    let rows = (x.len() / channels) as f64;
    let factor = |c: usize| f64::from(weight[c]) * f64::from(inverse[c]);
    let own: Vec<f32> = (0..channels).map(|c| factor(c) as f32).collect();
    let pull: Vec<f32> = (0..channels)
        .map(|c| {
            let inverse = f64::from(inverse[c]);
            (factor(c) * inverse * inverse * sums[channels + c] / rows) as f32
        })
        .collect();
    let shift: Vec<f32> = (0..channels)
        .map(|c| (factor(c) * sums[c] / rows) as f32)
        .collect();
    let (grad, output) = match residual.is_empty() {
        true => (grad, output),
        false => (&residual[..], &[][..]),
    };
    let mut input = buffer(x.len());
    threads::each(4 * x.len(), input.chunks_mut(len), |block, out| {
        let range = block * len..block * len + out.len();
        Arch::new().dispatch(InputGrad {
            x: &x[range.clone()],
            output: output.get(range.clone()).unwrap_or(&[]),
            grad: &grad[range],
            mean,
            own: &own,
            pull: &pull,
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
