//! Where a batch's views are made: on the host by the CPU engine, or by kernels on the run's device. Both give the
//! same numbers to the last bit.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_gpu_views::ViewBatch;

use crate::error::RunError;

/// Two views of every image of a batch, on their way to a device.
#[derive(Clone, Debug)]
pub enum BatchViews {
    /// Made: for each view `[batch, 3, height, width]`, normalised; the second empty where the first is the only one.
    Made([Vec<f32>; 2]),
    /// Images and operations, of which the device makes the views.
    Packed(ViewBatch),
}

impl BatchViews {
    /// Both views on a device, each of the given shape; the first twice where it is the only one.
    ///
    /// # Errors
    /// When they are to be made on a device that cannot.
    pub fn tensors(&self, shape: [usize; 4], device: &Device) -> Result<[Tensor<4>; 2], RunError> {
        let failed = |reason: String| RunError::Device(reason);
        match self {
            BatchViews::Made([first, second]) => {
                let upload = |values: &[f32]| {
                    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
                };
                let first = upload(first);
                let second = match second.is_empty() {
                    true => first.clone(),
                    false => upload(second),
                };
                Ok([first, second])
            }
            BatchViews::Packed(batch) => {
                let tensors = batch.normalized(device);
                let tensors = tensors.map_err(|error| failed(error.to_string()))?;
                let count = tensors.len();
                <[Tensor<4>; 2]>::try_from(tensors).map_err(|_| failed(format!("{count} views")))
            }
        }
    }
}
