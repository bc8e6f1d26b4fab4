//! Reading at any place of many files, from several threads.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

/// Files that are kept open; others are opened for each read, since systems limit their number.
const OPEN: usize = 256;

/// Size and time of change of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// In bytes.
    pub size: u64,
    /// Nanoseconds since 1970; 0 where the system does not say.
    pub changed: u64,
}

impl Stamp {
    /// Of a file or folder.
    pub fn of(path: &Path) -> std::io::Result<Self> {
        fs::metadata(path).map(|found| Self::from(&found))
    }

    fn from(found: &fs::Metadata) -> Self {
        let since = found.modified().ok();
        let since = since.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            size: found.len(),
            changed: since.map_or(0, |since| since.as_nanos() as u64),
        }
    }
}

/// A file that is read at any place, and must be as it was when it was indexed.
pub struct Held {
    /// Its path.
    pub path: PathBuf,
    stamp: Stamp,
    file: OnceLock<File>,
}

impl Held {
    /// A file as it was when it was indexed.
    pub fn new(path: PathBuf, stamp: Stamp) -> Self {
        Self {
            path,
            stamp,
            file: OnceLock::new(),
        }
    }

    /// Fills `buffer` from the byte `offset` on. The first `OPEN` files (by `number`) stay open.
    pub fn read(&self, number: usize, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        if number >= OPEN {
            return self.read_of(&self.open()?, offset, buffer);
        }
        match self.file.get() {
            Some(file) => self.read_of(file, offset, buffer),
            None => {
                let file = self.open()?;
                self.read_of(self.file.get_or_init(|| file), offset, buffer)
            }
        }
    }

    fn open(&self) -> Result<File, String> {
        File::open(&self.path).map_err(|error| error.to_string())
    }

    fn read_of(&self, file: &File, offset: u64, buffer: &mut [u8]) -> Result<(), String> {
        // Asking an open file takes a fraction of the time of a read.
        let found = file.metadata().map_err(|error| error.to_string())?;
        if Stamp::from(&found) != self.stamp {
            return Err("it has changed since it was indexed; start again".to_string());
        }
        read_exact_at(file, buffer, offset).map_err(|error| error.to_string())
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, buffer, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut buffer: &mut [u8], mut offset: u64) -> std::io::Result<()> {
    while !buffer.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, buffer, offset)?;
        if read == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        buffer = &mut buffer[read..];
        offset += read as u64;
    }
    Ok(())
}
