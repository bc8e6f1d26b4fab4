//! Named tensors on the host, and safetensors.

use std::collections::{BTreeMap, HashMap};

use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};

use crate::WeightsError;
use crate::element::Element;

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
    /// Whether files hold whole numbers (I64) here: counters such as `queue_ptr` and `num_batches_tracked`.
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

    /// The values as a file holds them, little-endian.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let values = self.values.iter();
        match self.integer {
            true => values.flat_map(|v| (*v as i64).to_le_bytes()).collect(),
            false => values.flat_map(|v| v.to_le_bytes()).collect(),
        }
    }
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

    /// The file as safetensors.
    ///
    /// # Errors
    /// When the tensors cannot be laid out (a shape that does not fit its values).
    pub fn to_bytes(&self) -> Result<Vec<u8>, WeightsError> {
        let bytes: Vec<(&NamedTensor, Vec<u8>)> = self
            .tensors
            .values()
            .map(|tensor| (tensor, tensor.bytes()))
            .collect();
        let mut views = Vec::with_capacity(bytes.len());
        for (tensor, bytes) in &bytes {
            let element = match tensor.integer {
                true => Dtype::I64,
                false => Dtype::F32,
            };
            let view = TensorView::new(element, tensor.shape.clone(), bytes);
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

    /// Reads safetensors under the names of the file; nothing is executed, and sizes are checked before anything
    /// is allocated. F16, BF16 and F64 become f32, and so do whole numbers.
    ///
    /// # Errors
    /// When the bytes are no whole safetensors file or hold values that no weight is made of.
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
            let element = element(view.dtype()).ok_or_else(|| WeightsError::Type {
                file: name.to_string(),
                tensor: tensor.to_string(),
                found: format!("{:?}", view.dtype()),
            })?;
            file.tensors.insert(
                tensor.to_string(),
                NamedTensor {
                    name: tensor.to_string(),
                    shape: view.shape().to_vec(),
                    values: element.decode(view.data()),
                    integer: element.is_integer(),
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

fn element(kind: Dtype) -> Option<Element> {
    Some(match kind {
        Dtype::F64 => Element::F64,
        Dtype::F32 => Element::F32,
        Dtype::F16 => Element::F16,
        Dtype::BF16 => Element::Bf16,
        Dtype::I64 => Element::I64,
        Dtype::I32 => Element::I32,
        Dtype::I16 => Element::I16,
        Dtype::I8 => Element::I8,
        Dtype::U8 => Element::U8,
        Dtype::BOOL => Element::Bool,
        _ => return None,
    })
}
