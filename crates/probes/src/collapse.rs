//! Has the representation collapsed?

use burn::tensor::Tensor;

/// Standard deviation of normalised embeddings over the batch, averaged over the columns and multiplied by
/// the root of their number: near 1 for directions spread evenly, 0 when all images get one embedding.
///
/// `embedding`: `[batch, out]`, rows of length one. Returns one value on the embedding's device.
pub fn embedding_std(embedding: Tensor<2>) -> Tensor<1> {
    let columns = embedding.dims()[1] as f64;
    let mean = embedding.clone().mean_dim(0);
    let std = (embedding - mean).square().mean_dim(0).sqrt();
    std.mean() * columns.sqrt()
}
