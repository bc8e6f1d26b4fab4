//! Forward and backward pass of a batch, in micro-batches where the recipe accumulates gradients.

use burn::tensor::Tensor;
use parallax_kernels::gather_rows;
use parallax_methods::PartsMut;
use parallax_probes::embedding_std;

use crate::classifier::{Classifier, ClassifierPass};
use crate::device_batch::DeviceBatch;
use crate::error::RunError;
use crate::gradients::ParamGradients;
use crate::run::Run;

/// Results of [`Run::forward`], still on the device.
pub(crate) struct Forward {
    /// Mean loss, `[1]`.
    pub loss: Tensor<1>,
    /// Of the batch's embeddings, `[1]`.
    pub embedding_std: Tensor<1>,
    pub gradients: ParamGradients,
    /// Keys of all ranks to enqueue, `[batch, out]`.
    pub keys: Option<Tensor<2>>,
    /// The online classifier on the batch.
    pub online: Option<ClassifierPass>,
}

impl Run {
    /// Loss and gradients of a batch of all ranks. Running statistics are updated, nothing else. The loss is multiplied by
    /// `scale` before the backward pass and the gradients divided by it.
    ///
    /// # Errors
    /// When ranks cannot exchange, or the device fails while they do.
    pub(crate) async fn forward(
        &mut self,
        batch: &DeviceBatch,
        scale: f64,
    ) -> Result<Forward, RunError> {
        let count = self.recipe.run.accumulate;
        let (mut losses, mut embeddings) = (Vec::new(), Vec::new());
        let (mut features, mut keys) = (Vec::new(), Vec::new());
        let mut gradients = ParamGradients::default();
        let mut after_first = None;
        for number in 0..count {
            let output = self.method.loss(batch.micro_batch(number, count));
            let mut graph = match scale {
                1.0 => output.loss.backward(),
                _ => (output.loss.clone() * scale).backward(),
            };
            gradients.add(ParamGradients::take(self.method.online(), &mut graph));
            losses.push(output.loss.inner());
            embeddings.push(output.embedding);
            features.push(output.features);
            keys.extend(output.keys);
            if count > 1 && number == 0 {
                let target = self.method.parts().target.cloned();
                after_first = Some((self.method.online().clone(), target));
            }
        }
        // As with BN groups, the running statistics of the first micro-batch are kept.
        if let Some((first, first_target)) = after_first {
            let PartsMut { online, target, .. } = self.method.parts_mut();
            *online = first;
            if let (Some(target), Some(first)) = (target, first_target) {
                *target = first;
            }
        }
        let (ranks, dtype) = (self.ranks, self.recipe.run.gradient_dtype);
        // As micro-batches do, ranks add what they have in their order, and one factor makes the mean.
        gradients.share(ranks, dtype, &self.device).await?;
        let count = count * ranks.size();
        if count > 1 || scale > 1.0 {
            gradients.scale(1.0 / (count as f64 * scale));
        }
        let features = Tensor::cat(features, 0);
        let evaluate =
            |classifier: &Classifier| classifier.evaluate(features, batch.labels.clone());
        let online = match self.classifier.as_ref().map(evaluate) {
            Some(online) => Some(online.share(ranks, &self.device).await?),
            None => None,
        };
        Ok(Forward {
            loss: gather_rows(Tensor::cat(losses, 0), ranks).mean(),
            embedding_std: embedding_std(gather_rows(Tensor::cat(embeddings, 0), ranks)),
            gradients,
            keys: (!keys.is_empty()).then(|| gather_rows(Tensor::cat(keys, 0), ranks)),
            online,
        })
    }
}

/// Copies a vector from the device.
///
/// # Errors
/// When the device fails.
pub async fn read(figures: Tensor<1>) -> Result<Vec<f64>, RunError> {
    let data = figures.into_data_async().await;
    let data = data.map_err(RunError::of_device)?;
    Ok(data.iter::<f64>().collect())
}
