//! Traversal of folders, and reading of the images in them.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

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
        // A broken link counts as a file, so that reading it reports the error. Only links take a second look.
        let path = entry.path();
        let is_folder = match entry.file_type() {
            Ok(kind) if !kind.is_symlink() => kind.is_dir(),
            _ => path.is_dir(),
        };
        if is_folder {
            folders.push(path)
        } else {
            files.push(path)
        }
    }
    Ok((folders, files))
}

/// The files in a folder and its sub-folders.
pub fn collect(folder: &Path, into: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    collect_visiting(folder, into, &mut |_| ())
}

/// The files in a folder and its sub-folders; `visit` is called with every folder before it is listed.
pub fn collect_visiting(
    folder: &Path,
    into: &mut Vec<PathBuf>,
    visit: &mut dyn FnMut(&Path),
) -> anyhow::Result<()> {
    descend(folder, DEPTH, into, visit)
}

fn descend(
    folder: &Path,
    depth: usize,
    into: &mut Vec<PathBuf>,
    visit: &mut dyn FnMut(&Path),
) -> anyhow::Result<()> {
    visit(folder);
    let (folders, files) = entries(folder)?;
    into.extend(files);
    if depth > 0 {
        folders
            .iter()
            .try_for_each(|folder| descend(folder, depth - 1, into, visit))?;
    }
    Ok(())
}

/// Reads and decodes an image, turned as its EXIF orientation says.
pub fn read_upright(file: &Path) -> Result<Image, DataError> {
    let name = file.display().to_string();
    match std::fs::read(file) {
        Ok(bytes) => decode_upright(&bytes, &name),
        Err(error) => Err(DataError::Read {
            name,
            reason: error.to_string(),
        }),
    }
}

/// The size of the turned image, from its header. Where the first bytes do not suffice, as in a JPEG file that begins with a
/// large preview, the whole file is read.
pub fn upright_header(file: &Path) -> Result<(u32, u32), DataError> {
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
    match upright_dimensions(&start, &name) {
        Err(DataError::Decode { .. }) if start.len() as u64 == HEADER => {
            upright_dimensions(&std::fs::read(file).map_err(failed)?, &name)
        }
        other => other,
    }
}
