//! Encoded images, read and decoded on demand.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use parallax_data::source::{check, no_such};
use parallax_data::{Annotation, DataError, Source, decode};
use parallax_views::Image;
use rayon::prelude::*;

use super::progress::{Progress, Unit};
use super::store::{Store, header};
use super::{OnBadImage, Opened, Skipped, bad};

/// With up to this many images every header is read at the start, so that a damaged file is found then and not hours later.
/// With more it would take too long.
const CHECK_UP_TO: usize = 50_000;

/// Decoded images are cached when all of them take at most this many bytes.
const CACHE_UP_TO: u64 = 1 << 30;

/// What was found where a SRC leads to: encoded images with their classes.
pub struct Found {
    /// The images.
    pub store: Box<dyn Store>,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// A description of the files that are not images by their extension; `None` where there are none.
    pub ignored: Option<String>,
}

/// Encoded images with their classes.
pub struct Files {
    name: String,
    classes: Vec<String>,
    store: Box<dyn Store>,
    /// The place in the store of each image; `None` where all are in its order.
    places: Option<Vec<u32>>,
    labels: Vec<u32>,
    full: usize,
    /// The line of each file in the list that names it; empty where there is no list.
    lines: Vec<usize>,
    /// The cache of decoded images; `None` where they are too large.
    cache: Option<Vec<OnceLock<Image>>>,
    ignored: Option<String>,
}

impl Files {
    /// Of what was found, without opening an image.
    pub fn new(name: String, found: Found) -> anyhow::Result<Self> {
        let images = found.store.len();
        check(&name, images, &found.labels, found.classes.len()).map_err(|e| bad(e.to_string()))?;
        Ok(Self {
            name,
            classes: found.classes,
            full: images,
            store: found.store,
            places: None,
            labels: found.labels,
            lines: Vec::new(),
            cache: None,
            ignored: found.ignored,
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

    /// The path of each image; `None` where one has no file of its own.
    pub fn paths(&self) -> Option<Vec<PathBuf>> {
        let all = 0..self.len();
        all.map(|index| self.store.path(self.place(index)))
            .collect()
    }

    /// A description of the files that are not images by their extension; `None` where there are none.
    pub fn ignored(&self) -> Option<&str> {
        self.ignored.as_deref()
    }

    /// The name of an image within the source, without an extension.
    pub fn key(&self, index: usize) -> String {
        self.store.key(self.place(index))
    }

    /// The name of an image in messages.
    pub fn image_name(&self, index: usize) -> String {
        self.store.name(self.place(index))
    }

    /// The bytes of an image's file.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let bytes = self.store.bytes(self.place(index));
        bytes.map_err(|error| self.located(index, error))
    }

    /// The place of an image in the store.
    fn place(&self, index: usize) -> usize {
        match &self.places {
            Some(places) => places[index] as usize,
            None => index,
        }
    }

    fn decoded(&self, index: usize) -> Result<Image, DataError> {
        let bytes = self.bytes(index)?;
        decode(&bytes, &self.image_name(index)).map_err(|error| self.located(index, error))
    }

    /// Checks the images: their headers, if there are not too many, or with [`OnBadImage::Skip`] every image as a whole.
    pub fn checked(mut self, on_bad: OnBadImage, progress: &Progress) -> anyhow::Result<Opened> {
        let mut skipped = Vec::new();
        match on_bad {
            OnBadImage::Skip => skipped = self.drop_bad(progress)?,
            OnBadImage::Error => {
                self.check_listed()?;
                if self.len() <= CHECK_UP_TO {
                    self.check_headers()?;
                }
            }
        }
        Ok(Opened {
            skipped,
            ignored: self.ignored.clone(),
            source: Arc::new(self),
        })
    }

    /// Refuses a list that names a file that is not there.
    fn check_listed(&self) -> anyhow::Result<()> {
        if self.lines.is_empty() {
            return Ok(());
        }
        let files = self.paths().unwrap_or_default();
        let missing = files.par_iter().map(|file| !file.is_file());
        let missing: Vec<bool> = missing.collect();
        let Some(index) = missing.iter().position(|&missing| missing) else {
            return Ok(());
        };
        let (name, line) = (&self.name, self.lines[index]);
        let file = files[index].display();
        Err(bad(format!(
            "{name} line {line}: there is no file {file}; paths are relative to the list's folder"
        )))
    }

    fn check_headers(&mut self) -> anyhow::Result<()> {
        // All are read before the first error is returned, so that it is always the same one.
        let all = (0..self.len()).into_par_iter();
        let found: Vec<_> = all
            .map(|index| header(self.store.as_ref(), self.place(index)))
            .collect();
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
        let title = format!("Checking {}", self.name);
        let found = progress.map(&title, self.len(), Unit::Images, |index| {
            let decoded = self.decoded(index);
            decoded.map(|image| (image.width, image.height))
        });
        let all = self.len();
        let (mut skipped, mut sides) = (Vec::new(), Vec::new());
        let mut kept = Vec::with_capacity(all);
        for (index, result) in found.into_iter().enumerate() {
            match result {
                Ok(found) => {
                    sides.push(found);
                    kept.push(index);
                }
                Err(error) => skipped.push(Skipped {
                    image: self.image_name(index),
                    reason: error.to_string(),
                }),
            }
        }
        let places = kept.iter().map(|&index| self.place(index) as u32);
        self.places = Some(places.collect());
        self.labels = kept.iter().map(|&index| self.labels[index]).collect();
        if !self.lines.is_empty() {
            self.lines = kept.iter().map(|&index| self.lines[index]).collect();
        }
        self.full = self.full * self.len() / all;
        if let (true, Some(first)) = (self.len() < 2, skipped.first()) {
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
        self.labels.len()
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
        if index >= self.len() {
            return Err(no_such(self, index));
        }
        let Some(place) = self.cache.as_ref().and_then(|cache| cache.get(index)) else {
            return self.decoded(index).map(Cow::Owned);
        };
        if let Some(image) = place.get() {
            return Ok(Cow::Borrowed(image));
        }
        // Two threads may decode the same image at once; the first result is kept.
        let image = self.decoded(index)?;
        Ok(Cow::Borrowed(place.get_or_init(|| image)))
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn full_len(&self) -> usize {
        self.full
    }
}
