//! Safetensors in memory.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::WeightsError;

/// Key of the recipe in the metadata of a file.
const RECIPE: &str = "recipe";

/// One tensor on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Full name, for example `online_encoder.layer1.0.conv1.weight`.
    pub name: String,
    /// Sizes, slowest first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
}

/// A set of named tensors and the text beside them.
#[derive(Clone, Debug, Default)]
pub struct WeightFile {
    /// What errors call this file.
    pub name: String,
    /// Tensors by full name.
    pub tensors: BTreeMap<String, NamedTensor>,
    /// The recipe of the run, as TOML, where the file carries one.
    pub recipe: Option<String>,
}

impl WeightFile {
    /// From tensors just read from a device.
    pub fn new(name: &str, tensors: Vec<NamedTensor>) -> Self {
        Self {
            name: name.to_string(),
            tensors: tensors
                .into_iter()
                .map(|tensor| (tensor.name.clone(), tensor))
                .collect(),
            recipe: None,
        }
    }

    /// Stores the recipe beside the tensors.
    pub fn with_recipe(mut self, recipe: &str) -> Self {
        self.recipe = Some(recipe.to_string());
        self
    }

    /// Bytes of the file.
    ///
    /// # Errors
    /// When the tensors cannot be laid out (a shape that does not fit its values).
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let bytes: Vec<(&NamedTensor, Vec<u8>)> = self
            .tensors
            .values()
            .map(|tensor| {
                let bytes = tensor
                    .values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect();
                (tensor, bytes)
            })
            .collect();
        let mut views = Vec::with_capacity(bytes.len());
        for (tensor, bytes) in &bytes {
            let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes);
            views.push((
                tensor.name.as_str(),
                view.map_err(|error| self.format(error))?,
            ));
        }
        // One key only: a HashMap of several would give equal runs files of different bytes.
        let metadata = self
            .recipe
            .clone()
            .map(|text| HashMap::from([(RECIPE.to_string(), text)]));
        serialize(views, metadata).map_err(|error| self.format(error))
    }

    /// Reads a file; nothing is executed, and sizes are checked before anything is allocated.
    ///
    /// # Errors
    /// When the bytes are no whole safetensors file or hold neither F32 nor I64.
    pub fn from_bytes(name: &str, bytes: &[u8]) -> Result<Self, WeightsError> {
        let mut file = Self {
            name: name.to_string(),
            ..Self::default()
        };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| file.format(error))?;
        let parsed = SafeTensors::deserialize(bytes).map_err(|error| file.format(error))?;
        file.recipe = header
            .metadata()
            .as_ref()
            .and_then(|texts| texts.get(RECIPE).cloned());
        for (tensor, view) in parsed.iter() {
            let values = match view.dtype() {
                Dtype::F32 => floats(view.data()),
                // Counters that PyTorch keeps beside the weights: `queue_ptr`, `num_batches_tracked`.
                Dtype::I64 => integers(view.data()),
                other => {
                    return Err(WeightsError::Type {
                        file: name.to_string(),
                        tensor: tensor.to_string(),
                        found: format!("{other:?}"),
                    });
                }
            };
            file.tensors.insert(
                tensor.to_string(),
                NamedTensor {
                    name: tensor.to_string(),
                    shape: view.shape().to_vec(),
                    values,
                },
            );
        }
        Ok(file)
    }

    fn format(&self, reason: impl ToString) -> WeightsError {
        WeightsError::Format {
            file: self.name.clone(),
            reason: reason.to_string(),
        }
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<4>();
    values
        .iter()
        .map(|value| f32::from_le_bytes(*value))
        .collect()
}

fn integers(bytes: &[u8]) -> Vec<f32> {
    let (values, _) = bytes.as_chunks::<8>();
    values
        .iter()
        .map(|value| i64::from_le_bytes(*value) as f32)
        .collect()
}
