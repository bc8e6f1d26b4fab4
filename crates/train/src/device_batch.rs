//! A batch on the run's device, and its micro-batches.

use burn::tensor::{Device, Int, Tensor, TensorData};
use parallax_methods::Views;

use crate::batch::Batch;
use crate::error::RunError;
use crate::precision::Precision;

/// A [`Batch`] whose views and labels are on a device. Micro-batches and repeated attempts share its tensors.
pub(crate) struct DeviceBatch {
    /// Images.
    pub size: usize,
    /// Classes, `[batch]`.
    pub labels: Tensor<1, Int>,
    /// What supervised training learns, `[batch]`.
    targets: Tensor<1, Int>,
    /// `[batch, 3, height, width]` each; the first twice where the method takes one view.
    views: [Tensor<4>; 2],
    enqueue_second: Vec<bool>,
    order: Vec<u32>,
}

impl DeviceBatch {
    /// Hands the batch over to the device. Views are stored in the given precision.
    ///
    /// # Errors
    /// When the device is to compute the views but has no kernels for them, or there are none.
    pub fn new(batch: Batch, precision: Precision, device: &Device) -> Result<Self, RunError> {
        let shape = [batch.size, 3, batch.pixels[0], batch.pixels[1]];
        let views = batch.views.into_tensors(shape, device)?;
        let mut views = views.into_iter().map(|view| precision.store(view));
        let first = views.next();
        let first = first.ok_or_else(|| RunError::Device("the batch has no views".to_string()))?;
        let second = views.next().unwrap_or_else(|| first.clone());
        let upload = |labels: Vec<u32>| {
            let labels = labels.into_iter().map(|label| label as i32);
            let labels = TensorData::new(labels.collect::<Vec<i32>>(), [batch.size]);
            Tensor::from_data(labels, device)
        };
        let labels: Tensor<1, Int> = upload(batch.labels);
        let targets = batch.targets.map_or_else(|| labels.clone(), upload);
        Ok(Self {
            size: batch.size,
            labels,
            targets,
            views: [first, second],
            enqueue_second: batch.enqueue_second,
            order: batch.order,
        })
    }

    /// Micro-batch `number` of `count` of equal size. BN groups are distributed over micro-batches in order.
    pub fn micro_batch(&self, number: usize, count: usize) -> Views {
        let size = self.size / count;
        let (begin, end) = (number * size, (number + 1) * size);
        let coins = self.enqueue_second.len();
        let coins = match coins.is_multiple_of(count) {
            true => number * coins / count..(number + 1) * coins / count,
            false => 0..coins,
        };
        let own = self.order.iter().map(|&place| place as usize);
        // With one micro-batch it is a permutation of the batch of all ranks.
        let own = own.filter(|place| count == 1 || (begin..end).contains(place));
        let [first, second] = self.views.clone();
        let (first, second, labels) = match count {
            1 => (first, second, self.targets.clone()),
            _ => (
                first.narrow(0, begin, size),
                second.narrow(0, begin, size),
                self.targets.clone().narrow(0, begin, size),
            ),
        };
        Views {
            first,
            second,
            labels,
            enqueue_second: self.enqueue_second[coins].to_vec(),
            order: own.map(|place| (place - begin) as u32).collect(),
        }
    }
}
