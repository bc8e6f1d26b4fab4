//! Checkpoints: a run as files, and resuming from them.

use std::collections::BTreeMap;

use burn::tensor::Device;
use parallax_ranks::Ranks;
use parallax_weights::{NamedTensor, ONLINE, TARGET, WeightFile, collect, load};
use serde::{Deserialize, Serialize};

use crate::classifier::{read, upload};
use crate::data_shape::DataShape;
use crate::error::RunError;
use crate::recipe::Recipe;
use crate::run::Run;

/// Both networks and the queue under PyTorch's names, for other tools, too.
pub const WEIGHTS_FILE: &str = "weights.safetensors";
/// The optimiser's momentum buffers and the online classifier.
pub const TRAINING_FILE: &str = "training.safetensors";
/// Step index, size of the data, and sizes and checksums of the other files.
pub const STATE_FILE: &str = "state.json";
/// The recipe.
pub const RECIPE_FILE: &str = "recipe.toml";

const QUEUE: &str = "queue";
const QUEUE_POINTER: &str = "queue_ptr";

/// Everything that a run needs to continue with the same bits as if it had never stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Steps taken.
    pub step: u64,
    /// Names and contents of the files.
    pub files: Vec<(String, Vec<u8>)>,
}

#[derive(Serialize, Deserialize)]
struct State {
    /// Version of this layout.
    format: u32,
    /// Version of Parallax that wrote it.
    version: String,
    step: u64,
    /// Training examples: the order of the data depends on them.
    examples: usize,
    /// Classes of their labels.
    classes: usize,
    /// Examples before classes or images were left out. Files of older versions do not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    full_examples: Option<usize>,
    files: BTreeMap<String, Sum>,
}

#[derive(Serialize, Deserialize, PartialEq, Eq)]
struct Sum {
    bytes: u64,
    crc32: u32,
}

impl Sum {
    fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len() as u64,
            crc32: crc32fast::hash(bytes),
        }
    }
}

const FORMAT: u32 = 2;

fn broken(file: &str, reason: impl Into<String>) -> RunError {
    RunError::Checkpoint {
        file: file.to_string(),
        reason: reason.into(),
    }
}

impl Checkpoint {
    /// The content of one file.
    ///
    /// # Errors
    /// When the checkpoint has no such file.
    pub fn file(&self, name: &str) -> Result<&[u8], RunError> {
        let found = self.files.iter().find(|(other, _)| other == name);
        let missing = || broken(name, "the file is missing: the checkpoint is incomplete");
        found.map(|(_, bytes)| bytes.as_slice()).ok_or_else(missing)
    }

    /// From the files of a run that has taken `step` steps on data of this shape; adds [`STATE_FILE`].
    ///
    /// # Errors
    /// When the state cannot be written as JSON.
    pub fn new(
        step: u64,
        data: DataShape,
        mut files: Vec<(String, Vec<u8>)>,
    ) -> Result<Self, RunError> {
        let sums = files
            .iter()
            .map(|(name, bytes)| (name.clone(), Sum::of(bytes)))
            .collect();
        let state = State {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_string(),
            step,
            examples: data.examples,
            classes: data.classes,
            full_examples: Some(data.full_examples),
            files: sums,
        };
        let state = serde_json::to_vec_pretty(&state)
            .map_err(|error| broken(STATE_FILE, error.to_string()))?;
        files.push((STATE_FILE.to_string(), state));
        Ok(Self { step, files })
    }

    /// Names of the files that a [`STATE_FILE`] lists, itself apart.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn listed(state: &[u8]) -> Result<Vec<String>, RunError> {
        let state: State = serde_json::from_slice(state)
            .map_err(|error| broken(STATE_FILE, format!("not readable ({error})")))?;
        Ok(state.files.into_keys().collect())
    }

    /// Checks that the checkpoint is whole and was made with data of this shape. Returns the steps taken.
    ///
    /// # Errors
    /// When a file is damaged, or the data have another number of examples or classes, or are part of another number.
    pub fn is_of(&self, data: DataShape) -> Result<u64, RunError> {
        let state = self.state()?;
        if (state.examples, state.classes) != (data.examples, data.classes) {
            let reason = format!(
                "the run was trained on {} images of {} classes, the data now has {} of {}; \
                 use the same data, or start a new run",
                state.examples, state.classes, data.examples, data.classes
            );
            return Err(broken(STATE_FILE, reason));
        }
        let full = state.full_examples.unwrap_or(data.full_examples);
        if full != data.full_examples {
            let reason = format!(
                "the run was trained on part of {full} images, the data now is part of {}; use the same data, or start \
                 a new run",
                data.full_examples
            );
            return Err(broken(STATE_FILE, reason));
        }
        Ok(state.step)
    }

    /// Verifies sizes and checksums.
    ///
    /// # Errors
    /// When a file is missing, cut off or changed.
    pub fn verify(&self) -> Result<(), RunError> {
        self.state().map(|_| ())
    }

    /// Passes over the training data so far.
    ///
    /// # Errors
    /// When a file is missing, cut off or changed.
    pub fn epoch(&self) -> Result<f64, RunError> {
        let examples = self.state()?.examples.max(1);
        let recipe = String::from_utf8_lossy(self.file(RECIPE_FILE)?);
        let batch = Recipe::parse(&recipe, &[])?.run.batch_size;
        Ok(self.step as f64 * batch as f64 / examples as f64)
    }

    fn state(&self) -> Result<State, RunError> {
        let state: State = serde_json::from_slice(self.file(STATE_FILE)?)
            .map_err(|error| broken(STATE_FILE, format!("not readable ({error})")))?;
        if state.format != FORMAT {
            let reason = format!(
                "written in format {}, this version reads {FORMAT}",
                state.format
            );
            return Err(broken(STATE_FILE, reason));
        }
        for (name, expected) in &state.files {
            let found = Sum::of(self.file(name)?);
            if found != *expected {
                let reason = format!(
                    "the file is damaged: {} bytes with checksum {:08x} instead of {} with {:08x}",
                    found.bytes, found.crc32, expected.bytes, expected.crc32
                );
                return Err(broken(name, reason));
            }
        }
        Ok(state)
    }
}

impl Run {
    /// Copies the run from its device, and checks that it is the same on every rank; all of them call it.
    ///
    /// # Errors
    /// When the device fails, or the state of a rank differs.
    pub async fn checkpoint(&self) -> Result<Checkpoint, RunError> {
        let checkpoint = self.own_checkpoint().await?;
        let state = checkpoint.file(STATE_FILE)?;
        match self.ranks.first_difference(state)? {
            Some(rank) => Err(RunError::Differs {
                rank,
                step: self.step,
            }),
            None => Ok(checkpoint),
        }
    }

    /// Copies the run from its device, whatever other ranks do.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn own_checkpoint(&self) -> Result<Checkpoint, RunError> {
        let recipe = self.recipe.to_toml()?;
        let parts = self.method.parts();
        let mut tensors = collect(parts.online, ONLINE).await?;
        if let Some(target) = parts.target {
            tensors.extend(collect(target, TARGET).await?);
        }
        if let Some(queue) = parts.queue {
            tensors.push(read(QUEUE, queue.keys.clone()).await?);
            tensors.push(NamedTensor::counter(QUEUE_POINTER, queue.pointer));
        }
        let weights = WeightFile::new(WEIGHTS_FILE, tensors).with_recipe(&recipe);

        let mut velocity = self.optimizer.tensors().await?;
        if let Some(classifier) = &self.classifier {
            velocity.extend(classifier.tensors().await?);
        }
        let training = WeightFile::new(TRAINING_FILE, velocity);

        let files = vec![
            (WEIGHTS_FILE.to_string(), weights.to_bytes()?),
            (TRAINING_FILE.to_string(), training.to_bytes()?),
            (RECIPE_FILE.to_string(), recipe.into_bytes()),
        ];
        Checkpoint::new(self.step, self.data, files)
    }

    /// Resumes from a checkpoint, on any device.
    ///
    /// # Errors
    /// When the checkpoint is damaged, or was made with another number of examples or classes.
    pub fn resume(
        checkpoint: &Checkpoint,
        data: DataShape,
        device: &Device,
    ) -> Result<Self, RunError> {
        Self::resume_on(checkpoint, data, device, Ranks::ONE)
    }

    /// The same on one rank of several.
    ///
    /// # Errors
    /// As [`Run::resume`] and [`Run::on`].
    pub fn resume_on(
        checkpoint: &Checkpoint,
        data: DataShape,
        device: &Device,
        ranks: Ranks,
    ) -> Result<Self, RunError> {
        let step = checkpoint.is_of(data)?;
        let recipe = String::from_utf8_lossy(checkpoint.file(RECIPE_FILE)?).into_owned();
        let mut run = Run::on(Recipe::parse(&recipe, &[])?, data, device, ranks)?;
        run.step = step;

        let weights = WeightFile::from_bytes(WEIGHTS_FILE, checkpoint.file(WEIGHTS_FILE)?)?;
        let parts = run.method.parts_mut();
        *parts.online = load(parts.online.clone(), ONLINE, &weights)?.0;
        if let Some(target) = parts.target {
            *target = load(target.clone(), TARGET, &weights)?.0;
        }
        if let Some(queue) = parts.queue {
            let lacks = |name: &str| broken(WEIGHTS_FILE, format!("tensor '{name}' is missing"));
            let keys = weights.tensors.get(QUEUE).ok_or_else(|| lacks(QUEUE))?;
            let pointer = weights
                .tensors
                .get(QUEUE_POINTER)
                .ok_or_else(|| lacks(QUEUE_POINTER))?;
            if keys.shape != queue.keys.dims() {
                return Err(broken(
                    WEIGHTS_FILE,
                    "the queue has another size than the recipe says",
                ));
            }
            queue.keys = upload(keys, queue.keys.dims(), device);
            queue.pointer = pointer.values.first().map_or(0, |value| *value as usize);
        }

        let training = WeightFile::from_bytes(TRAINING_FILE, checkpoint.file(TRAINING_FILE)?)?;
        run.optimizer.load(&training, device);
        if let Some(classifier) = &mut run.classifier {
            classifier.load(&training)?;
        }
        Ok(run)
    }
}
