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
}

impl BatchViews {
    /// Both views on a device, each of the given shape `[batch, 3, height, width]`; the first twice where it is the only
    /// one. Values are handed over without a copy on the host.
    ///
    /// # Errors
    /// When the device has no kernels for the views, or there are neither one nor two of them.
    pub fn into_tensors(
        self,
        shape: [usize; 4],
        device: &Device,
    ) -> Result<[Tensor<4>; 2], RunError> {
        let tensors: Vec<Tensor<4>> = match self {
            BatchViews::Made(views) => views
                .into_iter()
                .map(|values| Tensor::from_data(TensorData::new(values, shape), device))
                .collect(),
            BatchViews::Packed(batch) => batch
                .normalized(device)
                .map_err(|error| RunError::Device(error.to_string()))?,
        };
        match <[Tensor<4>; 2]>::try_from(tensors) {
            Ok(both) => Ok(both),
            Err(views) => match <[Tensor<4>; 1]>::try_from(views) {
                Ok([only]) => Ok([only.clone(), only]),
                Err(views) => Err(RunError::Device(format!(
                    "{} views of an image, 1 or 2 are needed",
                    views.len()
                ))),
            },
        }
    }
}
