//! Folders of images in the ImageFolder layout: one sub-folder for each class.
//!
//! The list of a large folder is kept as an index, so that it opens at once the next time. Adding, removing or renaming a
//! file changes the time of its folder; an index is used only where no folder's time has changed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parallax_data::source::UNLABELLED;
use parallax_data::webdataset::IMAGES;
use serde::{Deserialize, Serialize};

use super::files::{Files, Found};
use super::store::held::Stamp;
use super::store::index;
use super::store::paths::Paths;
use super::walk::{collect_visiting, entries, extension};
use super::{bad, described};

/// The kind of index.
const KIND: &str = "folder";

/// The fewest images for which an index is kept: smaller folders are listed at once.
const INDEX_FROM: usize = 10_000;

/// A folder that has changed within this time may change again without its time changing: no index is kept yet.
const SETTLED: Duration = Duration::from_secs(2);

/// The list of a folder.
#[derive(Serialize, Deserialize)]
struct Index {
    /// Every folder with its time of change.
    folders: Vec<(PathBuf, u64)>,
    classes: Vec<String>,
    /// Number of images of each class.
    counts: Vec<usize>,
    /// The path of each image from the root, a line each.
    files: String,
    ignored: Option<String>,
}

/// The images of a folder, without opening them.
///
/// Classes are the sub-folders, sorted by name; the files of a class are sorted by path. Hidden files and folders are ignored.
/// A folder without sub-folders is one class, `unlabelled`.
pub fn open(root: &Path) -> anyhow::Result<Files> {
    open_indexed(root, INDEX_FROM, SETTLED)
}

/// Forgets the index of a folder.
pub fn forget(root: &Path) {
    index::forget(KIND, root);
}

fn open_indexed(root: &Path, least: usize, settled: Duration) -> anyhow::Result<Files> {
    if let Some(index) = index::load::<Index>(KIND, root)
        && index
            .folders
            .iter()
            .all(|(folder, changed)| Stamp::of(folder).is_ok_and(|stamp| stamp.changed == *changed))
    {
        let labels = index.counts.iter().zip(0u32..);
        let found = Found {
            store: Box::new(Paths::from_lines(root, &index.files)),
            labels: labels
                .flat_map(|(&count, class)| std::iter::repeat_n(class, count))
                .collect(),
            classes: index.classes,
            ignored: index.ignored,
        };
        return Files::new(root.display().to_string(), found);
    }
    let listed = Listed::of(root)?;
    if listed.labels.len() >= least {
        listed.keep(root, settled);
    }
    let ignored = described(&listed.ignored);
    let found = Found {
        store: Box::new(listed.paths),
        classes: listed.classes,
        labels: listed.labels,
        ignored,
    };
    Files::new(root.display().to_string(), found)
}

/// A folder, listed.
struct Listed {
    root: PathBuf,
    classes: Vec<String>,
    paths: Paths,
    labels: Vec<u32>,
    ignored: BTreeMap<String, usize>,
    folders: Vec<(PathBuf, u64)>,
}

impl Listed {
    fn of(root: &Path) -> anyhow::Result<Self> {
        let mut listed = Self {
            root: root.to_path_buf(),
            classes: Vec::new(),
            paths: Paths::from(root),
            labels: Vec::new(),
            ignored: BTreeMap::new(),
            folders: vec![stamped(root)],
        };
        let (mut folders, loose) = entries(root)?;
        folders.sort();
        if folders.is_empty() {
            listed.add_class(UNLABELLED.into(), loose);
        } else {
            loose
                .iter()
                .for_each(|_| listed.ignore("beside the class folders"));
        }
        for folder in folders {
            let mut files = Vec::new();
            // Times are read before the files, so that a change in between is noticed.
            let folders = &mut listed.folders;
            collect_visiting(&folder, &mut files, &mut |folder| {
                folders.push(stamped(folder))
            })?;
            let name = folder.file_name().unwrap_or_default();
            let name = name.to_string_lossy().into_owned();
            if listed.add_class(name, files) == 0 {
                let folder = folder.display();
                return Err(bad(format!(
                    "class folder {folder} has no JPEG, PNG or WebP images; add some or remove it"
                )));
            }
        }
        if listed.labels.is_empty() {
            return Err(bad(format!(
                "{} has no images; it needs one folder for each class, with JPEG, PNG or WebP files",
                root.display()
            )));
        }
        Ok(listed)
    }

    /// Adds the images among `files` as a class and returns their number.
    fn add_class(&mut self, name: String, mut files: Vec<PathBuf>) -> usize {
        files.sort();
        let before = self.labels.len();
        let class = self.classes.len() as u32;
        for file in files {
            match extension(&file) {
                Some(known) if IMAGES.contains(&known.as_str()) => {
                    let path = file.strip_prefix(&self.root).unwrap_or(&file);
                    self.paths.push(path);
                    self.labels.push(class);
                }
                Some(other) => self.ignore(&format!(".{other}")),
                None => self.ignore("without an extension"),
            }
        }
        self.classes.push(name);
        self.labels.len() - before
    }

    fn ignore(&mut self, kind: &str) {
        *self.ignored.entry(kind.to_string()).or_default() += 1;
    }

    /// Keeps the list as an index, unless a folder has just changed.
    fn keep(&self, root: &Path, settled: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let settled = now.unwrap_or_default().saturating_sub(settled).as_nanos() as u64;
        let whole = self
            .folders
            .iter()
            .all(|(_, changed)| (1..settled).contains(changed));
        let Some(files) = self.paths.to_lines().filter(|_| whole) else {
            return;
        };
        let mut counts = vec![0; self.classes.len()];
        self.labels
            .iter()
            .for_each(|&label| counts[label as usize] += 1);
        let index = Index {
            folders: self.folders.clone(),
            classes: self.classes.clone(),
            counts,
            files,
            ignored: described(&self.ignored),
        };
        index::keep(KIND, root, index);
    }
}

/// A folder with its time of change; 0 where the system does not say.
fn stamped(folder: &Path) -> (PathBuf, u64) {
    let changed = Stamp::of(folder).map_or(0, |stamp| stamp.changed);
    (folder.to_path_buf(), changed)
}

#[cfg(test)]
#[path = "folder_tests.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
