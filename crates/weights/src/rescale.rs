//! NormRescale: each tensor is scaled to the norm of another model's (methods.md 6).

use crate::names::backbone;
use crate::{Branch, NamedTensor, WeightFile, WeightsError};

/// The source of the norms.
#[derive(Clone, Copy, Debug)]
pub enum Anchor<'a> {
    /// The tensors of the same names, of the file's online network.
    File(&'a WeightFile),
    /// The tensor's own norm times a positive number.
    Constant(f64),
}

/// Which tensors are rescaled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Every tensor of floats: weights, biases, scales, running statistics. Batch norm then computes something else: such a
    /// network is for fine-tuning, not for frozen features.
    All,
    /// Tensors of two dimensions or more: convolutions and linear layers.
    Weights,
}

/// The treatment of every tensor of the network.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RescaleReport {
    /// Rescaled.
    pub rescaled: Vec<String>,
    /// Unchanged: counters, and tensors out of scope.
    pub out_of_scope: Vec<String>,
    /// Unchanged: their norm is zero.
    pub zero: Vec<String>,
    /// Unchanged: tensors of heads that the anchor lacks or has in another shape.
    pub not_in_anchor: Vec<String>,
}

/// One network of the file, rescaled: `w / |w| * |anchor|` with Frobenius norms, summed in f64.
///
/// # Errors
/// When the file does not hold the network, the anchor's backbone lacks a tensor of it or has another shape, or a norm
/// is not finite.
pub fn norm_rescale(
    file: &WeightFile,
    branch: Branch,
    anchor: Anchor<'_>,
    scope: Scope,
) -> Result<(WeightFile, RescaleReport), WeightsError> {
    let mut report = RescaleReport::default();
    let mut out = WeightFile {
        name: file.name.clone(),
        recipe: file.recipe.clone(),
        ..WeightFile::default()
    };
    for (name, tensor) in &file.tensors {
        let Some(bare) = name.strip_prefix(branch.prefix()) else {
            continue;
        };
        let mut tensor = tensor.clone();
        if !in_scope(&tensor, scope) {
            report.out_of_scope.push(name.clone());
        } else {
            let norm = norm(&tensor, &file.name)?;
            let wanted = match anchor {
                Anchor::Constant(factor) => Some(norm * factor),
                Anchor::File(anchor) => wanted(anchor, bare, &tensor)?,
            };
            match wanted {
                None => report.not_in_anchor.push(name.clone()),
                Some(_) if norm == 0.0 => report.zero.push(name.clone()),
                Some(wanted) => {
                    for value in &mut tensor.values {
                        *value = (f64::from(*value) / norm * wanted) as f32;
                    }
                    report.rescaled.push(name.clone());
                }
            }
        }
        out.tensors.insert(name.clone(), tensor);
    }
    match out.tensors.is_empty() {
        true => Err(WeightsError::Branch {
            file: file.name.clone(),
            branch: branch.word().to_string(),
        }),
        false => Ok((out, report)),
    }
}

/// The norm of the anchor's tensor; none for a head's that the anchor lacks.
fn wanted(
    anchor: &WeightFile,
    bare: &str,
    tensor: &NamedTensor,
) -> Result<Option<f64>, WeightsError> {
    let name = format!("{}{bare}", Branch::Online.prefix());
    let is_head = backbone(bare).is_none();
    match anchor.tensors.get(&name) {
        Some(found) if found.shape == tensor.shape => norm(found, &anchor.name).map(Some),
        _ if is_head => Ok(None),
        Some(found) => Err(WeightsError::Shape {
            file: anchor.name.clone(),
            tensor: name,
            expected: tensor.shape.clone(),
            found: found.shape.clone(),
        }),
        None => Err(WeightsError::Missing {
            file: anchor.name.clone(),
            tensor: name,
            missing: 1,
            needed: 1,
        }),
    }
}

/// Whether a tensor is rescaled: not a counter, and of the scope's dimensions.
pub(crate) fn in_scope(tensor: &NamedTensor, scope: Scope) -> bool {
    !tensor.integer && (scope == Scope::All || tensor.shape.len() >= 2)
}

/// The Frobenius norm, summed in f64.
pub(crate) fn norm(tensor: &NamedTensor, file: &str) -> Result<f64, WeightsError> {
    let squares = tensor.values.iter().map(|v| f64::from(*v).powi(2));
    let norm = squares.sum::<f64>().sqrt();
    match norm.is_finite() {
        true => Ok(norm),
        false => Err(WeightsError::NotFinite {
            file: file.to_string(),
            tensor: tensor.name.clone(),
        }),
    }
}
