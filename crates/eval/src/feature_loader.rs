//! Batches of features that were computed once.

use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use parallax_data::Order;
use parallax_probes::Features;

use crate::error::EvalError;

/// Loads the features of any step: a pure function of the seed, the features and the step, in the order of a
/// [`Loader`](parallax_train::Loader) that drops last batches.
#[derive(Clone)]
pub struct FeatureLoader {
    features: Arc<Features>,
    order: Order,
    size: usize,
}

impl FeatureLoader {
    /// Batches of `size` rows.
    ///
    /// # Errors
    /// When there are fewer rows than a batch.
    pub fn new(features: Arc<Features>, size: usize, seed: u64) -> Result<Self, EvalError> {
        let (examples, batch) = (features.rows(), size);
        if examples < batch {
            return Err(EvalError::TooFew { examples, batch });
        }
        Ok(Self {
            order: Order::new(seed, examples)?,
            features,
            size,
        })
    }

    /// Features `[batch, columns]` and labels of a 0-based step.
    pub fn load(&self, step: u64, device: &Device) -> (Tensor<2>, Vec<u32>) {
        let columns = self.features.columns();
        let mut values = Vec::with_capacity(self.size * columns);
        let mut labels = Vec::with_capacity(self.size);
        for sample in self.order.whole_batch(step, self.size) {
            let row = sample.index as usize;
            values.extend_from_slice(&self.features.values()[row * columns..(row + 1) * columns]);
            labels.push(self.features.labels()[row]);
        }
        let data = TensorData::new(values, [labels.len(), columns]);
        (Tensor::from_data(data, device), labels)
    }
}
