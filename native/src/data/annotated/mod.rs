//! Images with boxes, polygons or label maps in folders: the layouts of VOC, COCO and Cityscapes.

mod detection;
mod segmentation;
mod spec;
mod summary;

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::bad;
use super::walk::upright_header;

pub use detection::{DetectionFolder, Purpose, Truth, voc_annotations};
pub use segmentation::SegmentationFolder;
pub use spec::{ACCEPTED, AnnotatedSpec};
pub use summary::{Summary, is_annotated};

/// With up to this many images the header of each is read at the start, so that a missing or damaged file is found then and
/// not hours later. With more it would take too long.
const CHECK_UP_TO: usize = 50_000;

/// Width and height of images, from their headers. `None` for those whose size is known otherwise, which must only exist.
///
/// All are looked at before the first error is returned, so that it is always the same one.
fn sizes(files: &[(PathBuf, Option<(u32, u32)>)]) -> anyhow::Result<Vec<(u32, u32)>> {
    let every = files.len() <= CHECK_UP_TO;
    let found: Vec<_> = files
        .par_iter()
        .map(|(file, known)| match known {
            Some(size) if !every && file.is_file() => Ok(*size),
            _ => upright_header(file).map(|size| (size.0, size.1)),
        })
        .collect();
    found
        .into_iter()
        .map(|size| size.map_err(anyhow::Error::from))
        .collect()
}

/// A folder of a data set, or an error of the arguments that says what is needed.
fn folder(path: PathBuf, needed: &str) -> anyhow::Result<PathBuf> {
    match path.is_dir() {
        true => Ok(path),
        false => Err(bad(format!(
            "there is no folder {}; {needed}",
            path.display()
        ))),
    }
}

/// What the splits of a data set are called: the names of the entries of a folder, without the ending.
fn splits(folder: &Path, ending: &str) -> String {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return "none".to_string();
    };
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.strip_suffix(ending).map(str::to_string)
        })
        .collect();
    names.sort();
    names.join(", ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
