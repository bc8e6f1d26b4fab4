//! Copying between a network on a device and named tensors in host memory.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use parallax_nets::names::{self, Map, Visit};

use crate::{NamedTensor, WeightFile, WeightsError};

/// The result of loading by names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoadReport {
    /// Names that were loaded.
    pub taken: Vec<String>,
    /// Names under the prefix that the network does not have.
    pub unused: Vec<String>,
}

/// Reads every tensor of a module from its device; `prefix` is put before its names.
///
/// # Errors
/// When the device fails.
pub async fn collect<M: Module>(
    network: &M,
    prefix: &str,
) -> Result<Vec<NamedTensor>, WeightsError> {
    struct Handles(Vec<(String, Vec<usize>, Tensor<1>)>);
    impl Visit for Handles {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            let shape = tensor.dims().to_vec();
            let flat = tensor
                .without_autodiff()
                .reshape([shape.iter().product::<usize>()]);
            self.0.push((name.to_string(), shape, flat));
        }
    }
    let mut handles = Handles(Vec::new());
    names::visit(network, &mut handles);
    let mut tensors = Vec::with_capacity(handles.0.len());
    for (name, shape, tensor) in handles.0 {
        let name = format!("{prefix}{name}");
        let values = read(tensor, &name).await?;
        tensors.push(NamedTensor::new(name, shape, values));
    }
    Ok(tensors)
}

/// Loads the tensors of `from` into `to`, which may be on another device and may lack some of them, such as a head. The
/// transfer through host memory does not block, as browsers require.
///
/// # Errors
/// When the device fails or the networks do not fit.
pub async fn copy<M: Module>(from: &M, to: M) -> Result<M, WeightsError> {
    let file = WeightFile::new("a copy", collect(from, "").await?);
    load(to, "", &file).map(|(network, _)| network)
}

/// Values of one tensor.
async fn read(tensor: Tensor<1>, name: &str) -> Result<Vec<f32>, WeightsError> {
    let failed = |reason: String| WeightsError::Device {
        tensor: name.to_string(),
        reason,
    };
    let data = tensor
        .into_data_async()
        .await
        .map_err(|error| failed(format!("{error:?}")))?;
    data.try_to_vec::<f32>()
        .map_err(|error| failed(format!("{error:?}")))
}

/// Loads the tensors of a file whose names start with `prefix` into a module.
///
/// # Errors
/// When a tensor of the network is missing in the file or has another shape; the network is then unchanged.
pub fn load<M: Module>(
    network: M,
    prefix: &str,
    file: &WeightFile,
) -> Result<(M, LoadReport), WeightsError> {
    let shapes = names::shapes(&network);
    let missing: Vec<&String> = shapes
        .iter()
        .map(|(name, _)| name)
        .filter(|name| !file.tensors.contains_key(&format!("{prefix}{name}")))
        .collect();
    if let Some(first) = missing.first() {
        return Err(WeightsError::Missing {
            file: file.name.clone(),
            tensor: format!("{prefix}{first}"),
            missing: missing.len(),
            needed: shapes.len(),
        });
    }
    for (name, expected) in &shapes {
        let found = &file.tensors[&format!("{prefix}{name}")].shape;
        if found != expected {
            return Err(WeightsError::Shape {
                file: file.name.clone(),
                tensor: format!("{prefix}{name}"),
                expected: expected.clone(),
                found: found.clone(),
            });
        }
    }
    let taken: Vec<String> = shapes.into_iter().map(|(name, _)| name).collect();
    let unused = file
        .tensors
        .keys()
        .filter_map(|name| name.strip_prefix(prefix))
        .filter(|name| !taken.iter().any(|taken| taken == name))
        .map(str::to_string)
        .collect();
    let network = names::map(network, &mut FromFile { file, prefix });
    Ok((network, LoadReport { taken, unused }))
}

struct FromFile<'a> {
    file: &'a WeightFile,
    prefix: &'a str,
}

impl Map for FromFile<'_> {
    fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
        match self.file.tensors.get(&format!("{}{name}", self.prefix)) {
            Some(found) => {
                let data = TensorData::new(found.values.clone(), found.shape.clone());
                Tensor::from_data(data, &tensor.device())
            }
            None => tensor,
        }
    }
}
