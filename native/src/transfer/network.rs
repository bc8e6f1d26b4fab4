//! Trained models from files.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use parallax_train::{RECIPE_FILE, WEIGHTS_FILE};
use parallax_transfer::{TransferModel, TransferRecipe, weights};
use parallax_weights::{Import, WeightFile};

use super::arguments::Given;
use super::{Kind, recipe};
use crate::checkpoints;
use crate::usage::BadArgument;
use crate::whole::read_given;

/// The file of a checkpoint with the names of the classes.
pub const CLASSES_FILE: &str = "classes.json";

/// A network for inference.
pub struct Network<M: TransferModel> {
    /// Without graph.
    pub model: M,
    /// What is not learned of it.
    pub plan: M::Plan,
    /// What it was built and trained by.
    pub recipe: TransferRecipe,
}

/// The weights of a model, with what is known of it.
pub struct Weights {
    /// The weight file.
    pub path: PathBuf,
    /// Its tensors.
    file: WeightFile,
    /// The recipe that it was trained by.
    pub recipe: TransferRecipe,
    /// Names of its classes, where they are known.
    pub classes: Option<Vec<String>>,
}

/// The weight file that an argument names: itself, that of a checkpoint's folder, or of a run's newest checkpoint.
pub fn weight_file(path: &Path) -> PathBuf {
    match path.is_dir() {
        true => checkpoints::list(path)
            .pop()
            .map_or_else(|| path.to_path_buf(), |(_, newest)| newest)
            .join(WEIGHTS_FILE),
        false => path.to_path_buf(),
    }
}

impl Weights {
    /// Reads what arguments name.
    pub fn read(given: &Given) -> Result<Self> {
        let path = weight_file(&given.weights);
        let name = path.display().to_string();
        let bytes = read_given(&path)?;
        let file = Import::read_bare(&name, &bytes)?;
        let beside = |name: &str| std::fs::read(path.with_file_name(name)).ok();
        let stored = beside(RECIPE_FILE).map(|text| String::from_utf8_lossy(&text).into_owned());
        let recipe = match (&given.recipe, stored) {
            (Some(name), _) => recipe::read(name, &given.overrides)?.0,
            (None, Some(text)) => TransferRecipe::parse(&text, &given.overrides)
                .with_context(|| format!("{RECIPE_FILE} beside {name}"))?,
            (None, None) => {
                let message = format!(
                    "{name} has no {RECIPE_FILE} beside it; name the model's recipe by --recipe, and by --set what differs from it"
                );
                return Err(BadArgument(message).into());
            }
        };
        let stored = beside(CLASSES_FILE).map(|text| serde_json::from_slice(&text));
        let classes = match (given.classes.is_empty(), stored) {
            (false, _) => Some(given.classes.clone()),
            (true, Some(read)) => {
                Some(read.with_context(|| format!("{CLASSES_FILE} beside {name}"))?)
            }
            (true, None) => None,
        };
        if let Some(classes) = &classes
            && classes.len() != recipe.model.classes
        {
            let message = format!(
                "{} names of classes for a model of {} (model.classes)",
                classes.len(),
                recipe.model.classes
            );
            return Err(BadArgument(message).into());
        }
        Ok(Self {
            path,
            file,
            recipe,
            classes,
        })
    }

    /// Refuses test images of another number of classes.
    pub fn check_classes(&self, test: &str, found: usize) -> Result<()> {
        let classes = self.recipe.model.classes;
        match found == classes {
            true => Ok(()),
            false => {
                let message = format!(
                    "{test} has {found} classes, the model {classes}; --classes names the model's, in its order"
                );
                Err(BadArgument(message).into())
            }
        }
    }

    /// The network on a device.
    pub fn network<K: Kind>(&self, device: &Device) -> Result<Network<K::Model>> {
        K::check(&self.recipe)?;
        let (model, plan) = K::model(&self.recipe, device)?;
        let model = weights::load_all(model, &self.file)?;
        Ok(Network {
            model,
            plan,
            recipe: self.recipe.clone(),
        })
    }
}
