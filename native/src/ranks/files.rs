//! Paths and checkpoints on their way from rank 0 to the others, which may be on machines without them.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use parallax_ranks::Ranks;
use parallax_train::Checkpoint;
use serde::{Deserialize, Serialize};

use super::agree::of_first;

/// A path on its way to other ranks.
pub fn bytes_of(path: &Path) -> Result<Vec<u8>> {
    let text = path.to_str();
    let text = text.with_context(|| format!("{} is not UTF-8", path.display()))?;
    Ok(text.as_bytes().to_vec())
}

/// A path that came from another rank.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// The names and lengths of a checkpoint's files.
#[derive(Serialize, Deserialize)]
struct Contents {
    step: u64,
    files: Vec<(String, usize)>,
}

/// The checkpoint that rank 0 has, on every rank.
pub fn checkpoint_of_first(
    ranks: Ranks,
    read: impl FnOnce() -> Result<Option<Checkpoint>>,
) -> Result<Option<Checkpoint>> {
    if ranks.is_one() {
        return read();
    }
    let (mut contents, mut bytes) = (Vec::new(), Vec::new());
    let header = of_first(ranks, || {
        if let Some(found) = read()? {
            let files = found
                .files
                .iter()
                .map(|(name, bytes)| (name.clone(), bytes.len()));
            let step = found.step;
            contents = serde_json::to_vec(&Contents {
                step,
                files: files.collect(),
            })?;
            bytes = found
                .files
                .into_iter()
                .flat_map(|(_, bytes)| bytes)
                .collect();
        }
        Ok(std::mem::take(&mut contents))
    })?;
    if header.is_empty() {
        return Ok(None);
    }
    let Contents { step, files } = serde_json::from_slice(&header)?;
    let all = of_first(ranks, || Ok(std::mem::take(&mut bytes)))?;
    let mut rest = all.as_slice();
    let file = |(name, length): (String, usize)| {
        let (own, others) = rest.split_at(length.min(rest.len()));
        rest = others;
        (name, own.to_vec())
    };
    let files = files.into_iter().map(file).collect();
    Ok(Some(Checkpoint { step, files }))
}
