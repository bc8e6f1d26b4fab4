//! What was packed, so that an interrupted pack goes on.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::{Deserialize, Serialize};

use crate::data::{bad, walk};
use crate::whole::write_whole;

/// What was packed, and from what: beside the shards, so that an interrupted pack goes on.
pub const MANIFEST: &str = "pack.json";

/// What a pack is made of: another one does not go on with its shards.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct Made {
    pub source: String,
    pub split: Option<String>,
    pub images: usize,
    pub classes: usize,
    pub shard_size: u64,
    pub resize: Option<u32>,
    pub quality: Option<u8>,
    pub skip_bad_images: bool,
}

/// A finished shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Shard {
    pub file: String,
    /// The first image of the source in it, and the one after its last.
    pub images: (usize, usize),
    pub bytes: u64,
}

/// What a folder holds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Manifest {
    pub made: Made,
    pub shards: Vec<Shard>,
    /// Images that were left out because they cannot be read.
    pub skipped: Vec<String>,
    pub complete: bool,
}

/// The manifest of an interrupted pack, or a new one.
pub fn begin(out: &Path, made: Made) -> Result<Manifest> {
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let shown = out.display();
    let file = out.join(MANIFEST);
    if !file.exists() {
        let found = walk::entries(out)?.1;
        if found
            .iter()
            .any(|file| file.extension().is_some_and(|found| found == "tar"))
        {
            return Err(bad(format!(
                "{shown} holds shards of another origin; name an empty folder"
            )));
        }
        return Ok(Manifest {
            made,
            shards: Vec::new(),
            skipped: Vec::new(),
            complete: false,
        });
    }
    let text = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .with_context(|| format!("{} is damaged; name an empty folder", file.display()))?;
    if manifest.made != made {
        return Err(bad(format!(
            "{shown} holds shards of {} with other settings or another number of images; name an empty folder",
            manifest.made.source
        )));
    }
    for shard in &manifest.shards {
        let found = fs::metadata(out.join(&shard.file)).map(|found| found.len());
        if found.ok() != Some(shard.bytes) {
            bail!(
                "{shown}: {} has changed since it was written; name an empty folder",
                shard.file
            );
        }
    }
    Ok(manifest)
}

pub fn save(out: &Path, manifest: &Manifest) -> Result<()> {
    write_whole(&out.join(MANIFEST), &serde_json::to_vec_pretty(manifest)?)
}
