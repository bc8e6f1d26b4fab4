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
mod labels;
mod list;
mod pack;
mod place;
pub mod progress;
mod sides;
mod store;
mod subsample;
mod verify;
pub mod walk;
pub mod wordnet;

use std::collections::BTreeMap;
use std::fmt;
use std::io::Write;
use std::sync::Arc;

use parallax_data::{DataError, Source, Subset, sample};

use crate::usage::BadArgument;
use files::Files;
use place::Place;
use progress::Progress;

/// The values of a SRC argument, for the help of every command that has one.
pub const SRC: &str = "sample, cifar10, a folder with one folder a class, tar shards or parquet files ('s/{000..146}.tar', \
     or their folder), or list:FILE; see `parallax data --help`";

/// The same for errors.
pub const ACCEPTED: &str = "`sample` (the embedded part of CIFAR-10), `cifar10` (after `parallax data fetch cifar10`), \
     a folder with one folder of JPEG, PNG or WebP images for each class, tar shards or parquet files (a folder of them, a \
     pattern such as 'shards/{000..146}.tar' or 'data/train-*.parquet'), or `list:FILE`, a list of images (`parallax data \
     subsample --help`)";

/// The same as a table, for the help of `parallax data`.
pub const TABLE: &str = "\
SRC, in every command that reads images:
  sample            2,000 training and 500 test images of CIFAR-10, embedded
  cifar10           CIFAR-10, after `parallax data fetch cifar10`
  FOLDER            one folder of JPEG, PNG or WebP files for each class, or
                    `train` and `val` (or `test`) with such folders
  SHARDS            tar files as WebDataset names them: 17.jpg (.jpeg, .png,
                    .webp) with 17.cls or 17.json (key label, cls, class or
                    target), a number from 0 or a name; classes.txt beside the
                    shards names the numbers. A folder of .tar files, one file,
                    or a pattern: 'shards/{000..146}.tar', 'shards/*.tar'
  PARQUET           files of the Hugging Face Hub: a column of image bytes and
                    one of labels. A folder (also with `data` in it), one file,
                    or a pattern: 'data/train-*.parquet'
  list:FILE         a list of images: `parallax data subsample --help`
In a folder of shards or parquet files the names tell the splits: train, and
val, valid or validation, else test. Large folders, shards and parquet files
are indexed when they are first opened (in $PARALLAX_CACHE, or the system's
cache folder); a change of a folder or file is noticed, and it is indexed again.";

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
    /// Its file, or its shard and its name there.
    pub image: String,
    /// The error, which names it.
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
    open_counted(spec, split, on_bad).map(|(source, _)| source)
}

/// The same, with the number of images that were skipped.
pub fn open_counted(
    spec: &str,
    split: Split,
    on_bad: OnBadImage,
) -> anyhow::Result<(Arc<dyn Source>, usize)> {
    let opened = open_with_report(spec, split, on_bad, &Progress::stderr())?;
    report(&opened, &mut std::io::stderr().lock())?;
    Ok((opened.source, opened.skipped.len()))
}

/// Opens a SRC argument and returns the source together with what was skipped.
pub fn open_with_report(
    spec: &str,
    split: Split,
    on_bad: OnBadImage,
    progress: &Progress,
) -> anyhow::Result<Opened> {
    match listing(spec, split, progress)? {
        Listing::Whole(source) => Ok(source.into()),
        Listing::Part(subset, ..) => Ok(Opened::from(Arc::new(subset) as Arc<dyn Source>)),
        Listing::Files(files) => files.checked(on_bad, progress),
    }
}

/// A source of encoded images, for measuring how they are read and decoded.
pub trait Encoded: Sync {
    /// The bytes of an image's file.
    ///
    /// # Errors
    /// When they cannot be read.
    fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError>;
}

impl Encoded for Files {
    fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError> {
        self.bytes(index)
    }
}

/// A source and, where it holds encoded images, these.
pub type WithEncoded = (Arc<dyn Source>, Option<Arc<dyn Encoded + Send>>);

/// Opens a SRC without keeping decoded images; where it holds encoded ones, these too.
pub fn open_encoded(spec: &str, split: Split) -> anyhow::Result<WithEncoded> {
    Ok(match listing(spec, split, &Progress::stderr())? {
        Listing::Files(files) => {
            let files = Arc::new(files);
            (Arc::clone(&files) as Arc<dyn Source>, Some(files))
        }
        other => (other.into_source(), None),
    })
}

/// The images of a SRC, listed and not yet read.
enum Listing {
    /// A data set by name.
    Whole(Arc<dyn Source>),
    /// Images of a data set, by a list, with the data set's SRC and split.
    Part(Subset, String, Split),
    /// Encoded images.
    Files(Files),
}

impl Listing {
    /// As a source, unchecked.
    fn source(&self) -> &dyn Source {
        match self {
            Listing::Whole(source) => source.as_ref(),
            Listing::Part(subset, ..) => subset,
            Listing::Files(files) => files,
        }
    }

    /// A description of the files that are not images by their extension; `None` where there are none.
    fn ignored(&self) -> Option<&str> {
        match self {
            Listing::Files(files) => files.ignored(),
            Listing::Whole(_) | Listing::Part(..) => None,
        }
    }

    /// As a source, unchecked.
    fn into_source(self) -> Arc<dyn Source> {
        match self {
            Listing::Whole(source) => source,
            Listing::Part(subset, ..) => Arc::new(subset),
            Listing::Files(files) => Arc::new(files),
        }
    }
}

/// Lists the images of a split of a SRC.
fn listing(spec: &str, split: Split, progress: &Progress) -> anyhow::Result<Listing> {
    if let Some(source) = named(spec, split)? {
        return Ok(Listing::Whole(source));
    }
    let name = spec.to_string();
    Ok(match place::resolve(spec, split)? {
        Place::List(file) => list::read(&file, progress)?,
        Place::Folder(root) => Listing::Files(folder::open(&root)?),
        Place::Shards(files) => {
            let found = store::shards::open(&files, spec, progress)?;
            Listing::Files(Files::new(name, found)?)
        }
        Place::Parquet(files) => {
            let found = store::parquet::open(&files, spec, progress)?;
            Listing::Files(Files::new(name, found)?)
        }
    })
}

/// Forgets what is known of the files of a SRC, so that they are listed again.
fn forget(spec: &str, split: Split) -> anyhow::Result<()> {
    if named(spec, split)?.is_some() {
        return Ok(());
    }
    match place::resolve(spec, split)? {
        Place::List(_) => {}
        Place::Folder(root) => folder::forget(&root),
        Place::Shards(files) => store::shards::forget(&files),
        Place::Parquet(files) => store::parquet::forget(&files),
    }
    Ok(())
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
    matches!(spec, "sample" | "cifar10") || place::has_two_splits(spec)
}

/// The splits of a SRC; `None` for the only one.
fn splits(spec: &str) -> Vec<Option<Split>> {
    match has_own_test(spec) {
        true => vec![Some(Split::Train), Some(Split::Test)],
        false => vec![None],
    }
}

/// Bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A description of files that are not images, from their numbers by extension; `None` where there are none.
fn described(kinds: &BTreeMap<String, usize>) -> Option<String> {
    let count: usize = kinds.values().sum();
    let names = kinds.keys().cloned().collect::<Vec<_>>().join(", ");
    let noun = match count {
        1 => "file",
        _ => "files",
    };
    (count > 0).then(|| format!("{count} {noun} ({names})"))
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

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod packed_tests;
