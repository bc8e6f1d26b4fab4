//! Labels of sources in several files: collected as they are written in each file, then numbered together.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use parallax_data::source::UNLABELLED;
use parallax_data::webdataset::{Labelled, number};
use serde::{Deserialize, Serialize};

/// The file beside shards with the name of each class, a line each, in the order of their numbers.
pub const NAMES: &str = "classes.txt";

/// The label of an image without one.
pub const NONE: u32 = u32::MAX;

/// The labels of one file's images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The distinct labels as they are written, in the order in which they come.
    pub written: Vec<String>,
    /// For each image an index of `written`, or [`NONE`].
    pub labels: Vec<u32>,
    /// The place in `written` of each label.
    #[serde(skip)]
    known: HashMap<String, u32>,
}

impl Part {
    /// Adds the label of the next image.
    pub fn push(&mut self, label: Option<&str>) {
        let Some(label) = label else {
            return self.labels.push(NONE);
        };
        let place = match self.known.get(label) {
            Some(&place) => place,
            None => {
                let place = self.written.len() as u32;
                self.written.push(label.to_string());
                self.known.insert(label.to_string(), place);
                place
            }
        };
        self.labels.push(place);
    }
}

/// Numbers the labels of all files. Without any label all images are of one class, `unlabelled`.
pub fn joined<'a>(
    parts: impl Iterator<Item = (&'a PathBuf, &'a Part)> + Clone,
    names: Option<Vec<String>>,
) -> Result<Labelled> {
    let with = |found: bool| {
        let mut parts = parts.clone();
        parts.find_map(|(file, part)| {
            let place = part
                .labels
                .iter()
                .position(|&label| (label != NONE) == found);
            place.map(|place| (file, place))
        })
    };
    if let Some((file, place)) = with(false) {
        if let Some((other, _)) = with(true) {
            return Err(anyhow!(
                "{}: image {place} has no label, but images of {} have one; all need one, or none",
                file.display(),
                other.display()
            ));
        }
        let images = parts.map(|(_, part)| part.labels.len()).sum();
        return Ok(Labelled {
            classes: vec![UNLABELLED.to_string()],
            labels: vec![0; images],
        });
    }
    let (mut written, mut known) = (Vec::new(), HashMap::new());
    let mut samples = Vec::new();
    for (_, part) in parts.clone() {
        let own = part.written.iter().map(|label| {
            *known.entry(label.clone()).or_insert_with(|| {
                written.push(label.clone());
                written.len() - 1
            })
        });
        let own: Vec<usize> = own.collect();
        samples.extend(part.labels.iter().map(|&label| own[label as usize]));
    }
    let first = parts.map(|(file, _)| file.display().to_string()).next();
    number(&written, samples.into_iter(), names)
        .map_err(|reason| anyhow!("{}: {reason}", first.unwrap_or_default()))
}

/// The names of the classes in [`NAMES`], in the folder of the files or the one that it is in; `None` where there is none.
pub fn names_beside(files: &[PathBuf]) -> Result<Option<Vec<String>>> {
    let folder = files.first().and_then(|file| file.parent());
    let folder = folder.unwrap_or(Path::new(""));
    let above = folder.join("..");
    let found = [folder, &above].map(|folder| folder.join(NAMES));
    let Some(file) = found.iter().find(|file| file.is_file()) else {
        return Ok(None);
    };
    let shown = file.display();
    let text = fs::read_to_string(file).with_context(|| format!("{shown}: cannot be read"))?;
    let names: Vec<String> = text.lines().map(|line| line.trim().to_string()).collect();
    match names.iter().any(String::is_empty) {
        true => Err(anyhow!(
            "{shown} has an empty line; each line is the name of a class"
        )),
        false => Ok(Some(names)),
    }
}
