//! Files of features, written row by row: memory does not grow with their number.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;

use super::array::Kind;
use super::{npy, reader};
use crate::usage::BadArgument;
use crate::whole::write_whole;

/// The kinds of files, by their endings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `features`, `labels` and, as metadata, what they were made from.
    Safetensors,
    /// Features; labels are in a second file.
    Npy,
}

impl Format {
    /// By the ending of a name.
    pub fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => Ok(Self::Safetensors),
            Some("npy") => Ok(Self::Npy),
            _ => {
                let message = format!(
                    "the ending of {} does not say what to write; end it in .safetensors or .npy",
                    path.display()
                );
                Err(BadArgument(message).into())
            }
        }
    }
}

/// What the metadata of a safetensors file tell: texts by key.
pub type Metadata<'a> = &'a [(&'a str, String)];

/// A file that is being written. It appears under its name once it is whole; dropped before, it leaves nothing.
pub struct Writer {
    path: PathBuf,
    partial: PathBuf,
    file: BufWriter<File>,
    bytes: Vec<u8>,
    finished: bool,
}

impl Writer {
    /// Begins a file of `[labels.len(), columns]` features. Labels are -1 where there is none. Those of an `.npy` file are
    /// written at once, into a file of their own.
    pub fn create(
        path: &Path,
        columns: usize,
        labels: &[i64],
        metadata: Metadata<'_>,
    ) -> Result<Self> {
        let shape = [labels.len(), columns];
        let label_bytes: Vec<u8> = labels
            .iter()
            .flat_map(|label| label.to_le_bytes())
            .collect();
        let head = match Format::of(path)? {
            Format::Safetensors => {
                let mut head = header(shape, metadata)?;
                head.extend(label_bytes);
                head
            }
            Format::Npy => {
                let mut beside = npy::header(Kind::I64, &shape[..1]);
                beside.extend(label_bytes);
                write_whole(&reader::labels_path(path), &beside)?;
                npy::header(Kind::F32, &shape)
            }
        };
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".partial");
        let partial = path.with_file_name(name);
        let file = File::create(&partial);
        let file = file.with_context(|| format!("{} cannot be written", path.display()))?;
        let mut writer = Self {
            path: path.to_path_buf(),
            partial,
            file: BufWriter::new(file),
            bytes: Vec::new(),
            finished: false,
        };
        let written = writer.file.write_all(&head);
        writer.named(written)?;
        Ok(writer)
    }

    /// Appends rows.
    pub fn rows(&mut self, values: &[f32]) -> Result<()> {
        self.bytes.clear();
        self.bytes
            .extend(values.iter().flat_map(|value| value.to_le_bytes()));
        let written = self.file.write_all(&self.bytes);
        self.named(written)
    }

    /// Gives the file its name.
    pub fn finish(mut self) -> Result<()> {
        let done = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.partial, &self.path));
        self.finished = done.is_ok();
        self.named(done)
    }

    fn named(&self, done: io::Result<()>) -> Result<()> {
        done.with_context(|| format!("{} cannot be written", self.path.display()))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            // A part of the features is of no use, and may be what fills the disk.
            let _ = fs::remove_file(&self.partial);
        }
    }
}

/// The header of a safetensors file: labels first, because they are known before the features.
fn header([rows, columns]: [usize; 2], metadata: Metadata<'_>) -> Result<Vec<u8>> {
    let labels = Kind::I64.size() * rows;
    let end = labels + Kind::F32.size() * rows * columns;
    let metadata = metadata
        .iter()
        .map(|(key, text)| (key.to_string(), json!(text)));
    let header = json!({
        "__metadata__": metadata.collect::<serde_json::Map<_, _>>(),
        "labels": { "dtype": "I64", "shape": [rows], "data_offsets": [0, labels] },
        "features": { "dtype": "F32", "shape": [rows, columns], "data_offsets": [labels, end] },
    });
    let mut text = serde_json::to_vec(&header)?;
    text.resize(text.len().next_multiple_of(8), b' ');
    let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
    bytes.extend(text);
    Ok(bytes)
}
