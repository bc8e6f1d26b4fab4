//! Images in tar shards, in the naming of WebDataset: an index of every shard gives random access over all.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow};
use parallax_data::DataError;
use parallax_data::webdataset::{IMAGES, cls_label, json_label, split_name};
use serde::{Deserialize, Serialize};

use super::firsts::Firsts;
use super::held::{Held, Stamp};
use super::index::{self, Stamped};
use super::names::Names;
use super::{Store, unreadable};
use crate::data::files::Found;
use crate::data::labels::{self, Part};
use crate::data::progress::Progress;
use crate::usage::BadArgument;

/// The longest `.cls` or `.json` file that is read.
const MAX_LABEL: u64 = 1 << 20;

/// What a shard holds.
#[derive(Debug, Serialize, Deserialize)]
struct Shard {
    stamp: Stamp,
    /// The path of each image in the shard, a line each.
    names: String,
    /// Where each image begins.
    offsets: Vec<u64>,
    /// The bytes of each image.
    lengths: Vec<u32>,
    part: Part,
    /// Number of files that are neither images nor labels, by extension.
    ignored: BTreeMap<String, usize>,
}

/// The images of several shards, in the order of `files` and within them.
pub fn open(files: &[PathBuf], name: &str, progress: &Progress) -> Result<Found> {
    let shards: Vec<Shard> = index::of_files(files, name, progress)?;
    let mut ignored = BTreeMap::<String, usize>::new();
    for (extension, count) in shards.iter().flat_map(|shard| &shard.ignored) {
        *ignored.entry(extension.clone()).or_default() += count;
    }
    let names = labels::names_beside(files)?;
    let named = files.iter().zip(shards.iter().map(|shard| &shard.part));
    let labelled = labels::joined(named, names)?;
    let mut store = Shards::default();
    for (file, shard) in files.iter().zip(shards) {
        store.firsts.push(shard.offsets.len());
        store.held.push(Held::new(file.clone(), shard.stamp));
        store.contents.push(Content {
            names: Names::from_lines(&shard.names),
            offsets: shard.offsets,
            lengths: shard.lengths,
        });
    }
    if store.firsts.len() == 0 {
        let extensions = IMAGES.map(|known| format!(".{known}")).join(", ");
        return Err(
            BadArgument(format!("{name} holds no images, which end in {extensions}")).into(),
        );
    }
    Ok(Found {
        store: Box::new(store),
        classes: labelled.classes,
        labels: labelled.labels,
        ignored: crate::data::described(&ignored),
    })
}

/// Forgets the indices of shards.
pub fn forget(files: &[PathBuf]) {
    index::forget_files::<Shard>(files);
}

impl Stamped for Shard {
    const KIND: &str = "tar";

    fn stamp(&self) -> Stamp {
        self.stamp
    }

    fn scan(path: &Path, stamp: Stamp) -> Result<Self> {
        scan(path, stamp)
    }
}

/// The files of a shard that belong together.
#[derive(Default)]
struct Sample {
    key: String,
    image: Option<(String, u64, u32)>,
    label: Option<String>,
    /// Of its `.json`, which counts where there is no `.cls`.
    json: Option<String>,
}

fn scan(file: &Path, stamp: Stamp) -> Result<Shard> {
    let shown = file.display();
    let mut start = [0; 2];
    let mut opened = File::open(file).with_context(|| format!("{shown}: cannot be read"))?;
    if opened.read(&mut start).is_ok() && start == [0x1F, 0x8B] {
        return Err(BadArgument(format!(
            "{shown} is compressed, so that its images cannot be reached one by one; unpack it by gunzip"
        ))
        .into());
    }
    let broken = |error: std::io::Error| anyhow!("{shown}: not a whole tar archive: {error}");
    let mut archive = tar::Archive::new(File::open(file).map_err(broken)?);
    let mut shard = Shard {
        stamp,
        names: String::new(),
        offsets: Vec::new(),
        lengths: Vec::new(),
        part: Part::default(),
        ignored: BTreeMap::new(),
    };
    let mut sample = Sample::default();
    for entry in archive.entries_with_seek().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if !entry.header().entry_type().is_file() {
            continue;
        }
        let path = entry.path_bytes();
        let path = String::from_utf8(path.into_owned())
            .ok()
            .filter(|path| !path.contains('\n'))
            .ok_or_else(|| anyhow!("{shown}: a name in it is not Unicode or has a line break"))?;
        let (offset, length) = (entry.raw_file_position(), entry.size());
        if offset.saturating_add(length) > stamp.size {
            return Err(anyhow!(
                "{shown}: it ends in the middle of {path}; write it again"
            ));
        }
        let Some((key, extension)) = split_name(&path) else {
            *shard
                .ignored
                .entry("without an extension".into())
                .or_default() += 1;
            continue;
        };
        if sample.key != key {
            shard.add(std::mem::take(&mut sample));
            sample.key = key.to_string();
        }
        if IMAGES.contains(&extension.as_str()) {
            let length = u32::try_from(length)
                .map_err(|_| anyhow!("{shown}: {path} has {length} bytes, which is no image"))?;
            if let Some((other, ..)) = &sample.image {
                return Err(anyhow!(
                    "{shown}: {other} and {path} are two images of one sample; a sample has one"
                ));
            }
            sample.image = Some((path, offset, length));
        } else if extension == "cls" || extension == "json" {
            let mut text = Vec::new();
            entry
                .by_ref()
                .take(MAX_LABEL)
                .read_to_end(&mut text)
                .map_err(broken)?;
            let of = |reason: String| anyhow!("{shown}: {path} {reason}");
            match extension.as_str() {
                "cls" => sample.label = Some(cls_label(&text).map_err(of)?),
                _ => sample.json = json_label(&text).map_err(of)?,
            }
        } else {
            *shard.ignored.entry(format!(".{extension}")).or_default() += 1;
        }
    }
    shard.add(sample);
    Ok(shard)
}

impl Shard {
    fn add(&mut self, sample: Sample) {
        let Some((name, offset, length)) = sample.image else {
            if !sample.key.is_empty() && (sample.label.is_some() || sample.json.is_some()) {
                *self
                    .ignored
                    .entry("a label without an image".into())
                    .or_default() += 1;
            }
            return;
        };
        self.names.push_str(&name);
        self.names.push('\n');
        self.offsets.push(offset);
        self.lengths.push(length);
        self.part.push(sample.label.or(sample.json).as_deref());
    }
}

/// What is kept of a shard's index.
struct Content {
    names: Names,
    offsets: Vec<u64>,
    lengths: Vec<u32>,
}

/// The images of shards.
#[derive(Default)]
struct Shards {
    firsts: Firsts,
    held: Vec<Held>,
    contents: Vec<Content>,
}

impl Shards {
    fn read(&self, index: usize, most: usize) -> Result<Vec<u8>, DataError> {
        let (shard, place) = self.firsts.locate(index);
        let content = &self.contents[shard];
        let mut bytes = vec![0; (content.lengths[place] as usize).min(most)];
        self.held[shard]
            .read(shard, content.offsets[place], &mut bytes)
            .map_err(|reason| unreadable(self.name(index), reason))?;
        Ok(bytes)
    }
}

impl Store for Shards {
    fn len(&self) -> usize {
        self.firsts.len()
    }

    fn name(&self, index: usize) -> String {
        let (shard, place) = self.firsts.locate(index);
        let file = self.held[shard].path.display();
        format!("{file}: {}", self.contents[shard].names.get(place))
    }

    fn key(&self, index: usize) -> String {
        let (shard, place) = self.firsts.locate(index);
        let name = self.contents[shard].names.get(place);
        split_name(name).map_or(name, |(key, _)| key).to_string()
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError> {
        self.read(index, usize::MAX)
    }

    fn start(&self, index: usize, most: usize) -> Result<Vec<u8>, DataError> {
        self.read(index, most)
    }
}
