//! Named tensors in host memory, and safetensors.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::WeightsError;
use crate::dtype::DType;

/// Key of the recipe in the metadata of a file.
const RECIPE: &str = "recipe";

/// One tensor in host memory.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Full name, for example `online_encoder.layer1.0.conv1.weight`.
    pub name: String,
    /// Shape, outermost dimension first.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Vec<f32>,
    /// Whether files store it as I64: counters such as `queue_ptr` and `num_batches_tracked`.
    pub integer: bool,
}

impl NamedTensor {
    /// A tensor of floats.
    pub fn new(name: impl Into<String>, shape: Vec<usize>, values: Vec<f32>) -> Self {
        Self {
            name: name.into(),
            shape,
            values,
            integer: false,
        }
    }

    /// A counter, as PyTorch keeps it: I64 of shape `[1]`.
    pub fn counter(name: impl Into<String>, value: usize) -> Self {
        Self {
            name: name.into(),
            shape: vec![1],
            values: vec![value as f32],
            integer: true,
        }
    }

    /// The values in little-endian bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let values = self.values.iter();
        match self.integer {
            true => values.flat_map(|v| (*v as i64).to_le_bytes()).collect(),
            false => values.flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
}

/// A set of named tensors and a recipe.
#[derive(Clone, Debug, Default)]
pub struct WeightFile {
    /// The file's name in errors.
    pub name: String,
    /// Tensors by full name.
    pub tensors: BTreeMap<String, NamedTensor>,
    /// The recipe of the run as TOML, if the file has one.
    pub recipe: Option<String>,
}

impl WeightFile {
    /// From tensors, without recipe.
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

    /// Adds the recipe.
    pub fn with_recipe(mut self, recipe: &str) -> Self {
        self.recipe = Some(recipe.to_string());
        self
    }

    /// The file as safetensors.
    ///
    /// # Errors
    /// When a shape does not fit its values.
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let bytes: Vec<(&NamedTensor, Vec<u8>)> = self
            .tensors
            .values()
            .map(|tensor| (tensor, tensor.bytes()))
            .collect();
        let mut views = Vec::with_capacity(bytes.len());
        for (tensor, bytes) in &bytes {
            let dtype = match tensor.integer {
                true => Dtype::I64,
                false => Dtype::F32,
            };
            let view = TensorView::new(dtype, tensor.shape.clone(), bytes);
            views.push((
                tensor.name.as_str(),
                view.map_err(|error| self.format(error))?,
            ));
        }
        // A single key: the order of several in a HashMap varies, and equal runs must write equal bytes.
        let metadata = self
            .recipe
            .clone()
            .map(|text| HashMap::from([(RECIPE.to_string(), text)]));
        serialize(views, metadata).map_err(|error| self.format(error))
    }

    /// Reads safetensors, under the file's own names. Sizes are checked before anything is allocated. F16, BF16, F64 and
    /// integers become f32.
    ///
    /// # Errors
    /// When the bytes are not a whole safetensors file, or a dtype is not supported.
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
            let dtype = dtype(view.dtype()).ok_or_else(|| WeightsError::Type {
                file: name.to_string(),
                tensor: tensor.to_string(),
                found: format!("{:?}", view.dtype()),
            })?;
            file.tensors.insert(
                tensor.to_string(),
                NamedTensor {
                    name: tensor.to_string(),
                    shape: view.shape().to_vec(),
                    values: dtype.decode(view.data()),
                    integer: dtype.is_integer(),
                },
            );
        }
        Ok(file)
    }

    pub(crate) fn format(&self, reason: impl std::fmt::Display) -> WeightsError {
        WeightsError::Format {
            file: self.name.clone(),
            reason: format!("safetensors: {reason}"),
        }
    }
}

fn dtype(kind: Dtype) -> Option<DType> {
    Some(match kind {
        Dtype::F64 => DType::F64,
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::BF16 => DType::Bf16,
        Dtype::I64 => DType::I64,
        Dtype::I32 => DType::I32,
        Dtype::I16 => DType::I16,
        Dtype::I8 => DType::I8,
        Dtype::U8 => DType::U8,
        Dtype::BOOL => DType::Bool,
        _ => return None,
    })
}
