//! Traversal of folders, and reading of the images in them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use parallax_data::decode::{decode, dimensions};
use parallax_data::{DataError, decode_upright, upright_dimensions};
use parallax_views::Image;

/// Maximum depth of folders inside a class folder, which also ends cycles of links.
const DEPTH: usize = 8;

/// Bytes of a file that are enough to find the size of most images.
const HEADER: u64 = 64 << 10;

/// The extension of a file name in lower case.
pub fn extension(file: &Path) -> Option<String> {
    file.extension()
        .map(|extension| extension.to_string_lossy().to_ascii_lowercase())
}

/// The folders and the files in a folder, without hidden ones. Links are followed.
pub fn entries(folder: &Path) -> anyhow::Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let unreadable =
        |error: std::io::Error| anyhow::anyhow!("{}: cannot be listed: {error}", folder.display());
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        if entry.file_name().to_string_lossy().starts_with('.') {
            continue;
        }
        // A broken link counts as a file, so that reading it reports the error.
        let path = entry.path();
        if path.is_dir() {
            folders.push(path)
        } else {
            files.push(path)
        }
    }
    Ok((folders, files))
}

/// The files in a folder and its sub-folders.
pub fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    descend(folder, DEPTH, into)
}

fn descend(folder: &Path, depth: usize, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let (folders, files) = entries(folder)?;
    into.extend(files);
    if depth > 0 {
        folders
            .iter()
            .try_for_each(|folder| descend(folder, depth - 1, into))?;
    }
    Ok(())
}

/// Reads and decodes an image.
pub fn read(file: &Path) -> Result<Image, DataError> {
    read_with(file, decode)
}

/// The same, turned as its EXIF orientation says.
pub fn read_upright(file: &Path) -> Result<Image, DataError> {
    read_with(file, decode_upright)
}

fn read_with(
    file: &Path,
    decode: impl Fn(&[u8], &str) -> Result<Image, DataError>,
) -> Result<Image, DataError> {
    let name = file.display().to_string();
    match std::fs::read(file) {
        Ok(bytes) => decode(&bytes, &name),
        Err(error) => Err(DataError::Read {
            name,
            reason: error.to_string(),
        }),
    }
}

/// The size of an image, from its header. Where the first bytes do not suffice, as in a JPEG file that begins with a large
/// preview, the whole file is read.
pub fn header(file: &Path) -> Result<(u32, u32), DataError> {
    header_with(file, dimensions)
}

/// The same, of the turned image.
pub fn upright_header(file: &Path) -> Result<(u32, u32), DataError> {
    header_with(file, upright_dimensions)
}

fn header_with(
    file: &Path,
    dimensions: impl Fn(&[u8], &str) -> Result<(u32, u32), DataError>,
) -> Result<(u32, u32), DataError> {
    let name = file.display().to_string();
    let failed = |error: std::io::Error| DataError::Read {
        name: name.clone(),
        reason: error.to_string(),
    };
    let mut start = Vec::new();
    File::open(file)
        .map_err(failed)?
        .take(HEADER)
        .read_to_end(&mut start)
        .map_err(failed)?;
    match dimensions(&start, &name) {
        Err(DataError::Decode { .. }) if start.len() as u64 == HEADER => {
            dimensions(&std::fs::read(file).map_err(failed)?, &name)
        }
        other => other,
    }
}
