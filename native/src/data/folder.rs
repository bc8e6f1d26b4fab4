//! Folders of images in the ImageFolder layout: one sub-folder for each class.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use parallax_data::source::UNLABELLED;

use super::files::Files;
use super::progress::Progress;
use super::walk::{collect, entries, extension};
use super::{OnBadImage, Opened, bad};

/// The images of a folder.
pub struct Folder {
    classes: Vec<String>,
    files: Vec<PathBuf>,
    labels: Vec<u32>,
    ignored: BTreeMap<String, usize>,
}

impl Folder {
    /// Lists the images without opening them, with a description of the files that are not images by their extension. Classes
    /// are the sub-folders, sorted by name; the files of a class are sorted by path. Hidden files and folders are ignored. A
    /// folder without sub-folders is one class, `unlabelled`.
    pub fn list(root: &Path) -> anyhow::Result<(Files, Option<String>)> {
        let (mut folders, loose) = entries(root)?;
        folders.sort();
        let mut listed = Self {
            classes: Vec::new(),
            files: Vec::new(),
            labels: Vec::new(),
            ignored: BTreeMap::new(),
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
        let name = root.display().to_string();
        if listed.files.is_empty() {
            return Err(bad(format!(
                "{name} has no images; it needs one folder for each class, with JPEG, PNG or WebP files"
            )));
        }
        let ignored = listed.ignored();
        let files = Files::new(name, listed.classes, listed.files, listed.labels)?;
        Ok((files, ignored))
    }

    /// Lists and checks the images, see [`Files::checked`].
    pub fn open(root: &Path, on_bad: OnBadImage, progress: &Progress) -> anyhow::Result<Opened> {
        let (files, ignored) = Self::list(root)?;
        files.checked(on_bad, ignored, progress)
    }

    /// A description of the files that are not images by their extension; `None` where there are none.
    fn ignored(&self) -> Option<String> {
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
}

#[cfg(test)]
#[path = "folder_tests.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
