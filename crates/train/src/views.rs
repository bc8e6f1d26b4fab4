//! Where a batch's views are computed: on the host by the CPU engine, or by kernels on the run's device. Both give the
//! same bits.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_gpu_views::ViewBatch;

use crate::error::RunError;

/// The views of every image of a batch, as many as the method takes: one or two.
#[derive(Clone, Debug)]
pub enum BatchViews {
    /// Computed on the host: for each view `[batch, 3, height, width]`, normalised.
    Made(Vec<Vec<f32>>),
    /// Images and operations, from which the device computes the views.
    Packed(ViewBatch),
    /// Views of different images, one after the other.
    Several(Vec<BatchViews>),
}

impl BatchViews {
    /// The views on a device, each of the given shape `[batch, 3, height, width]`. Values are handed over without a copy on
    /// the host.
    ///
    /// # Errors
    /// When the device has no kernels for the views.
    pub fn into_tensors(
        self,
        shape: [usize; 4],
        device: &Device,
    ) -> Result<Vec<Tensor<4>>, RunError> {
        match self {
            BatchViews::Made(views) => Ok(views
                .into_iter()
                .map(|values| Tensor::from_data(TensorData::new(values, shape), device))
                .collect()),
            BatchViews::Several(batches) => {
                let views = batches.into_iter();
                let views = views.map(|batch| batch.into_tensors(shape, device));
                Ok(views.collect::<Result<Vec<_>, _>>()?.concat())
            }
            BatchViews::Packed(batch) => batch
                .normalized(device)
                .map_err(|error| RunError::Device(error.to_string())),
        }
    }
}
