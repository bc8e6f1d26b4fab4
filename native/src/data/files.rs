//! Images in files, read and decoded on demand.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parallax_data::source::{check, no_such};
use parallax_data::{Annotation, DataError, Source};
use parallax_views::Image;
use rayon::prelude::*;

use super::progress::{Progress, Unit};
use super::walk::{header, read};
use super::{OnBadImage, Opened, Skipped, bad};

/// With up to this many images every header is read at the start, so that a damaged file is found then and not hours later.
/// With more it would take too long.
const CHECK_UP_TO: usize = 50_000;

/// Decoded images are cached when all of them take at most this many bytes.
const CACHE_UP_TO: u64 = 1 << 30;

/// Images in files.
pub struct Files {
    name: String,
    classes: Vec<String>,
    files: Vec<PathBuf>,
    labels: Vec<u32>,
    full: usize,
    /// The line of each file in the list that names it; empty where there is no list.
    lines: Vec<usize>,
    /// The cache of decoded images; `None` where they are too large.
    cache: Option<Vec<OnceLock<Image>>>,
}

impl Files {
    /// Of files with their classes, without opening them.
    pub fn new(
        name: String,
        classes: Vec<String>,
        files: Vec<PathBuf>,
        labels: Vec<u32>,
    ) -> anyhow::Result<Self> {
        check(&name, files.len(), &labels, classes.len()).map_err(|e| bad(e.to_string()))?;
        Ok(Self {
            name,
            classes,
            full: files.len(),
            files,
            labels,
            lines: Vec::new(),
            cache: None,
        })
    }

    /// As named by the lines of a list, which was drawn from `full` images.
    pub fn of_list(self, lines: Vec<usize>, full: usize) -> Self {
        Self {
            lines,
            full,
            ..self
        }
    }

    /// The path of each image.
    pub fn paths(&self) -> &[PathBuf] {
        &self.files
    }

    /// Checks the images: their headers, if there are not too many, or with [`OnBadImage::Skip`] every image as a whole.
    pub fn checked(
        mut self,
        on_bad: OnBadImage,
        ignored: Option<String>,
        progress: &Progress,
    ) -> anyhow::Result<Opened> {
        let mut skipped = Vec::new();
        match on_bad {
            OnBadImage::Skip => skipped = self.drop_bad(progress)?,
            OnBadImage::Error => {
                self.check_listed()?;
                if self.files.len() <= CHECK_UP_TO {
                    self.check_headers()?;
                }
            }
        }
        Ok(Opened {
            source: Arc::new(self),
            skipped,
            ignored,
        })
    }

    /// Refuses a list that names a file that is not there.
    fn check_listed(&self) -> anyhow::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let missing = self.files.par_iter().map(|file| !file.is_file());
        let missing: Vec<bool> = missing.collect();
        let Some(index) = missing.iter().position(|&missing| missing) else {
            return Ok(());
        };
        let (name, line) = (&self.name, self.lines[index]);
        let file = self.files[index].display();
        Err(bad(format!(
            "{name} line {line}: there is no file {file}; paths are relative to the list's folder"
        )))
    }

    fn check_headers(&mut self) -> anyhow::Result<()> {
        // All are read before the first error is returned, so that it is always the same one.
        let found: Vec<_> = self.files.par_iter().map(|file| header(file)).collect();
        let mut sides = Vec::with_capacity(found.len());
        for (index, found) in found.into_iter().enumerate() {
            sides.push(found.map_err(|error| {
                let error = self.located(index, error);
                anyhow::anyhow!("{error} (`--on-bad-image skip` skips such images)")
            })?);
        }
        self.cache_if_small(&sides);
        Ok(())
    }

    /// With the list and the line that names the image.
    fn located(&self, index: usize, error: DataError) -> DataError {
        match self.lines.get(index) {
            Some(&line) => DataError::List {
                name: self.name.clone(),
                line,
                reason: error.to_string(),
            },
            None => error,
        }
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
        let mut kept = Vec::with_capacity(all);
        for (index, result) in found.into_iter().enumerate() {
            match result {
                Ok(found) => {
                    sides.push(found);
                    kept.push(index);
                }
                Err(error) => skipped.push(Skipped {
                    file: self.files[index].clone(),
                    reason: self.located(index, error).to_string(),
                }),
            }
        }
        self.files = kept
            .iter()
            .map(|&index| self.files[index].clone())
            .collect();
        self.labels = kept.iter().map(|&index| self.labels[index]).collect();
        if !self.lines.is_empty() {
            self.lines = kept.iter().map(|&index| self.lines[index]).collect();
        }
        self.full = self.full * self.files.len() / all;
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

impl Source for Files {
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
        let read = || read(file).map_err(|error| self.located(index, error));
        let Some(place) = self.cache.as_ref().and_then(|cache| cache.get(index)) else {
            return read().map(Cow::Owned);
        };
        if let Some(image) = place.get() {
            return Ok(Cow::Borrowed(image));
        }
        // Two threads may decode the same image at once; the first result is kept.
        let image = read()?;
        Ok(Cow::Borrowed(place.get_or_init(|| image)))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn full_len(&self) -> usize {
        self.full
    }
}
