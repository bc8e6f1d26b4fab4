//! Images in parquet files, as the Hugging Face Hub has them: an index of every file's pages gives random access over all.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, anyhow};
use parallax_data::DataError;
use parallax_data::parquet::{
    Chunk, Column, Footer, Kind, Page, PageHeader, PageKind, footer_length,
};
use parallax_data::webdataset::LABEL_KEYS;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::held::{Held, Stamp};
use super::{Store, index, unreadable};
use crate::data::files::Found;
use crate::data::labels::{self, Part};
use crate::data::progress::{Progress, Unit};
use crate::usage::BadArgument;

/// The kind of index.
const KIND: &str = "parquet";

/// Names of columns of images without a group `bytes`, and the preferred ones of several.
const IMAGE_NAMES: [&str; 8] = [
    "image", "img", "bytes", "jpg", "jpeg", "png", "webp", "picture",
];

/// The bytes that the header of a page is first looked for in. Statistics make some longer.
const HEADER: u64 = 256;

/// Pages that are kept decompressed: as many threads may read one after the other.
const PAGES: usize = 16;

/// The pages of a file's images, and its labels.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    stamp: Stamp,
    /// The column of images, as its parts and the number of those that may be null.
    column: (Vec<String>, u8),
    pages: Vec<Place>,
    part: Part,
    /// The names of the classes, where the file has them.
    classes: Option<Vec<String>>,
    /// Columns that are not read.
    others: Vec<String>,
}

/// A page of images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Place {
    /// Where its header begins.
    offset: u64,
    /// Bytes of header and page.
    size: u64,
    /// Its first row in the file.
    first: u64,
    codec: u8,
    /// The dictionary that it needs: where it begins, and its bytes.
    dictionary: Option<(u64, u64)>,
}

/// The images of several files, in the order of `files` and within them.
pub fn open(files: &[PathBuf], name: &str, progress: &Progress) -> Result<Found> {
    progress.start(
        &format!("Indexing {name}"),
        files.len() as u64,
        Unit::Shards,
    );
    let found: Vec<Result<File>> = files
        .par_iter()
        .map(|file| {
            let found = indexed(file);
            progress.step();
            found
        })
        .collect();
    progress.clear();
    let found = found.into_iter().collect::<Result<Vec<File>>>()?;
    let mut classes = labels::names_beside(files)?;
    if classes.is_none() {
        classes = found.iter().find_map(|file| file.classes.clone());
    }
    let mut others = BTreeMap::<String, usize>::new();
    for name in found.iter().flat_map(|file| &file.others) {
        others.insert(name.clone(), 1);
    }
    let named = files.iter().zip(found.iter().map(|file| &file.part));
    let labelled = labels::joined(named, classes)?;
    let mut store = Rows::default();
    for (path, file) in files.iter().zip(found) {
        store.firsts.push(store.len);
        store.len += file.part.labels.len();
        store.held.push(Held::new(path.clone(), file.stamp));
        let (path, optional) = file.column;
        store.columns.push(Column {
            path,
            kind: Kind::Bytes,
            optional,
            repeated: false,
        });
        store.pages.push(file.pages);
    }
    if store.len == 0 {
        return Err(BadArgument(format!("{name} has no rows")).into());
    }
    let columns = others.into_keys().collect::<Vec<_>>().join(", ");
    Ok(Found {
        store: Box::new(store),
        classes: labelled.classes,
        labels: labelled.labels,
        ignored: (!columns.is_empty()).then(|| format!("columns {columns}")),
    })
}

/// Forgets the indices of files.
pub fn forget(files: &[PathBuf]) {
    files.iter().for_each(|file| index::forget(KIND, file));
}

/// The index of a file: the kept one, where the file has its size and time of change, else a new one.
fn indexed(path: &Path) -> Result<File> {
    let shown = path.display();
    let stamp = Stamp::of(path).with_context(|| format!("{shown}: cannot be read"))?;
    let kept = index::load::<File>(KIND, path);
    if let Some(file) = kept.filter(|file| file.stamp == stamp) {
        return Ok(file);
    }
    let held = Held::new(path.to_path_buf(), stamp);
    let file = scan(&held, stamp).map_err(|reason| anyhow!("{shown}: {reason}"))?;
    index::keep(KIND, path, &file);
    Ok(file)
}

fn read(held: &Held, offset: u64, size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
    held.read(0, offset, &mut bytes)?;
    Ok(bytes)
}

fn scan(held: &Held, stamp: Stamp) -> Result<File, String> {
    let short = || "not a parquet file: it is too short".to_string();
    let mut end = [0; 8];
    let place = stamp.size.checked_sub(8).ok_or_else(short)?;
    held.read(0, place, &mut end)?;
    let length = footer_length(&end).map_err(|wrong| format!("not a parquet file: {wrong}"))?;
    let start = place.checked_sub(length).ok_or_else(short)?;
    let footer = Footer::parse(&read(held, start, length)?)?;
    let features = features(&footer);
    let image = image_column(&footer.columns)?;
    let label = label_column(&footer.columns, &features);
    let column = &footer.columns[image];
    let (mut pages, mut part, mut first) = (Vec::new(), Part::default(), 0);
    for (rows, chunks) in &footer.groups {
        let chunk = &chunks[image];
        let mut dictionary = None;
        let mut within = 0;
        walk(held, stamp, chunk, |offset, header| {
            let size = (header.length + header.size) as u64;
            match header.kind {
                PageKind::Dictionary => dictionary = Some((offset, size)),
                PageKind::Data | PageKind::Data2 { .. } => {
                    pages.push(Place {
                        offset,
                        size,
                        first: first + within,
                        codec: chunk.codec,
                        dictionary,
                    });
                    within += header.values as u64;
                }
                PageKind::Other => {}
            }
            Ok(())
        })?;
        if within != *rows {
            return Err(format!(
                "column {} has {within} values for {rows} rows",
                column.name()
            ));
        }
        match label {
            Some(label) => {
                read_labels(
                    held,
                    stamp,
                    &footer.columns[label],
                    &chunks[label],
                    &mut part,
                )?;
            }
            None => (0..*rows).for_each(|_| part.push(None)),
        }
        first += rows;
    }
    if part.labels.len() as u64 != footer.rows {
        return Err("its labels are not as many as its rows".to_string());
    }
    let read = [Some(image), label];
    let others = footer.columns.iter().enumerate();
    let others = others.filter(|(place, other)| {
        !read.contains(&Some(*place)) && other.path.first() != column.path.first()
    });
    Ok(File {
        stamp,
        others: others.map(|(_, other)| other.name()).collect(),
        classes: label.and_then(|label| class_names(&features, &footer.columns[label])),
        column: (column.path.clone(), column.optional),
        pages,
        part,
    })
}

/// Calls `each` with the place and the header of every page of a chunk.
fn walk(
    held: &Held,
    stamp: Stamp,
    chunk: &Chunk,
    mut each: impl FnMut(u64, PageHeader) -> Result<(), String>,
) -> Result<(), String> {
    let end = chunk.offset.saturating_add(chunk.size);
    if end > stamp.size {
        return Err("a column ends behind the file's end".to_string());
    }
    let (mut offset, mut values) = (chunk.offset, 0);
    while offset < end && values < chunk.values {
        let mut most = HEADER;
        let header = loop {
            let bytes = read(held, offset, most.min(end - offset))?;
            match PageHeader::parse(&bytes)? {
                Some(header) => break header,
                None if most >= end - offset => {
                    return Err("it ends in the middle of a page".to_string());
                }
                None => most *= 16,
            }
        };
        let size = (header.length + header.size) as u64;
        if matches!(header.kind, PageKind::Data | PageKind::Data2 { .. }) {
            values += header.values as u64;
        }
        if offset + size > end {
            return Err("a page ends behind its column's end".to_string());
        }
        each(offset, header)?;
        offset += size;
    }
    Ok(())
}

fn read_labels(
    held: &Held,
    stamp: Stamp,
    column: &Column,
    chunk: &Chunk,
    part: &mut Part,
) -> Result<(), String> {
    let mut dictionary = None;
    walk(held, stamp, chunk, |offset, header| {
        if header.kind == PageKind::Other {
            return Ok(());
        }
        let bytes = read(held, offset + header.length as u64, header.size as u64)?;
        let page = Page::decode(&header, &bytes, column, chunk, dictionary.as_ref())?;
        if header.kind == PageKind::Dictionary {
            dictionary = Some(page);
            return Ok(());
        }
        for row in 0..page.len() {
            // The Hub writes -1 where labels are kept back.
            let number = page.number(row).filter(|&number| number != -1);
            let text = page.bytes(row).map(String::from_utf8_lossy);
            match (number, text) {
                (Some(number), _) if number < 0 => {
                    return Err(format!("column {} has the label {number}", column.name()));
                }
                (Some(number), _) => part.push(Some(&number.to_string())),
                (None, Some(text)) => part.push(Some(&text)),
                (None, None) => part.push(None),
            }
        }
        Ok(())
    })
}

/// What the Hub's library writes about columns.
fn features(footer: &Footer) -> Value {
    let text = footer.text("huggingface").unwrap_or_default();
    let mut value: Value = serde_json::from_str(text).unwrap_or_default();
    value["info"]["features"].take()
}

/// The column of images: a group with `bytes`, else byte arrays of a known name.
fn image_column(columns: &[Column]) -> Result<usize, String> {
    let bytes = |column: &&(usize, &Column)| column.1.kind == Kind::Bytes && !column.1.repeated;
    let all: Vec<(usize, &Column)> = columns.iter().enumerate().collect();
    let of_group = all
        .iter()
        .filter(bytes)
        .filter(|(_, column)| matches!(column.path.as_slice(), [_, last] if last == "bytes"));
    let grouped: Vec<&(usize, &Column)> = of_group.collect();
    let preferred = |among: &[&(usize, &Column)]| {
        IMAGE_NAMES.iter().find_map(|name| {
            let found = among.iter().find(|(_, column)| column.path[0] == *name);
            found.map(|(place, _)| *place)
        })
    };
    match grouped.as_slice() {
        [(place, _)] => return Ok(*place),
        [] => {}
        several => {
            return preferred(several).ok_or_else(|| {
                let names = several.iter().map(|(_, column)| column.path[0].as_str());
                let names = names.collect::<Vec<_>>().join(", ");
                format!("it has several columns of images ({names}); name the one to read `image`")
            });
        }
    }
    let single = all
        .iter()
        .filter(bytes)
        .filter(|(_, column)| column.path.len() == 1);
    preferred(&single.collect::<Vec<_>>()).ok_or_else(|| {
        let names = columns.iter().map(|column| format!("{} ({:?})", column.name(), column.kind));
        format!(
            "it has no column of images: a group with `bytes`, or bytes named {}; its columns are {}",
            IMAGE_NAMES.join(", "),
            names.collect::<Vec<_>>().join(", ").to_lowercase()
        )
    })
}

/// The column of labels: the one that the Hub's library calls so, else one of a known name.
fn label_column(columns: &[Column], features: &Value) -> Option<usize> {
    let usable =
        |column: &Column| column.path.len() == 1 && !column.repeated && column.kind != Kind::Other;
    let own: Vec<(usize, &Column)> = columns
        .iter()
        .enumerate()
        .filter(|(_, c)| usable(c))
        .collect();
    let declared: Vec<usize> = own
        .iter()
        .filter(|(_, column)| features[&column.path[0]]["_type"] == "ClassLabel")
        .map(|(place, _)| *place)
        .collect();
    let named = LABEL_KEYS.iter().chain(&["labels", "fine_label"]);
    let mut named = named.filter_map(|name| {
        let found = own.iter().find(|(_, column)| column.path[0] == *name);
        found.map(|(place, _)| *place)
    });
    match declared.as_slice() {
        [only] => Some(*only),
        [] => named.next(),
        several => named.find(|place| several.contains(place)),
    }
}

/// The names of the classes, which the Hub's library writes beside the column.
fn class_names(features: &Value, column: &Column) -> Option<Vec<String>> {
    let names = features[&column.path[0]]["names"].as_array()?;
    let names = names.iter().map(|name| name.as_str().map(String::from));
    names
        .collect::<Option<Vec<String>>>()
        .filter(|names| !names.is_empty())
}

/// Where a page is: the file's number and the offset.
type Key = (usize, u64);

/// The images of parquet files.
#[derive(Default)]
struct Rows {
    len: usize,
    /// The first image of each file.
    firsts: Vec<usize>,
    held: Vec<Held>,
    columns: Vec<Column>,
    pages: Vec<Vec<Place>>,
    /// The pages read last: rows are often read one after the other.
    recent: Mutex<VecDeque<(Key, Arc<Page>)>>,
}

impl Rows {
    /// The file of an image, and its row there.
    fn locate(&self, index: usize) -> (usize, usize) {
        let after = self.firsts.partition_point(|&first| first <= index);
        let file = after.saturating_sub(1);
        (
            file,
            index - self.firsts.get(file).copied().unwrap_or_default(),
        )
    }

    fn read(&self, index: usize, most: usize) -> Result<Vec<u8>, DataError> {
        let (file, row) = self.locate(index);
        let places = &self.pages[file];
        let after = places.partition_point(|place| place.first <= row as u64);
        let wrong = |reason: String| unreadable(self.name(index), reason);
        let place = after.checked_sub(1).and_then(|page| places.get(page));
        let place = place.ok_or_else(|| wrong("it is on no page".to_string()))?;
        let page = self.page(file, place).map_err(wrong)?;
        let bytes = page.bytes(row - place.first as usize).ok_or_else(|| {
            wrong(
                "it has no image bytes; images that are links to other places are not read".into(),
            )
        })?;
        Ok(bytes[..bytes.len().min(most)].to_vec())
    }

    fn page(&self, file: usize, place: &Place) -> Result<Arc<Page>, String> {
        if let Some(page) = self.known((file, place.offset)) {
            return Ok(page);
        }
        let dictionary = match place.dictionary {
            Some((offset, size)) => match self.known((file, offset)) {
                Some(page) => Some(page),
                None => Some(self.decoded(file, (offset, size), place.codec, None)?),
            },
            None => None,
        };
        self.decoded(
            file,
            (place.offset, place.size),
            place.codec,
            dictionary.as_deref(),
        )
    }

    fn known(&self, key: Key) -> Option<Arc<Page>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let found = recent.iter().find(|(known, _)| *known == key);
        found.map(|(_, page)| Arc::clone(page))
    }

    /// Reads a page and remembers it.
    fn decoded(
        &self,
        file: usize,
        (offset, size): (u64, u64),
        codec: u8,
        dictionary: Option<&Page>,
    ) -> Result<Arc<Page>, String> {
        let mut bytes = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
        self.held[file].read(file, offset, &mut bytes)?;
        let header = PageHeader::parse(&bytes)?;
        let header = header.ok_or_else(|| "it ends in the middle of a page".to_string())?;
        let chunk = Chunk {
            offset,
            size,
            codec,
            values: 0,
        };
        let page = Page::decode(
            &header,
            &bytes[header.length..],
            &self.columns[file],
            &chunk,
            dictionary,
        )?;
        let page = Arc::new(page);
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if recent.len() >= PAGES {
            recent.pop_front();
        }
        recent.push_back(((file, offset), Arc::clone(&page)));
        Ok(page)
    }
}

impl Store for Rows {
    fn len(&self) -> usize {
        self.len
    }

    fn name(&self, index: usize) -> String {
        let (file, row) = self.locate(index);
        format!("{}: row {row}", self.held[file].path.display())
    }

    fn key(&self, index: usize) -> String {
        let (file, row) = self.locate(index);
        let stem = self.held[file].path.file_stem().unwrap_or_default();
        format!("{}/{row:06}", stem.to_string_lossy())
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError> {
        self.read(index, usize::MAX)
    }

    fn start(&self, index: usize, most: usize) -> Result<Vec<u8>, DataError> {
        self.read(index, most)
    }
}
