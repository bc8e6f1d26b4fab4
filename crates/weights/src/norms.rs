//! Norms of the layers of several networks, side by side.
//!
//! LARS scales every layer's step to its weight norm, and the norms of networks that it trained are about ten times those
//! of SGD (methods.md 6): the reason for NormRescale, whose names and shapes decide here, too, which tensors belong
//! together.

use std::collections::{BTreeMap, BTreeSet};

use crate::names::backbone;
use crate::rescale::{in_scope, norm};
use crate::{Branch, Scope, WeightFile, WeightsError};

/// One tensor of the networks.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerNorm {
    /// Its name without that of the network: `layer1.0.conv1.weight`.
    pub name: String,
    /// Its L2 norm in each network, in the order given, summed in f64; none where the network lacks it.
    pub norms: Vec<Option<f64>>,
    /// Each norm over that of the first network; none where either is missing or of another shape, or the first is 0.
    pub ratios: Vec<Option<f64>>,
}

/// The norms of all tensors in scope, from input to output. Heads may differ from network to network.
///
/// # Errors
/// When a file does not hold the network, two backbones differ in a name or a shape, or a norm is not finite.
pub fn layer_norms(
    files: &[&WeightFile],
    branch: Branch,
    scope: Scope,
) -> Result<Vec<LayerNorm>, WeightsError> {
    let networks = files
        .iter()
        .map(|file| network(file, branch, scope))
        .collect::<Result<Vec<_>, _>>()?;
    let names: BTreeSet<&str> = networks.iter().flat_map(|n| n.keys().copied()).collect();
    let mut names: Vec<&str> = names.into_iter().collect();
    names.sort_by_key(|name| place(name));
    let rows = names.into_iter().map(|name| {
        let found: Vec<_> = networks.iter().map(|network| network.get(name)).collect();
        if backbone(name).is_some() {
            same_shapes(files, branch, name, &found)?;
        }
        let first = found.first().copied().flatten();
        let ratio = |other: &Option<&Tensor>| match (first, other) {
            (Some(first), Some(other)) if first.shape == other.shape && first.norm > 0.0 => {
                Some(other.norm / first.norm)
            }
            _ => None,
        };
        Ok(LayerNorm {
            name: name.to_string(),
            norms: found.iter().map(|t| t.map(|tensor| tensor.norm)).collect(),
            ratios: found.iter().map(ratio).collect(),
        })
    });
    rows.collect()
}

struct Tensor<'a> {
    shape: &'a [usize],
    norm: f64,
}

/// The tensors of a network by their names without its prefix.
fn network(
    file: &WeightFile,
    branch: Branch,
    scope: Scope,
) -> Result<BTreeMap<&str, Tensor<'_>>, WeightsError> {
    let mut found = BTreeMap::new();
    for (name, tensor) in &file.tensors {
        let Some(bare) = name.strip_prefix(branch.prefix()) else {
            continue;
        };
        if in_scope(tensor, scope) {
            let norm = norm(tensor, &file.name)?;
            let shape = &tensor.shape;
            found.insert(bare, Tensor { shape, norm });
        }
    }
    match found.is_empty() {
        true => Err(WeightsError::Branch {
            file: file.name.clone(),
            branch: branch.word().to_string(),
        }),
        false => Ok(found),
    }
}

/// Refuses backbones of different architectures.
fn same_shapes(
    files: &[&WeightFile],
    branch: Branch,
    name: &str,
    found: &[Option<&Tensor<'_>>],
) -> Result<(), WeightsError> {
    let Some(expected) = found.iter().flatten().next() else {
        return Ok(());
    };
    let tensor = || format!("{}{name}", branch.prefix());
    for (file, found) in files.iter().zip(found) {
        let Some(found) = found else {
            return Err(WeightsError::Missing {
                file: file.name.clone(),
                tensor: tensor(),
                missing: 1,
                needed: 1,
            });
        };
        if found.shape != expected.shape {
            return Err(WeightsError::Shape {
                file: file.name.clone(),
                tensor: tensor(),
                expected: expected.shape.to_vec(),
                found: found.shape.to_vec(),
            });
        }
    }
    Ok(())
}

/// Orders names from input to output: stem, stages with their blocks, heads; a layer's tensors together.
fn place(name: &str) -> (usize, usize, usize, usize, String) {
    let parts: Vec<&str> = name.split('.').collect();
    let number = |text: &str| text.parse().unwrap_or(usize::MAX);
    let layer = |name: &str, rest: &[&str]| match (name, rest) {
        ("downsample" | "shortcut", [index, ..]) => 10 + number(index),
        _ => {
            let convolution = usize::from(name.starts_with("bn"));
            let index = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
            2 * number(index).min(4) + convolution
        }
    };
    match parts.as_slice() {
        ["fc", index, ..] => (9, number(index), 0, tensor_place(&parts), name.to_string()),
        [stage, block, inner, rest @ ..] if stage.starts_with("layer") => {
            let stage = number(stage.trim_start_matches("layer"));
            let inner = layer(inner, rest);
            (
                stage,
                number(block),
                inner,
                tensor_place(&parts),
                name.to_string(),
            )
        }
        [stem, rest @ ..] => (
            0,
            0,
            layer(stem, rest),
            tensor_place(&parts),
            name.to_string(),
        ),
        [] => (usize::MAX, 0, 0, 0, String::new()),
    }
}

/// Weight, bias, mean, variance.
fn tensor_place(parts: &[&str]) -> usize {
    let kinds = ["weight", "bias", "running_mean", "running_var"];
    let last = parts.last().copied().unwrap_or_default();
    kinds
        .iter()
        .position(|kind| *kind == last)
        .unwrap_or(kinds.len())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::NamedTensor;

    fn file(name: &str, tensors: &[(&str, Vec<usize>, f32)]) -> WeightFile {
        let tensor = |(name, shape, value): &(&str, Vec<usize>, f32)| {
            let count = shape.iter().product();
            NamedTensor::new(
                format!("online_encoder.{name}"),
                shape.clone(),
                vec![*value; count],
            )
        };
        WeightFile::new(name, tensors.iter().map(tensor).collect())
    }

    fn names(rows: &[LayerNorm]) -> Vec<&str> {
        rows.iter().map(|row| row.name.as_str()).collect()
    }

    #[test]
    fn layers_come_from_input_to_output_and_heads_may_differ() {
        let conv = vec![2, 2, 1, 1];
        let first = file(
            "a",
            &[
                ("fc.0.weight", vec![4, 4], 1.0),
                ("fc.10.weight", vec![1, 4], 1.0),
                ("layer1.0.downsample.0.weight", conv.clone(), 1.0),
                ("layer1.0.conv2.weight", conv.clone(), 1.5),
                ("layer1.0.bn1.weight", vec![4], 2.0),
                ("layer1.0.bn1.bias", vec![4], 2.0),
                ("layer1.10.conv1.weight", conv.clone(), 1.0),
                ("layer1.2.conv1.weight", conv.clone(), 1.0),
                ("conv1.weight", conv.clone(), 1.0),
                ("bn1.weight", vec![9], 1.0),
            ],
        );
        let mut second = first.clone();
        second.tensors.remove("online_encoder.fc.10.weight");
        let head = second
            .tensors
            .get_mut("online_encoder.fc.0.weight")
            .unwrap();
        (head.shape, head.values) = (vec![9, 1], vec![2.0; 9]);
        let scaled = second
            .tensors
            .get_mut("online_encoder.conv1.weight")
            .unwrap();
        scaled.values = vec![10.0; 4];
        let files = [&first, &second];

        let rows = layer_norms(&files, Branch::Online, Scope::Weights).unwrap();
        let expected = [
            "conv1.weight",
            "layer1.0.conv2.weight",
            "layer1.0.downsample.0.weight",
            "layer1.2.conv1.weight",
            "layer1.10.conv1.weight",
            "fc.0.weight",
            "fc.10.weight",
        ];
        assert_eq!(names(&rows), expected);
        assert_eq!(rows[0].norms, [Some(2.0), Some(20.0)]);
        assert_eq!(rows[0].ratios, [Some(1.0), Some(10.0)]);
        assert_eq!((&rows[5].norms[1], rows[5].ratios[1]), (&Some(6.0), None));
        assert_eq!((rows[6].norms[1], rows[6].ratios[1]), (None, None));

        let all = layer_norms(&files, Branch::Online, Scope::All).unwrap();
        let expected = ["conv1.weight", "bn1.weight", "layer1.0.bn1.weight"];
        assert_eq!(names(&all)[..3], expected);
        assert_eq!(names(&all)[3], "layer1.0.bn1.bias");
    }

    #[test]
    fn networks_of_other_architectures_or_missing_ones_are_named() {
        let first = file("a", &[("conv1.weight", vec![2, 2], 1.0)]);
        let other = file("b", &[("conv1.weight", vec![4, 1], 1.0)]);
        let error = |files: &[&WeightFile], branch| {
            let error = layer_norms(files, branch, Scope::All).unwrap_err();
            error.to_string()
        };
        let message = error(&[&first, &other], Branch::Online);
        assert!(
            message.starts_with("b:") && message.contains("[4, 1]"),
            "{message}"
        );
        let more = file(
            "c",
            &[
                ("conv1.weight", vec![2, 2], 1.0),
                ("layer1.0.conv1.weight", vec![2, 2], 1.0),
            ],
        );
        let message = error(&[&first, &more], Branch::Online);
        assert!(
            message.starts_with("a:") && message.contains("layer1.0"),
            "{message}"
        );
        let message = error(&[&first], Branch::Target);
        assert!(message.contains("no target network"), "{message}");
        let nan = file("d", &[("conv1.weight", vec![2, 2], f32::NAN)]);
        assert!(error(&[&nan], Branch::Online).contains("not finite"));
    }
}
