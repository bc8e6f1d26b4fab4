//! Data sets: the embedded sample, CIFAR-10 in the cache folder, folders of images, lists.

pub mod annotated;
pub mod cache;
pub mod cifar10;
pub mod cli;
mod command;
mod convert;
pub mod fetch;
mod files;
pub mod folder;
pub mod inspect;
mod list;
pub mod progress;
mod subsample;
pub mod walk;
pub mod wordnet;

use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parallax_data::{Source, sample};

use crate::usage::BadArgument;
use folder::Folder;
use progress::Progress;

/// The values of a SRC argument, for the help of every command that has one.
pub const SRC: &str = "sample, cifar10, a folder with one folder a class, or list:FILE";

/// The same for errors.
pub const ACCEPTED: &str = "`sample` (the embedded part of CIFAR-10), `cifar10` (after `parallax data fetch cifar10`), \
     a folder with one folder of JPEG, PNG or WebP images for each class, or `list:FILE`, a list of images (`parallax data \
     subsample --help`)";

/// The splits of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Split {
    /// Training images
    Train,
    /// Test images
    Test,
}

impl fmt::Display for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Split::Train => "train",
            Split::Test => "test",
        })
    }
}

/// How to handle an image that cannot be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum OnBadImage {
    /// Stop with an error that names the file.
    #[default]
    Error,
    /// Read every image once before the start, skip those that fail, and report which.
    Skip,
}

/// An image that was skipped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// The file.
    pub file: PathBuf,
    /// The error, which names the file.
    pub reason: String,
}

/// An opened source and what was skipped.
pub struct Opened {
    /// The images.
    pub source: Arc<dyn Source>,
    /// Images that cannot be read, where they are to be skipped.
    pub skipped: Vec<Skipped>,
    /// A description of the files that are not images by their extension; `None` where there are none.
    pub ignored: Option<String>,
}

impl<S: Into<Arc<dyn Source>>> From<S> for Opened {
    fn from(source: S) -> Self {
        Self {
            source: source.into(),
            skipped: Vec::new(),
            ignored: None,
        }
    }
}

/// Opens a SRC argument ([`ACCEPTED`]) and reports on standard error what was skipped.
///
/// A folder that has a folder `train` with class folders has two splits, the test split in `val` or `test`. Any other folder
/// has one split, which is opened whichever is asked for (see [`has_own_test`]), and so has a list.
pub fn open(spec: &str, split: Split, on_bad: OnBadImage) -> anyhow::Result<Arc<dyn Source>> {
    let opened = open_with_report(spec, split, on_bad, &Progress::stderr())?;
    report(&opened, &mut std::io::stderr().lock())?;
    Ok(opened.source)
}

/// Opens a SRC argument and returns the source together with what was skipped.
pub fn open_with_report(
    spec: &str,
    split: Split,
    on_bad: OnBadImage,
    progress: &Progress,
) -> anyhow::Result<Opened> {
    if let Some(source) = named(spec, split)? {
        return Ok(source.into());
    }
    match list::file(spec) {
        Some(file) => list::open(file, on_bad, progress),
        None => Folder::open(&split_root(Path::new(spec), split)?, on_bad, progress),
    }
}

/// A data set by name, `sample` or `cifar10`; `None` for any other SRC.
fn named(spec: &str, split: Split) -> anyhow::Result<Option<Arc<dyn Source>>> {
    let memory = match (spec, split) {
        ("sample", Split::Train) => sample::train()?,
        ("sample", Split::Test) => sample::test()?,
        ("cifar10", split) => cifar10::open(&cache::folder()?, split)?,
        _ => return Ok(None),
    };
    Ok(Some(Arc::new(memory)))
}

/// Whether a SRC has a test split of its own.
pub fn has_own_test(spec: &str) -> bool {
    matches!(spec, "sample" | "cifar10")
        || (list::file(spec).is_none() && has_splits(Path::new(spec)))
}

/// The ImageFolder of a split.
fn split_root(path: &Path, split: Split) -> anyhow::Result<PathBuf> {
    if path.is_file() {
        let path = path.display();
        return Err(bad(format!(
            "{path} is a file; data can be {ACCEPTED}. Unpack an archive first."
        )));
    }
    if !path.is_dir() {
        let path = path.display();
        return Err(bad(format!(
            "there is no data set and no folder {path}; data can be {ACCEPTED}"
        )));
    }
    if !has_splits(path) {
        return Ok(path.into());
    }
    if split == Split::Train {
        return Ok(path.join("train"));
    }
    ["val", "test"]
        .iter()
        .map(|name| path.join(name))
        .find(|part| part.is_dir())
        .ok_or_else(|| {
            let path = path.display();
            bad(format!(
                "{path} has a folder `train` but neither `val` nor `test`; add one of them"
            ))
        })
}

/// Whether a folder has the layout `train/CLASS/IMAGE`, and not just a class named `train`.
fn has_splits(path: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(path.join("train")) else {
        return false;
    };
    entries.flatten().any(|entry| entry.path().is_dir())
}

fn bad(message: String) -> anyhow::Error {
    BadArgument(message).into()
}

/// How many skipped files are named on the terminal.
const NAMED: usize = 20;

/// Reports what was skipped.
fn report(opened: &Opened, to: &mut dyn Write) -> std::io::Result<()> {
    let name = opened.source.name();
    if let Some(ignored) = &opened.ignored {
        writeln!(to, "{name}: ignored {ignored}")?;
    }
    let skipped = opened.skipped.len();
    if skipped > 0 {
        let all = skipped + opened.source.len();
        writeln!(to, "{name}: skipped {skipped} of {all} images:")?;
        for bad in opened.skipped.iter().take(NAMED) {
            writeln!(to, "  {}", bad.reason)?;
        }
        if skipped > NAMED {
            writeln!(
                to,
                "  and {} more; `parallax data inspect {name}` lists all",
                skipped - NAMED
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub(crate) mod tests;
