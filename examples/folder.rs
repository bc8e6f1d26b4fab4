//! Reads a folder of images.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parallax_data::{Memory, Source, decode};

/// The images of `folder/CLASS/*`, decoded: a class for each folder within it, in the order of their names.
pub fn read(folder: &Path) -> Result<Arc<dyn Source>> {
    let (mut images, mut labels, mut classes) = (Vec::new(), Vec::new(), Vec::new());
    for class in entries(folder)?.iter().filter(|path| path.is_dir()) {
        for file in entries(class)? {
            images.push(decode(&fs::read(&file)?, &file.display().to_string())?);
            labels.push(classes.len() as u32);
        }
        classes.push(
            class
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
        );
    }
    Ok(Arc::new(Memory::new(
        folder.display().to_string(),
        images,
        labels,
        classes,
    )?))
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    paths.sort();
    Ok(paths)
}
