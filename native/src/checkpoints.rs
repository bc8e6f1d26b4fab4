//! The checkpoints of a run's folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use parallax_train::{Checkpoint, STATE_FILE, WEIGHTS_FILE};
use parallax_weights::WeightFile;

use crate::ranks;
use crate::usage::BadArgument;

/// The folder of a run's checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";

/// Steps and folders of a run's checkpoints, by step; none where there are none. Nothing is read.
pub fn list(run: &Path) -> Vec<(u64, PathBuf)> {
    let Ok(entries) = fs::read_dir(run.join(CHECKPOINTS)) else {
        return Vec::new();
    };
    let steps = entries.flatten().filter_map(|entry| {
        let name = entry.file_name();
        let step = name.to_str()?.strip_prefix("step-")?.parse().ok()?;
        Some((step, entry.path()))
    });
    let mut found: Vec<_> = steps.collect();
    found.sort_unstable();
    found
}

/// Reads the files of a checkpoint and verifies their checksums.
pub fn read(path: &Path, step: u64) -> Result<Checkpoint> {
    let bytes = |name: &str| {
        let file = path.join(name);
        fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))
    };
    let state = bytes(STATE_FILE)?;
    let mut files = Vec::new();
    for name in Checkpoint::listed(&state)? {
        files.push((name.clone(), bytes(&name)?));
    }
    files.push((STATE_FILE.to_string(), state));
    let checkpoint = Checkpoint { step, files };
    checkpoint.verify()?;
    Ok(checkpoint)
}

/// As [`read`]; a damaged one is named on standard error and left out.
pub fn read_undamaged(path: &Path, step: u64) -> Option<Checkpoint> {
    read(path, step)
        .inspect_err(|error| eprintln!("warning: {} is left out: {error:#}", path.display()))
        .ok()
}

/// The error of a run whose checkpoints are all damaged.
pub fn none_is_whole(run: &Path, found: usize) -> anyhow::Error {
    let folder = run.join(CHECKPOINTS);
    anyhow::anyhow!(
        "none of the {found} checkpoints in {} is whole",
        folder.display()
    )
}

/// Weights of a checkpoint.
pub struct Saved {
    /// Steps taken.
    pub step: u64,
    /// Passes over the training data.
    pub epoch: f64,
    /// Networks, with the run's recipe.
    pub weights: WeightFile,
}

/// Calls `visit` on each checkpoint of a run, in the order of steps, one in memory at a time. Damaged ones are named on
/// standard error and left out. Of several ranks the first reads them.
pub fn walk(run: &Path, mut visit: impl FnMut(Saved) -> Result<()>) -> Result<()> {
    let (ranks, found) = (ranks::here(), list(run));
    let steps = ranks::of_first(ranks, || {
        if found.is_empty() {
            let message = format!(
                "--every walks over the checkpoints of a run, and {} holds none: name a run's folder",
                run.display()
            );
            return Err(BadArgument(message).into());
        }
        let steps: Vec<u64> = found.iter().map(|(step, _)| *step).collect();
        Ok(serde_json::to_vec(&steps)?)
    })?;
    let steps: Vec<u64> = serde_json::from_slice(&steps)?;
    let mut whole = 0;
    for (number, &step) in steps.iter().enumerate() {
        let checkpoint =
            ranks::checkpoint_of_first(ranks, || Ok(read_undamaged(&found[number].1, step)))?;
        let Some(checkpoint) = checkpoint else {
            continue;
        };
        let folder = run.join(CHECKPOINTS).join(format!("step-{step}"));
        let name = folder.join(WEIGHTS_FILE).display().to_string();
        visit(Saved {
            step,
            epoch: checkpoint.epoch()?,
            weights: WeightFile::from_bytes(&name, checkpoint.file(WEIGHTS_FILE)?)?,
        })?;
        whole += 1;
    }
    if whole == 0 {
        bail!(none_is_whole(run, steps.len()));
    }
    Ok(())
}
