//! The index of a folder, a shard or a parquet file: what opening it the first time has found, kept in the cache folder.
//!
//! An index is a JSON file named by a digest of what it describes. It is used only where what it describes has not changed,
//! which each kind of index checks, and else made again.

use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::data::cache;
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
    let digest: String = digest[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
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
