//! Images in parquet files, as the Hugging Face Hub has them: an index of every file's pages gives random access over all.

mod columns;
mod rows;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, anyhow};
use parallax_data::parquet::{
    Chunk, Column, Footer, Kind, Page, PageHeader, PageKind, footer_length,
};
use serde::{Deserialize, Serialize};

use super::held::{Held, Stamp};
use super::index::{self, Stamped};
use crate::data::files::Found;
use crate::data::labels::{self, Part};
use crate::data::progress::Progress;
use crate::usage::BadArgument;
use columns::{class_names, features, image_column, label_column};
use rows::Rows;

/// The bytes that the header of a page is first looked for in. Statistics make some longer.
const HEADER: u64 = 256;

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
    let found: Vec<File> = index::of_files(files, name, progress)?;
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
        store.firsts.push(file.part.labels.len());
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
    if store.firsts.len() == 0 {
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
    index::forget_files::<File>(files);
}

impl Stamped for File {
    const KIND: &str = "parquet";

    fn stamp(&self) -> Stamp {
        self.stamp
    }

    fn scan(path: &Path, stamp: Stamp) -> Result<Self> {
        let held = Held::new(path.to_path_buf(), stamp);
        scan(&held, stamp).map_err(|reason| anyhow!("{}: {reason}", path.display()))
    }
}

/// Bytes of a file; the first ones by `number` stay open.
fn read(held: &Held, number: usize, offset: u64, size: u64) -> Result<Vec<u8>, String> {
    let mut bytes = vec![0; usize::try_from(size).map_err(|error| error.to_string())?];
    held.read(number, offset, &mut bytes)?;
    Ok(bytes)
}

fn scan(held: &Held, stamp: Stamp) -> Result<File, String> {
    let short = || "not a parquet file: it is too short".to_string();
    let mut end = [0; 8];
    let place = stamp.size.checked_sub(8).ok_or_else(short)?;
    held.read(0, place, &mut end)?;
    let length = footer_length(&end).map_err(|wrong| format!("not a parquet file: {wrong}"))?;
    let start = place.checked_sub(length).ok_or_else(short)?;
    let footer = Footer::parse(&read(held, 0, start, length)?)?;
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
            let bytes = read(held, 0, offset, most.min(end - offset))?;
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
        let bytes = read(held, 0, offset + header.length as u64, header.size as u64)?;
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
