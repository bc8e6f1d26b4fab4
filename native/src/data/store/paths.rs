//! Images in files of their own.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use parallax_data::DataError;

use super::names::Names;
use super::{Store, unreadable};

/// Files by their paths from a folder.
#[derive(Clone, Debug, Default)]
pub struct Paths {
    root: PathBuf,
    names: Names,
    /// Paths that are not Unicode, by their index.
    odd: BTreeMap<usize, PathBuf>,
}

impl Paths {
    /// No files yet. Paths will be from `root`, or absolute.
    pub fn from(root: &Path) -> Self {
        Self {
            root: root.to_path_buf(),
            ..Self::default()
        }
    }

    /// Adds a file: a path from the root, or an absolute one.
    pub fn push(&mut self, path: &Path) {
        match path.to_str() {
            Some(name) => self.names.push(name),
            None => {
                self.odd.insert(self.names.len(), path.to_path_buf());
                self.names.push(&path.to_string_lossy());
            }
        }
    }

    /// The paths as lines; `None` where one is not Unicode or contains a line break.
    pub fn to_lines(&self) -> Option<String> {
        match self.odd.is_empty() {
            true => self.names.to_lines(),
            false => None,
        }
    }

    /// The inverse of [`Paths::to_lines`].
    pub fn from_lines(root: &Path, lines: &str) -> Self {
        Self {
            root: root.to_path_buf(),
            names: Names::from_lines(lines),
            odd: BTreeMap::new(),
        }
    }

    fn file(&self, index: usize) -> PathBuf {
        match self.odd.get(&index) {
            Some(path) => self.root.join(path),
            None => self.root.join(self.names.get(index)),
        }
    }
}

impl Store for Paths {
    fn len(&self) -> usize {
        self.names.len()
    }

    fn name(&self, index: usize) -> String {
        self.file(index).display().to_string()
    }

    fn key(&self, index: usize) -> String {
        let name = self.names.get(index);
        let end = name.rfind('.').filter(|&dot| !name[dot..].contains('/'));
        name[..end.unwrap_or(name.len())].to_string()
    }

    fn path(&self, index: usize) -> Option<PathBuf> {
        Some(self.file(index))
    }

    fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError> {
        let file = self.file(index);
        std::fs::read(&file).map_err(|error| unreadable(file.display().to_string(), error))
    }

    fn start(&self, index: usize, most: usize) -> Result<Vec<u8>, DataError> {
        let path = self.file(index);
        let mut start = Vec::new();
        File::open(&path)
            .and_then(|file| file.take(most as u64).read_to_end(&mut start))
            .map_err(|error| unreadable(path.display().to_string(), error))?;
        Ok(start)
    }
}
