//! The encoder that is evaluated.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Result;
use burn::tensor::Device;
use parallax_nets::ResNet;
use parallax_train::{Recipe, STATE_FILE, encoder_from};
use parallax_weights::WeightFile;

use super::Evaluated;
use crate::checkpoints::{self, Saved};
use crate::{recipe, weights};

/// A backbone with the recipe that it was trained by.
pub struct Encoder {
    /// As it was named on the command line, or of a checkpoint.
    pub name: String,
    /// Without its head.
    pub network: ResNet,
    /// Of the run, or inferred.
    pub recipe: Recipe,
    /// Steps that it was trained for, where that is known.
    pub step: Option<u64>,
    /// Epochs that it was trained for, where that is known.
    pub epoch: Option<f64>,
    /// CRC-32 of its tensors, by which a resumed evaluation knows the encoder again.
    pub checksum: u32,
}

impl Encoder {
    /// The encoder that the arguments name.
    pub fn read(arguments: &Evaluated, device: &Device) -> Result<Self> {
        let path = &arguments.weights;
        let mut file = weights::read(path)?.file;
        if let (None, Some(name)) = (&file.recipe, &arguments.recipe) {
            file.recipe = Some(recipe::read(name, None, &[])?.to_toml()?);
        }
        let encoder = Self::of(path.display().to_string(), &file, arguments, device)?;
        let state = checkpoint_of(path).and_then(|folder| State::read(&folder));
        let batch = encoder.recipe.run.batch_size as f64;
        let epoch = |state: &State| state.step as f64 * batch / state.examples.max(1) as f64;
        Ok(Self {
            step: state.as_ref().map(|state| state.step),
            epoch: state.as_ref().map(epoch),
            ..encoder
        })
    }

    /// The encoder in a checkpoint of a run.
    pub fn saved(saved: &Saved, arguments: &Evaluated, device: &Device) -> Result<Self> {
        let path = format!("checkpoints/step-{}", saved.step);
        let name = arguments.weights.join(path).display().to_string();
        Ok(Self {
            step: Some(saved.step),
            epoch: Some(saved.epoch),
            ..Self::of(name, &saved.weights, arguments, device)?
        })
    }

    fn of(name: String, file: &WeightFile, arguments: &Evaluated, device: &Device) -> Result<Self> {
        let branch = parallax_weights::Branch::from(arguments.branch);
        let (network, mut recipe) = encoder_from(file, branch.prefix(), device)?;
        if let Some(size) = arguments.size {
            recipe.views.size = size;
        }
        let own = file.tensors.range(branch.prefix().to_string()..);
        let own = own.take_while(|(name, _)| name.starts_with(branch.prefix()));
        let mut checksum = crc32fast::Hasher::new();
        for (name, tensor) in own {
            checksum.update(name.as_bytes());
            for value in &tensor.values {
                checksum.update(&value.to_le_bytes());
            }
        }
        Ok(Self {
            name,
            network,
            recipe,
            step: None,
            epoch: None,
            checksum: checksum.finalize(),
        })
    }
}

/// The folder of the checkpoint that a path stands for, if it is one of Parallax.
fn checkpoint_of(path: &Path) -> Option<PathBuf> {
    if path.is_file() {
        return path.parent().map(Path::to_path_buf);
    }
    if path.join(STATE_FILE).is_file() {
        return Some(path.to_path_buf());
    }
    checkpoints::list(path).pop().map(|(_, folder)| folder)
}

/// What a checkpoint says of its run.
#[derive(serde::Deserialize)]
struct State {
    step: u64,
    examples: u64,
}

impl State {
    fn read(folder: &Path) -> Option<Self> {
        let bytes = fs::read(folder.join(STATE_FILE)).ok()?;
        serde_json::from_slice(&bytes).ok()
    }
}
