//! Features in blocks of rows on a device.

use burn::tensor::{Device, Tensor, TensorData};
use parallax_kernels::{is_gpu, largest_tensor};

use crate::features::{Features, ProbeError};

/// Training rows of a block, and test rows on a GPU: their similarities are 64 MiB, half of what every WebGPU device takes as
/// one tensor.
const ROWS: usize = 4096;
/// Test rows of a block on the CPU: as many as share a block of training rows.
const TEST_ROWS: usize = 1024;

/// Rows on their way into blocks.
pub(crate) struct Blocks {
    /// Rows of a block, at most.
    most: usize,
    device: Device,
    columns: Option<usize>,
    /// Normalised rows, fewer than a block.
    values: Vec<f32>,
}

impl Blocks {
    /// Of test examples.
    pub fn of_test(device: &Device) -> Self {
        let most = match is_gpu(device) {
            true => ROWS,
            false => TEST_ROWS,
        };
        Self {
            most,
            device: device.clone(),
            columns: None,
            values: Vec::new(),
        }
    }

    /// Of training examples as wide as the test examples, whose blocks are complete.
    pub fn of_train(self) -> Self {
        Self { most: ROWS, ..self }
    }

    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Rows of a block of that many columns: no more than a tensor of the device holds.
    pub fn rows(&self, columns: usize) -> usize {
        let held = |bytes: u64| bytes as usize / size_of::<f32>() / columns.max(1);
        let most = largest_tensor(&self.device).map_or(usize::MAX, held);
        self.most.min(most).max(1)
    }

    /// Adds rows, each divided by its L2 norm, and hands full blocks over.
    pub fn add(
        &mut self,
        features: &Features,
        mut full: impl FnMut(Tensor<2>),
    ) -> Result<(), ProbeError> {
        let found = features.columns;
        let columns = *self.columns.get_or_insert(found);
        if found != columns {
            return Err(ProbeError::Width {
                train: found,
                test: columns,
            });
        }
        let block = self.rows(columns) * columns;
        for row in features.values.chunks_exact(columns) {
            if self.values.is_empty() {
                self.values.reserve_exact(block);
            }
            let squares: f64 = row.iter().map(|&value| f64::from(value).powi(2)).sum();
            let norm = squares.sqrt().max(1e-12) as f32;
            self.values.extend(row.iter().map(|value| value / norm));
            if self.values.len() == block {
                self.take().into_iter().for_each(&mut full);
            }
        }
        Ok(())
    }

    /// The rows that do not fill a block.
    pub fn take(&mut self) -> Option<Tensor<2>> {
        let columns = self.columns?;
        let values = std::mem::take(&mut self.values);
        let rows = values.len() / columns;
        let data = TensorData::new(values, [rows, columns]);
        (rows > 0).then(|| Tensor::from_data(data, &self.device))
    }
}
