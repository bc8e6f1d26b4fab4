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
    let network = load_as(network, file, |name| format!("{prefix}{name}"))?;
    let taken: Vec<String> = shapes.into_iter().map(|(name, _)| name).collect();
    let unused = file
        .tensors
        .keys()
        .filter_map(|name| name.strip_prefix(prefix))
        .filter(|name| !taken.iter().any(|taken| taken == name))
        .map(str::to_string)
        .collect();
    Ok((network, LoadReport { taken, unused }))
}

/// Loads every tensor of a module from a file in which they have other names: `rename` gives the one in the file.
///
/// # Errors
/// As [`load`].
pub fn load_as<M: Module>(
    network: M,
    file: &WeightFile,
    rename: impl Fn(&str) -> String,
) -> Result<M, WeightsError> {
    let shapes = names::shapes(&network);
    let found = |name: &str| file.tensors.get(&rename(name));
    let mut missing = shapes.iter().filter(|(name, _)| found(name).is_none());
    if let Some((first, _)) = missing.next() {
        return Err(WeightsError::Missing {
            file: file.name.clone(),
            tensor: rename(first),
            missing: 1 + missing.count(),
            needed: shapes.len(),
        });
    }
    for (name, expected) in &shapes {
        if let Some(found) = found(name).filter(|found| found.shape != *expected) {
            return Err(WeightsError::Shape {
                file: file.name.clone(),
                tensor: rename(name),
                expected: expected.clone(),
                found: found.shape.clone(),
            });
        }
    }
    Ok(fill(network, found))
}

/// Replaces the tensors of a module that `find` has by name; their shapes fit.
///
/// # Panics
/// When a shape does not fit.
pub fn fill<'a, M: Module>(network: M, find: impl Fn(&str) -> Option<&'a NamedTensor>) -> M {
    struct Fill<F>(F);
    impl<'a, F: Fn(&str) -> Option<&'a NamedTensor>> Map for Fill<F> {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) -> Tensor<D> {
            match (self.0)(name) {
                Some(found) => {
                    let data = TensorData::new(found.values.clone(), found.shape.clone());
                    Tensor::from_data(data, &tensor.device())
                }
                None => tensor,
            }
        }
    }
    names::map(network, &mut Fill(find))
}
