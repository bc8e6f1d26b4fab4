//! Where the encoded images of a source are: in files, in tar shards, in parquet files.

mod firsts;
pub mod held;
pub mod index;
mod names;
pub mod parquet;
pub mod paths;
pub mod shards;

use std::path::PathBuf;

use parallax_data::DataError;
use parallax_data::decode::dimensions;

/// Encoded images with random access, from several threads.
pub trait Store: Send + Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// The name of an image in messages: its file, or its shard and its name there.
    fn name(&self, index: usize) -> String;

    /// The name of an image within the source, without an extension: its key in shards.
    fn key(&self, index: usize) -> String;

    /// The file of an image; `None` where it has none of its own.
    fn path(&self, _index: usize) -> Option<PathBuf> {
        None
    }

    /// The bytes of an image's file.
    ///
    /// # Errors
    /// When they cannot be read.
    fn bytes(&self, index: usize) -> Result<Vec<u8>, DataError>;

    /// Up to `most` first bytes of an image's file.
    ///
    /// # Errors
    /// When they cannot be read.
    fn start(&self, index: usize, most: usize) -> Result<Vec<u8>, DataError>;
}

/// Bytes of a file that are enough to find the size of most images.
const HEADER: usize = 64 << 10;

/// Width and height of an image, from its header. Where the first bytes do not suffice, as in a JPEG file that begins with a
/// large preview, the whole file is read.
pub fn header(store: &dyn Store, index: usize) -> Result<(u32, u32), DataError> {
    let name = store.name(index);
    let start = store.start(index, HEADER)?;
    match dimensions(&start, &name) {
        Err(DataError::Decode { .. }) if start.len() >= HEADER => {
            dimensions(&store.bytes(index)?, &name)
        }
        other => other,
    }
}

/// An error of reading, which names the file or the image.
fn unreadable(name: impl Into<String>, reason: impl ToString) -> DataError {
    DataError::Read {
        name: name.into(),
        reason: reason.to_string(),
    }
}
