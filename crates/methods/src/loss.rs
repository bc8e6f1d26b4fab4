//! Losses and what they are made of.

use burn::tensor::{Int, Tensor};
use parallax_kernels::{linear, log_softmax, row_sums};

/// n(x): rows of length one, divided by max(|x|, 1e-12) (methods.md 3).
pub fn normalize(x: Tensor<2>) -> Tensor<2> {
    let squares = row_sums(x.clone().square());
    // A step of Heron's from the root itself: the same value, and a gradient of one division. That of Burn's root is a
    // power, which mathematical libraries round differently.
    let root = squares.clone().detach().sqrt().clamp_min(1e-12);
    let norm = ((squares / root.clone() + root) * 0.5).clamp_min(1e-12);
    // Spread by a product, so that its gradient is summed by one, too.
    let [_, columns] = x.dims();
    let ones = x.clone().detach().narrow(0, 0, 1).ones_like();
    x / linear(norm, ones.reshape([columns, 1]), None)
}

/// Mean over the batch of 2 - 2 p.z for rows of length one (methods.md 3.6).
pub fn regression(p: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
    (p * z).sum_dim(1).mean() * -2.0 + 2.0
}

/// Cross-entropy of [q.k, q.Q^T] / temperature with the first entry right (methods.md 3.4).
///
/// `q`, `k`: `[batch, out]`; `queue`: `[keys, out]`; all rows of length one.
pub fn info_nce(q: Tensor<2>, k: Tensor<2>, queue: Tensor<2>, temperature: f64) -> Tensor<1> {
    let positive = row_sums(q.clone() * k);
    let negative = linear(q, queue, None);
    // Not a division: its gradient in Burn rounds the temperature to f32, in f64, too.
    let logits = Tensor::cat(vec![positive, negative], 1) * (1.0 / temperature);
    log_softmax(logits).narrow(1, 0, 1).mean().neg()
}

/// Mean over the batch of -log softmax(logits) at the label (methods.md 3.1).
///
/// `logits`: `[batch, classes]`; `truth`: rows as of [`one_hot`].
pub fn cross_entropy(logits: Tensor<2>, truth: Tensor<2>) -> Tensor<1> {
    (log_softmax(logits) * truth).sum_dim(1).mean().neg()
}

/// 1 at the label, 0 elsewhere: `[batch, classes]`. A label past the classes gives a row of zeros.
pub fn one_hot(labels: Tensor<1, Int>, classes: usize) -> Tensor<2> {
    let ([batch], device) = (labels.dims(), labels.device());
    let classes = classes as i64;
    let row = Tensor::<1, Int>::arange(0..classes, &device).reshape([1, -1]);
    let row = row.expand([batch as i64, classes]);
    let labels = labels.reshape([-1, 1]).expand([batch as i64, classes]);
    row.equal(labels).float()
}
