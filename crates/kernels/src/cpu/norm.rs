//! Batch norm in training, with what follows it: the shortcut's addition and ReLU.

use pulp::{Arch, Simd, WithSimd};

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
    /// The gradient in front of ReLU, which is that of the shortcut; empty where there was no ReLU.
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

struct Normalize<'a> {
    x: &'a [f32],
    residual: &'a [f32],
    mean: &'a [f32],
    scale: &'a [f32],
    bias: &'a [f32],
    relu: bool,
    out: &'a mut [f32],
}

impl WithSimd for Normalize<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.mean.len();
        let (mean, scale, bias) = (self.mean, &self.scale[..channels], &self.bias[..channels]);
        let rows = self.out.chunks_exact_mut(channels);
        for (row, (out, x)) in rows.zip(self.x.chunks_exact(channels)).enumerate() {
            for c in 0..channels {
                out[c] = (x[c] - mean[c]) * scale[c] + bias[c];
            }
            if !self.residual.is_empty() {
                let residual = &self.residual[row * channels..(row + 1) * channels];
                for c in 0..channels {
                    out[c] += residual[c];
                }
            }
            if self.relu {
                for value in out {
                    // Not `max`, which would lose a NaN.
                    *value = if *value < 0.0 { 0.0 } else { *value };
                }
            }
        }
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
            Arch::new().dispatch(BlockStatistics {
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

struct BlockStatistics<'a> {
    values: &'a [f32],
    mean: &'a mut [f32],
    spread: &'a mut [f32],
}

impl WithSimd for BlockStatistics<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.mean.len();
        let spread = &mut self.spread[..channels];
        for row in self.values.chunks_exact(channels) {
            for (mean, value) in self.mean.iter_mut().zip(row) {
                *mean += value;
            }
        }
        let rows = (self.values.len() / channels) as f32;
        for mean in self.mean.iter_mut() {
            *mean /= rows;
        }
        for row in self.values.chunks_exact(channels) {
            for (spread, (value, mean)) in spread.iter_mut().zip(row.iter().zip(&*self.mean)) {
                let apart = value - mean;
                *spread += apart * apart;
            }
        }
    }
}

/// The gradients of [`batch_norm`]. `output` is what it gave where ReLU followed, else empty; `grad` is the
/// gradient by the output.
pub fn batch_norm_backward(
    x: &[f32],
    output: &[f32],
    grad: &[f32],
    weight: &[f32],
    (mean, variance): (&[f32], &[f32]),
    epsilon: f32,
) -> NormGrad {
    let channels = weight.len();
    let len = block_len(channels);
    let inverse: Vec<f32> = variance
        .iter()
        .map(|variance| 1.0 / (variance + epsilon).sqrt())
        .collect();

    // First pass: the gradient in front of ReLU, and its sums.
    let mut residual = buffer(if output.is_empty() { 0 } else { grad.len() });
    let mut parts = vec![0.0; x.len().div_ceil(len) * 2 * channels];
    if output.is_empty() {
        let parts = parts.chunks_mut(2 * channels);
        threads::each(4 * x.len(), parts, |block, part| {
            let range = block * len..((block + 1) * len).min(x.len());
            let (x, grad) = (&x[range.clone()], &grad[range]);
            Arch::new().dispatch(Sums {
                x,
                grad,
                mean,
                part,
            });
        });
    } else {
        let parts = parts.chunks_mut(2 * channels);
        let pairs = parts.zip(residual.chunks_mut(len));
        threads::each(6 * x.len(), pairs, |block, (part, residual)| {
            let range = block * len..((block + 1) * len).min(x.len());
            Arch::new().dispatch(Mask {
                output: &output[range.clone()],
                grad: &grad[range.clone()],
                residual: &mut *residual,
            });
            let (x, grad) = (&x[range], &*residual);
            Arch::new().dispatch(Sums {
                x,
                grad,
                mean,
                part,
            });
        });
    }
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
    let through = if output.is_empty() { grad } else { &residual };
    let mut input = buffer(x.len());
    threads::each(4 * x.len(), input.chunks_mut(len), |block, out| {
        let range = block * len..block * len + out.len();
        Arch::new().dispatch(InputGrad {
            x: &x[range.clone()],
            grad: &through[range],
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

struct Mask<'a> {
    output: &'a [f32],
    grad: &'a [f32],
    residual: &'a mut [f32],
}

impl WithSimd for Mask<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let values = self.output.iter().zip(self.grad);
        for (out, (&output, &grad)) in self.residual.iter_mut().zip(values) {
            // As PyTorch: nothing passes where the output is zero or less, a NaN lets it pass.
            *out = if output <= 0.0 { 0.0 } else { grad };
        }
    }
}

struct Sums<'a> {
    x: &'a [f32],
    grad: &'a [f32],
    mean: &'a [f32],
    part: &'a mut [f32],
}

impl WithSimd for Sums<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.mean.len();
        let (plain, weighted) = self.part.split_at_mut(channels);
        let weighted = &mut weighted[..channels];
        let rows = self.x.chunks_exact(channels);
        for (x, grad) in rows.zip(self.grad.chunks_exact(channels)) {
            for c in 0..channels {
                plain[c] += grad[c];
                weighted[c] += grad[c] * (x[c] - self.mean[c]);
            }
        }
    }
}

struct InputGrad<'a> {
    x: &'a [f32],
    grad: &'a [f32],
    mean: &'a [f32],
    own: &'a [f32],
    pull: &'a [f32],
    shift: &'a [f32],
    out: &'a mut [f32],
}

impl WithSimd for InputGrad<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let channels = self.mean.len();
        let (own, pull) = (&self.own[..channels], &self.pull[..channels]);
        let shift = &self.shift[..channels];
        let rows = self.x.chunks_exact(channels);
        let rows = rows.zip(self.grad.chunks_exact(channels));
        for (out, (x, grad)) in self.out.chunks_exact_mut(channels).zip(rows) {
            for c in 0..channels {
                out[c] = own[c] * grad[c] - (x[c] - self.mean[c]) * pull[c] - shift[c];
            }
        }
    }
}
