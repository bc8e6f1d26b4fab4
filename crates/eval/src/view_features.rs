//! Features of training views by a frozen encoder.

use burn::tensor::{Device, Tensor};
use parallax_train::{Batch, Extractor, RunError};

use crate::error::EvalError;

/// Features `[batch, features]` and labels of the first views of several batches, in order, in as few forward passes as the
/// extractor's batch allows.
///
/// # Errors
/// When the device has no kernels for the views, or a batch has none.
pub fn view_features(
    extractor: &mut Extractor,
    batches: Vec<Batch>,
    device: &Device,
) -> Result<Vec<(Tensor<2>, Vec<u32>)>, EvalError> {
    let (mut views, mut labels) = (Vec::new(), Vec::new());
    for batch in batches {
        let shape = [batch.size, 3, batch.pixels[0], batch.pixels[1]];
        let first = batch.views.into_tensors(shape, device)?.into_iter().next();
        views.push(first.ok_or_else(|| RunError::Device("the batch has no views".to_string()))?);
        labels.push(batch.labels);
    }
    if views.is_empty() {
        return Ok(Vec::new());
    }
    let views = Tensor::cat(views, 0);
    let images = views.dims()[0];
    let most = extractor.batch().max(1);
    let parts = (0..images).step_by(most).map(|from| {
        let part = views.clone().narrow(0, from, most.min(images - from));
        extractor.forward(part)
    });
    let features = Tensor::cat(parts.collect(), 0);
    let mut from = 0;
    let rows = labels.into_iter().map(|labels: Vec<u32>| {
        let rows = features.clone().narrow(0, from, labels.len());
        from += labels.len();
        (rows, labels)
    });
    Ok(rows.collect())
}
