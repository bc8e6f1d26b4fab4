//! Lists as data: `list:FILE`. `parallax_data::list` describes the format.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use parallax_data::list::{Entry, Items, List};
use parallax_data::{DataError, Source, Subset};

use super::files::{Files, Found};
use super::progress::Progress;
use super::store::paths::Paths;
use super::{Listing, Split, bad, listing, named};
use crate::usage::BadArgument;

/// What a SRC argument that names a list begins with.
const PREFIX: &str = "list:";

/// The file of a SRC argument that names a list.
pub fn file(spec: &str) -> Option<&Path> {
    spec.strip_prefix(PREFIX).map(Path::new)
}

/// Reads a list. Its classes are those that it has images of: of files sorted by name, else in the order of the data set.
pub fn read(file: &Path, progress: &Progress) -> Result<Listing> {
    let name = format!("{PREFIX}{}", file.display());
    if !file.is_file() {
        let file = file.display();
        return Err(bad(format!("there is no list {file}")));
    }
    let bytes = fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let list = List::parse(&name, &bytes).map_err(|error| bad(error.to_string()))?;
    let full = list.header.images.unwrap_or(list.len());
    match list.items {
        Items::Files(entries) => {
            let folder = file.parent().unwrap_or(Path::new(""));
            Ok(Listing::Files(files(name, folder, entries, full)?))
        }
        Items::Indices { source, indices } => {
            let split = match list.header.split.as_deref() {
                Some("test") => Split::Test,
                _ => Split::Train,
            };
            let whole = indexed(&source, split, file, progress)?.ok_or_else(|| {
                bad(format!(
                    "{name} line 1: there is no data set {source}; indices are of `sample`, `cifar10`, shards or parquet files"
                ))
            })?;
            let last = whole.len() - 1;
            if let Some((index, line)) = indices.iter().find(|(index, _)| *index > last) {
                return Err(bad(format!(
                    "{name} line {line}: there is no image {index}; the last one of {source} ({split}) is {last}"
                )));
            }
            let indices = indices.into_iter().map(|(index, _)| index).collect();
            let subset = Subset::of_indices(name, whole, indices)
                .and_then(Subset::without_empty_classes)
                .map_err(|error| bad(error.to_string()))?;
            Ok(Listing::Part(subset.of_full(full), source, split))
        }
    }
}

/// The data set that the indices of a list are of: one by name, or shards or parquet files, whose paths may be relative to the
/// list's folder.
fn indexed(
    source: &str,
    split: Split,
    list: &Path,
    progress: &Progress,
) -> Result<Option<Arc<dyn Source>>> {
    if let Some(whole) = named(source, split)? {
        return Ok(Some(whole));
    }
    if file(source).is_some() {
        return Ok(None);
    }
    let path = list.parent().unwrap_or(Path::new("")).join(source);
    match path.to_str().map(|spec| listing(spec, split, progress)) {
        Some(Ok(listing)) => Ok(Some(listing.into_source())),
        Some(Err(error)) if !error.is::<BadArgument>() => Err(error),
        _ => Ok(None),
    }
}

fn files(name: String, folder: &Path, entries: Vec<Entry>, full: usize) -> Result<Files> {
    let classes: BTreeSet<&str> = entries.iter().map(|entry| entry.class.as_str()).collect();
    let classes: Vec<String> = classes.into_iter().map(String::from).collect();
    let mut paths = Paths::from(folder);
    let (mut labels, mut lines) = (Vec::new(), Vec::new());
    for entry in entries {
        let label = classes.binary_search(&entry.class).unwrap_or_default();
        paths.push(Path::new(&entry.path));
        labels.push(label as u32);
        lines.push(entry.line);
    }
    let found = Found {
        store: Box::new(paths),
        classes,
        labels,
        ignored: None,
    };
    Ok(Files::new(name, found)?.of_list(lines, full))
}

/// Paths of files from the folder that a list is in, with `/` between names, as lists have them.
pub struct Relative {
    folder: PathBuf,
    /// The folder looked up last, as given and resolved: the files of a class come one after the other.
    last: Option<(PathBuf, PathBuf)>,
}

impl Relative {
    /// From `folder`.
    pub fn to(folder: &Path) -> Result<Self> {
        Ok(Self {
            folder: resolved(folder)?,
            last: None,
        })
    }

    /// The path of a file: relative where both are on one drive, else absolute. Links on the way are resolved, since `..`
    /// would not lead back through them.
    pub fn path(&mut self, file: &Path) -> Result<String> {
        let given = file.parent().unwrap_or(Path::new(""));
        if self.last.as_ref().is_none_or(|(known, _)| known != given) {
            self.last = Some((given.to_path_buf(), resolved(given)?));
        }
        let parent = self.last.as_ref().map_or(given, |(_, parent)| parent);
        let mut from = self.folder.components().peekable();
        let mut to = parent.components().peekable();
        let mut common = 0;
        while from.peek().is_some() && from.peek() == to.peek() {
            from.next();
            to.next();
            common += 1;
        }
        let mut path = PathBuf::new();
        match common {
            0 => path.push(parent),
            _ => {
                path.extend(from.map(|_| ".."));
                path.extend(to);
            }
        }
        path.push(file.file_name().unwrap_or_default());
        let text = path.to_str().ok_or_else(|| DataError::Read {
            name: file.display().to_string(),
            reason: "the name is not Unicode, as a list needs; rename the file".to_string(),
        })?;
        Ok(match std::path::MAIN_SEPARATOR {
            '/' => text.to_string(),
            separator => text.replace(separator, "/"),
        })
    }
}

fn resolved(folder: &Path) -> Result<PathBuf> {
    let folder = match folder.as_os_str().is_empty() {
        true => Path::new("."),
        false => folder,
    };
    fs::canonicalize(folder).with_context(|| format!("{}: cannot be read", folder.display()))
}

#[cfg(test)]
#[path = "list_tests.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
