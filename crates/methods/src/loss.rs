//! Loss functions.

use burn::tensor::{Int, Tensor};
use parallax_kernels::{linear, log_softmax, row_sums};

/// n(x): L2-normalised rows, x / max(|x|, 1e-12) (methods.md 3). `[rows, columns]` both.
pub fn normalize(x: Tensor<2>) -> Tensor<2> {
    let squares = row_sums(x.clone().square());
    // One iteration of Heron's method from the detached root: the same value, and a gradient of one division. The gradient
    // of Burn's own root is a power, which mathematical libraries round differently.
    let root = squares.clone().detach().sqrt().clamp_min(1e-12);
    let norm = ((squares / root.clone() + root) * 0.5).clamp_min(1e-12);
    // Broadcast by a matrix product, so that the gradient is summed by one, too: in a fixed order.
    let [_, columns] = x.dims();
    let ones = x.clone().detach().narrow(0, 0, 1).ones_like();
    x / linear(norm, ones.reshape([columns, 1]), None)
}

/// BYOL's loss for one direction: the mean over the batch of 2 - 2 p.z, from 0 to 4 (methods.md 3.6).
///
/// `p`, `z`: `[batch, out]`, L2-normalised; `[1]`.
pub fn byol_loss(p: Tensor<2>, z: Tensor<2>) -> Tensor<1> {
    (p * z).sum_dim(1).mean() * -2.0 + 2.0
}

/// InfoNCE: the mean cross-entropy of the logits [q.k, q.Q^T] / temperature with the first as the label
/// (methods.md 3.2).
///
/// `q`, `k`: `[batch, out]`; `queue`: `[keys, out]`; all rows L2-normalised.
pub fn info_nce(q: Tensor<2>, k: Tensor<2>, queue: Tensor<2>, temperature: f64) -> Tensor<1> {
    let positive = row_sums(q.clone() * k);
    let negative = linear(q, queue, None);
    // Not a division: the gradient of Burn's rounds the temperature to f32 even in f64.
    let logits = Tensor::cat(vec![positive, negative], 1) * (1.0 / temperature);
    log_softmax(logits).narrow(1, 0, 1).mean().neg()
}

/// Mean over the batch of -log softmax(logits) at the label (methods.md 3.1).
///
/// `logits`: `[batch, classes]`; `labels`: `[batch, classes]`, as of [`one_hot`].
pub fn cross_entropy(logits: Tensor<2>, labels: Tensor<2>) -> Tensor<1> {
    (log_softmax(logits) * labels).sum_dim(1).mean().neg()
}

/// 1 at the label, 0 elsewhere: `[batch, classes]`. A label of `classes` or more gives a row of zeros.
pub fn one_hot(labels: Tensor<1, Int>, classes: usize) -> Tensor<2> {
    let ([batch], device) = (labels.dims(), labels.device());
    let classes = classes as i64;
    let row = Tensor::<1, Int>::arange(0..classes, &device).reshape([1, -1]);
    let row = row.expand([batch as i64, classes]);
    let labels = labels.reshape([-1, 1]).expand([batch as i64, classes]);
    row.equal(labels).float()
}
