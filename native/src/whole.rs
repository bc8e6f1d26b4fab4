//! Whole files: reading those that arguments name, and atomic writes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::usage::BadArgument;

/// Reads a file that an argument names: that there is none is an error of the arguments.
pub fn read_given(path: &Path) -> Result<Vec<u8>> {
    if !path.exists() {
        return Err(BadArgument(format!("{} does not exist", path.display())).into());
    }
    fs::read(path).with_context(|| format!("{} cannot be read", path.display()))
}

/// Replaces a file atomically: written to a temporary file, synced, renamed. The old file stays if anything fails.
pub fn write_whole(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".partial");
    let partial = path.with_file_name(name);
    let write = || -> io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write()
        .inspect_err(|_| {
            // A partial file is of no use, and may be what fills the disk.
            let _ = fs::remove_file(&partial);
        })
        .with_context(|| format!("{} cannot be written", path.display()))
}
