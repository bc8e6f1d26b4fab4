//! The index of a folder, a shard or a parquet file: what opening it the first time has found, kept in the cache folder.
//!
//! An index is a JSON file named by a digest of what it describes. It is used only where what it describes has not changed,
//! which each kind of index checks, and else made again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::held::Stamp;
use crate::data::progress::{Progress, Unit};
use crate::data::{cache, hex};
use crate::whole::write_whole;

/// Raised when an index of an older version means something else.
const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Kept<T> {
    version: u32,
    /// What is described, as a check of the digest.
    of: PathBuf,
    content: T,
}

/// The place of the index of `path`; `None` where there is no cache folder.
fn place(kind: &str, path: &Path) -> Option<(PathBuf, PathBuf)> {
    let of = fs::canonicalize(path).ok()?;
    let digest = Sha256::digest(of.as_os_str().as_encoded_bytes());
    let digest = hex(&digest[..16]);
    // Tests leave the user's indices alone.
    let folder = match cfg!(test) {
        true => std::env::temp_dir().join("parallax-test-index"),
        false => cache::folder().ok()?.join("index"),
    };
    Some((folder.join(format!("{kind}-{digest}.json")), of))
}

/// The index of `path`, where there is a usable one.
pub fn load<T: DeserializeOwned>(kind: &str, path: &Path) -> Option<T> {
    let (file, of) = place(kind, path)?;
    let kept: Kept<T> = serde_json::from_slice(&fs::read(file).ok()?).ok()?;
    (kept.version == VERSION && kept.of == of).then_some(kept.content)
}

/// Keeps an index. Nothing depends on it, so that a cache folder that cannot be written only costs time.
pub fn keep<T: Serialize>(kind: &str, path: &Path, content: T) {
    let Some((file, of)) = place(kind, path) else {
        return;
    };
    let kept = Kept {
        version: VERSION,
        of,
        content,
    };
    let folder = file.parent().unwrap_or(Path::new(""));
    let written = fs::create_dir_all(folder).map_err(anyhow::Error::from);
    let written = written
        .and_then(|()| Ok(serde_json::to_vec(&kept)?))
        .and_then(|text| write_whole(&file, &text));
    if let Err(error) = written {
        eprintln!(
            "note: the index of {} is not kept: {error:#}",
            path.display()
        );
    }
}

/// Forgets the index of `path`.
pub fn forget(kind: &str, path: &Path) {
    if let Some((file, _)) = place(kind, path) {
        // That there is none is the usual case.
        let _ = fs::remove_file(file);
    }
}

/// What is kept of a file, for as long as the file does not change.
pub trait Stamped: Serialize + DeserializeOwned + Send {
    /// The kind of index.
    const KIND: &str;

    /// The file when it was indexed.
    fn stamp(&self) -> Stamp;

    /// Reads a file.
    fn scan(path: &Path, stamp: Stamp) -> Result<Self>;
}

/// The indices of files, in their order: the kept ones, where a file has its size and time of change, else new ones.
pub fn of_files<T: Stamped>(files: &[PathBuf], name: &str, progress: &Progress) -> Result<Vec<T>> {
    let title = format!("Indexing {name}");
    let found = progress.map(&title, files.len(), Unit::Shards, |at| of_file(&files[at]));
    found.into_iter().collect()
}

fn of_file<T: Stamped>(path: &Path) -> Result<T> {
    let shown = path.display();
    let stamp = Stamp::of(path).with_context(|| format!("{shown}: cannot be read"))?;
    let kept = load::<T>(T::KIND, path);
    if let Some(kept) = kept.filter(|kept| kept.stamp() == stamp) {
        return Ok(kept);
    }
    let new = T::scan(path, stamp)?;
    keep(T::KIND, path, &new);
    Ok(new)
}

/// Forgets the indices of files.
pub fn forget_files<T: Stamped>(files: &[PathBuf]) {
    files.iter().for_each(|file| forget(T::KIND, file));
}
