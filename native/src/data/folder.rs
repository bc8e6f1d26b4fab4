//! A folder of images: one folder for each class (the layout that is known as ImageFolder).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use parallax_data::source::{UNLABELLED, check, no_such};
use parallax_data::{DataError, Source};
use parallax_views::Image;
use rayon::prelude::*;

use super::progress::{Progress, Unit};
use super::walk::{collect, ending, entries, header, read};
use super::{OnBadImage, Opened, Skipped, bad};

/// Folders of up to this many images have every header read before the start, so that a broken file shows
/// then and not hours later. Above it that would hold up the start for too long.
const CHECK_UP_TO: usize = 50_000;

/// Images are kept in memory once decoded when all of them together take at most this many bytes.
const KEEP_UP_TO: u64 = 1 << 30;

/// The images of a folder, read and decoded when they are asked for.
pub struct Folder {
    name: String,
    classes: Vec<String>,
    files: Vec<PathBuf>,
    labels: Vec<u32>,
    ignored: BTreeMap<String, usize>,
    /// A place for each decoded image; `None` where they are not kept.
    kept: Option<Vec<OnceLock<Image>>>,
}

impl Folder {
    /// Lists the images without opening one. Classes are the sub-folders in the order of their names, the files of
    /// a class are in the order of their paths; hidden ones do not count. A folder of images without any
    /// sub-folder is one class, `unlabelled`.
    pub fn list(root: &Path) -> anyhow::Result<Self> {
        let (mut folders, loose) = entries(root)?;
        folders.sort();
        let mut listed = Self {
            name: root.display().to_string(),
            classes: Vec::new(),
            files: Vec::new(),
            labels: Vec::new(),
            ignored: BTreeMap::new(),
            kept: None,
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
                    "class folder {folder} holds no JPEG, PNG or WebP image; fill or remove it"
                )));
            }
        }
        if listed.files.is_empty() {
            return Err(bad(format!(
                "{} holds no images; put one folder for each class into it, with JPEG, PNG or WebP files",
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

    /// Lists the images and checks them: their headers, if there are not too many, or with [`OnBadImage::Skip`]
    /// every image as a whole.
    pub fn open(root: &Path, on_bad: OnBadImage, progress: &Progress) -> anyhow::Result<Opened> {
        let mut folder = Self::list(root)?;
        let mut skipped = Vec::new();
        match on_bad {
            OnBadImage::Skip => skipped = folder.drop_bad(progress)?,
            OnBadImage::Error if folder.files.len() <= CHECK_UP_TO => {
                // All are read before the first error is taken, so that it is the same one every time.
                let found: Vec<_> = folder.files.par_iter().map(|file| header(file)).collect();
                let sides = found
                    .into_iter()
                    .collect::<Result<Vec<_>, _>>()
                    .map_err(|error| {
                        anyhow::anyhow!("{error} (`--on-bad-image skip` leaves such images out)")
                    })?;
                folder.keep_if_small(&sides);
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

    /// The files that are not taken for images, in words; `None` where there are none.
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

    /// Adds the images among `files` as a class and returns how many they are.
    fn add_class(&mut self, name: String, mut files: Vec<PathBuf>) -> usize {
        files.sort();
        let before = self.files.len();
        for file in files {
            match ending(&file) {
                Some(ending) if ["jpg", "jpeg", "png", "webp"].contains(&ending.as_str()) => {
                    self.files.push(file)
                }
                Some(ending) => self.ignore(&format!(".{ending}")),
                None => self.ignore("without an ending"),
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

    /// Decodes every image and leaves out the ones that fail. Classes stay as they are, so labels keep their meaning.
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
                "{name}: {bad} of {all} images cannot be read, too few are left. The first: {}",
                first.reason
            );
        }
        self.keep_if_small(&sides);
        Ok(skipped)
    }

    fn keep_if_small(&mut self, sides: &[(u32, u32)]) {
        let bytes: u64 = sides
            .iter()
            .map(|&(w, h)| 3 * u64::from(w) * u64::from(h))
            .sum();
        self.kept = (bytes <= KEEP_UP_TO).then(|| sides.iter().map(|_| OnceLock::new()).collect());
    }
}

impl Source for Folder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn label(&self, index: usize) -> u32 {
        self.labels.get(index).copied().unwrap_or(u32::MAX)
    }

    fn image(&self, index: usize) -> Result<Cow<'_, Image>, DataError> {
        let file = self.files.get(index).ok_or_else(|| no_such(self, index))?;
        let Some(place) = self.kept.as_ref().and_then(|kept| kept.get(index)) else {
            return read(file).map(Cow::Owned);
        };
        if let Some(image) = place.get() {
            return Ok(Cow::Borrowed(image));
        }
        // Two threads may both decode an image here; the first one's is kept and both are the same.
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
