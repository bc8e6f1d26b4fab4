//! Weights of a model under detectron2's names: from a backbone of any layout, and from and to files of whole models.

use std::collections::BTreeMap;

use burn::module::Module;
use parallax_nets::names;
use parallax_weights::{
    Branch, Export, Import, NamedTensor, Names, WeightFile, WeightsError, collect, fill, load_as,
};

use crate::names::to_detectron2;

/// What was loaded into a model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Loaded {
    /// detectron2's names of the model's tensors that were in the file.
    pub taken: Vec<String>,
    /// Those that keep their initial values.
    pub fresh: Vec<String>,
    /// Names in the file that the model has no tensor for.
    pub unused: Vec<String>,
}

/// The tensors of a model under detectron2's names.
///
/// # Errors
/// When the device fails.
pub async fn tensors<M: Module>(model: &M) -> Result<Vec<NamedTensor>, WeightsError> {
    let tensors = collect(model, "").await?;
    let renamed = tensors.into_iter().map(|tensor| NamedTensor {
        name: to_detectron2(&tensor.name),
        ..tensor
    });
    Ok(renamed.collect())
}

/// Loads all tensors of a model from a file with detectron2's names.
///
/// # Errors
/// When one is missing or has another shape.
pub fn load_all<M: Module>(model: M, file: &WeightFile) -> Result<M, WeightsError> {
    load_as(model, file, to_detectron2)
}

/// Loads a pre-trained backbone, or a whole model, of any layout of `parallax_weights`: every tensor of the model takes the
/// one with the longest name that is a suffix of its own, as detectron2 does (methods.md 7.1). With several networks in the
/// file, that of `branch`.
///
/// # Errors
/// When the file is damaged, or a tensor of the backbone has another shape: the file is of another depth or width.
pub fn load_backbone<M: Module>(
    model: M,
    name: &str,
    bytes: &[u8],
    branch: Option<Branch>,
) -> Result<(M, Loaded), WeightsError> {
    let bare = Import::read_bare(name, bytes)?;
    let own = names::shapes(&model);
    let known = |file: &WeightFile| {
        let has = |(name, _): &&(String, Vec<usize>)| suffix(file, &to_detectron2(name)).is_some();
        own.iter().filter(has).count()
    };
    let renamed = Import::read(name, bytes)
        .and_then(|import| Export::of(import.file, Names::Detectron2, branch));
    let file = match renamed {
        Ok(export) if known(&export.file) >= known(&bare) => export.file,
        Err(error) if known(&bare) == 0 => return Err(error),
        _ => bare,
    };
    for (name, expected) in &own {
        let name = to_detectron2(name);
        // Heads of another number of classes start again; a backbone that does not fit is a mistake.
        let backbone = name.starts_with("backbone.") || name.starts_with("roi_heads.res5.");
        if let Some(found) = suffix(&file, &name)
            && backbone
            && &found.shape != expected
        {
            return Err(WeightsError::Shape {
                file: file.name.clone(),
                tensor: found.name.clone(),
                expected: expected.clone(),
                found: found.shape.clone(),
            });
        }
    }
    Ok(load_matching(model, &file))
}

/// The tensor with the longest name that `name` ends with, at a dot.
fn suffix<'a>(file: &'a WeightFile, name: &str) -> Option<&'a NamedTensor> {
    let mut rest = name;
    loop {
        if let Some(found) = file.tensors.get(rest) {
            return Some(found);
        }
        // A name of one part, `weight`, would fit anything.
        rest = rest.split_once('.')?.1;
        rest.split_once('.')?;
    }
}

fn load_matching<M: Module>(model: M, file: &WeightFile) -> (M, Loaded) {
    let mut loaded = Loaded::default();
    let mut matched: BTreeMap<String, &NamedTensor> = BTreeMap::new();
    let mut used = Vec::new();
    for (name, shape) in names::shapes(&model) {
        let there = to_detectron2(&name);
        match suffix(file, &there).filter(|found| found.shape == shape) {
            Some(found) => {
                used.push(found.name.clone());
                matched.insert(name, found);
                loaded.taken.push(there);
            }
            None => loaded.fresh.push(there),
        }
    }
    used.sort();
    let unused = file.tensors.keys();
    let unused = unused.filter(|name| used.binary_search(name).is_err());
    loaded.unused = unused.cloned().collect();
    let model = fill(model, |name| matched.get(name).copied());
    (model, loaded)
}
