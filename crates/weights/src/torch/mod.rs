//! Files of PyTorch (`.pth`, `.pt`, `.pth.tar`, `.ckpt`) and other pickles of named tensors, in and out.
//!
//! Nothing in a file is executed: its pickle is read as data (see [`crate::pickle`]), and of that only the calls that
//! make tensors are understood.

mod legacy;
mod storage;
#[cfg(test)]
mod tests;
mod tree;
mod write;
mod zip;

use crate::pickle::{PickleError, parse};
use storage::Storages;

pub(crate) use tree::Found;
pub(crate) use write::write;

/// Why a file cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TorchError {
    /// The pickle in it.
    Pickle(PickleError),
    /// The container, or the values that the pickle describes.
    Broken(String),
}

impl From<PickleError> for TorchError {
    fn from(error: PickleError) -> Self {
        Self::Pickle(error)
    }
}

impl From<String> for TorchError {
    fn from(reason: String) -> Self {
        Self::Broken(reason)
    }
}

/// The container format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Container {
    /// An archive, since PyTorch 1.6.
    Zip,
    /// Pickles and storages one after the other, before PyTorch 1.6.
    Legacy,
    /// One pickle with numpy arrays: detectron2's `.pkl`.
    Plain,
}

impl Container {
    /// Recognised by the first bytes.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        if zip::is_zip(bytes) {
            Some(Self::Zip)
        } else if legacy::is_legacy(bytes) {
            Some(Self::Legacy)
        } else if bytes.first() == Some(&0x80) && bytes.get(1).is_some_and(|v| (1..=5).contains(v))
        {
            Some(Self::Plain)
        } else {
            None
        }
    }

    /// Every tensor in the file, with the path of dictionary keys that leads to it.
    ///
    /// # Errors
    /// When the file is damaged, needs globals that no weight file does, or has no tensor.
    pub fn read(self, bytes: &[u8]) -> Result<Vec<Found<'_>>, TorchError> {
        match self {
            Self::Zip => {
                let entries = zip::read(bytes)?;
                let (pickle, storages) = Storages::of_archive(&entries)?;
                let (pickle, _) = parse(pickle, 0)?;
                tree::tensors(&pickle, &storages)
            }
            Self::Legacy => {
                let (pickle, storages) = legacy::read(bytes)?;
                tree::tensors(&pickle, &storages)
            }
            Self::Plain => {
                let (pickle, _) = parse(bytes, 0)?;
                tree::tensors(&pickle, &Storages::none())
            }
        }
    }
}
