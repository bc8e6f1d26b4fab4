//! Collapse: whether all images get the same embedding.

use burn::tensor::Tensor;

use crate::metric::{Format, Metric};

/// [`embedding_std`] of a step's batch.
pub const EMBEDDING_STD: Metric = Metric {
    key: "embedding_std",
    tag: "train/embedding_std",
    label: "spread",
    format: Format::Decimals(2),
    single: true,
    rank: Some(10),
};

/// Standard deviation of L2-normalised embeddings over the batch, averaged over the columns and multiplied by the root of
/// their number: near 1 for directions spread evenly over the sphere, 0 when all images have the same embedding.
///
/// `embedding`: `[batch, out]`, L2-normalised rows. Returns `[1]` on the embedding's device.
pub fn embedding_std(embedding: Tensor<2>) -> Tensor<1> {
    let columns = embedding.dims()[1] as f64;
    let mean = embedding.clone().mean_dim(0);
    let std = (embedding - mean).square().mean_dim(0).sqrt();
    std.mean() * columns.sqrt()
}
