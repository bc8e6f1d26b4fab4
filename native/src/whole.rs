//! Files that are whole or not there.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// Replaces a file in one step: written beside, synced, renamed. What was there stays if anything fails.
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
            // What was written is no use to anyone and may be what fills the disk.
            let _ = fs::remove_file(&partial);
        })
        .with_context(|| format!("{} cannot be written", path.display()))
}
