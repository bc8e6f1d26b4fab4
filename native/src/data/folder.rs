//! Folders of images in the ImageFolder layout: one sub-folder for each class.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use parallax_data::source::{UNLABELLED, check, no_such};
use parallax_data::{Annotation, DataError, Source};
use parallax_views::Image;
use rayon::prelude::*;

use super::progress::{Progress, Unit};
use super::walk::{collect, entries, extension, header, read};
use super::{OnBadImage, Opened, Skipped, bad};

/// With up to this many images every header is read at the start, so that a damaged file is found then and not hours later.
/// With more it would take too long.
const CHECK_UP_TO: usize = 50_000;

/// Decoded images are cached when all of them take at most this many bytes.
const CACHE_UP_TO: u64 = 1 << 30;

/// The images of a folder, read and decoded on demand.
pub struct Folder {
    name: String,
    classes: Vec<String>,
    files: Vec<PathBuf>,
    labels: Vec<u32>,
    ignored: BTreeMap<String, usize>,
    /// The cache of decoded images; `None` where they are too large.
    cache: Option<Vec<OnceLock<Image>>>,
}

impl Folder {
    /// Lists the images without opening them. Classes are the sub-folders, sorted by name; the files of a class are sorted by
    /// path. Hidden files and folders are ignored. A folder without sub-folders is one class, `unlabelled`.
    pub fn list(root: &Path) -> anyhow::Result<Self> {
        let (mut folders, loose) = entries(root)?;
        folders.sort();
        let mut listed = Self {
            name: root.display().to_string(),
            classes: Vec::new(),
            files: Vec::new(),
            labels: Vec::new(),
            ignored: BTreeMap::new(),
            cache: None,
        };
        if folders.is_empty() {
            listed.add_class(UNLABELLED.into(), loose);
        } else {
            loose
                .iter()
                .for_each(|_| listed.ignore("beside the class folders"));
        }
        for folder in folders {
            let mut files = Vec::new();
            collect(&folder, &mut files)?;
            let name = folder
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if listed.add_class(name, files) == 0 {
                let folder = folder.display();
                return Err(bad(format!(
                    "class folder {folder} has no JPEG, PNG or WebP images; add some or remove it"
                )));
            }
        }
        if listed.files.is_empty() {
            return Err(bad(format!(
                "{} has no images; it needs one folder for each class, with JPEG, PNG or WebP files",
                listed.name
            )));
        }
        check(
            &listed.name,
            listed.files.len(),
            &listed.labels,
            listed.classes.len(),
        )
        .map_err(|e| bad(e.to_string()))?;
        Ok(listed)
    }

    /// Lists and checks the images: their headers, if there are not too many, or with [`OnBadImage::Skip`] every image as a
    /// whole.
    pub fn open(root: &Path, on_bad: OnBadImage, progress: &Progress) -> anyhow::Result<Opened> {
        let mut folder = Self::list(root)?;
        let mut skipped = Vec::new();
        match on_bad {
            OnBadImage::Skip => skipped = folder.drop_bad(progress)?,
            OnBadImage::Error if folder.files.len() <= CHECK_UP_TO => {
                // All are read before the first error is returned, so that it is always the same one.
                let found: Vec<_> = folder.files.par_iter().map(|file| header(file)).collect();
                let sides = found
                    .into_iter()
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| {
                        anyhow::anyhow!("{error} (`--on-bad-image skip` skips such images)")
                    })?;
                folder.cache_if_small(&sides);
            }
            OnBadImage::Error => {}
        }
        let ignored = folder.ignored();
        Ok(Opened {
            source: std::sync::Arc::new(folder),
            skipped,
            ignored,
        })
    }

    /// A description of the files that are not images by their extension; `None` where there are none.
    pub fn ignored(&self) -> Option<String> {
        let count: usize = self.ignored.values().sum();
        let kinds = self.ignored.keys().cloned().collect::<Vec<_>>().join(", ");
        (count > 0).then(|| {
            format!(
                "{count} {} ({kinds})",
                if count == 1 { "file" } else { "files" }
            )
        })
    }

    /// Adds the images among `files` as a class and returns their number.
    fn add_class(&mut self, name: String, mut files: Vec<PathBuf>) -> usize {
        files.sort();
        let before = self.files.len();
        for file in files {
            match extension(&file) {
                Some(known) if ["jpg", "jpeg", "png", "webp"].contains(&known.as_str()) => {
                    self.files.push(file)
                }
                Some(other) => self.ignore(&format!(".{other}")),
                None => self.ignore("without an extension"),
            }
        }
        self.labels
            .resize(self.files.len(), self.classes.len() as u32);
        self.classes.push(name);
        self.files.len() - before
    }

    fn ignore(&mut self, kind: &str) {
        *self.ignored.entry(kind.to_string()).or_default() += 1;
    }

    /// Decodes every image and removes those that fail. Classes do not change, so labels keep their meaning.
    fn drop_bad(&mut self, progress: &Progress) -> anyhow::Result<Vec<Skipped>> {
        progress.start(
            &format!("Checking {}", self.name),
            self.files.len() as u64,
            Unit::Images,
        );
        let found: Vec<Result<(u32, u32), DataError>> = self
            .files
            .par_iter()
            .map(|file| {
                let sides = read(file).map(|image| (image.width, image.height));
                progress.step();
                sides
            })
            .collect();
        progress.clear();
        let all = self.files.len();
        let (mut skipped, mut sides) = (Vec::new(), Vec::new());
        let (files, labels) = (
            std::mem::take(&mut self.files),
            std::mem::take(&mut self.labels),
        );
        for ((file, label), result) in files.into_iter().zip(labels).zip(found) {
            match result {
                Ok(found) => {
                    sides.push(found);
                    self.files.push(file);
                    self.labels.push(label);
                }
                Err(error) => skipped.push(Skipped {
                    file,
                    reason: error.to_string(),
                }),
            }
        }
        if let (true, Some(first)) = (self.files.len() < 2, skipped.first()) {
            let (bad, name) = (skipped.len(), &self.name);
            anyhow::bail!(
                "{name}: {bad} of {all} images cannot be read, and too few are left. The first one: {}",
                first.reason
            );
        }
        self.cache_if_small(&sides);
        Ok(skipped)
    }

    fn cache_if_small(&mut self, sides: &[(u32, u32)]) {
        let bytes: u64 = sides
            .iter()
            .map(|&(w, h)| 3 * u64::from(w) * u64::from(h))
            .sum();
        self.cache =
            (bytes <= CACHE_UP_TO).then(|| sides.iter().map(|_| OnceLock::new()).collect());
    }
}

impl Source for Folder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn annotation(&self, index: usize) -> Result<Annotation, DataError> {
        let label = self.labels.get(index).copied();
        label
            .map(Annotation::Class)
            .ok_or_else(|| no_such(self, index))
    }

    fn image(&self, index: usize) -> Result<Cow<'_, Image>, DataError> {
        let file = self.files.get(index).ok_or_else(|| no_such(self, index))?;
        let Some(place) = self.cache.as_ref().and_then(|cache| cache.get(index)) else {
            return read(file).map(Cow::Owned);
        };
        if let Some(image) = place.get() {
            return Ok(Cow::Borrowed(image));
        }
        // Two threads may decode the same image at once; the first result is kept.
        let image = read(file)?;
        Ok(Cow::Borrowed(place.get_or_init(|| image)))
    }

    fn name(&self) -> &str {
        &self.name
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
