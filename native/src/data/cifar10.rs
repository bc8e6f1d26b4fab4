//! CIFAR-10 in the cache folder.
//!
//! The cache holds `cifar10/train.bin` and `cifar10/test.bin`, the concatenated binary batches of the publisher.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use parallax_data::{Memory, sample};
use parallax_views::Image;
use sha2::{Digest, Sha256};

use super::convert::{PLANE, RECORD, Raw, write};
use super::progress::{Progress, Unit};
use super::{Split, bad, hex};

/// Number of images of a split.
pub fn count(split: Split) -> usize {
    match split {
        Split::Train => 50_000,
        Split::Test => 10_000,
    }
}

/// SHA-256 of the records of a split, which are the same from every download.
fn digest(split: Split) -> &'static str {
    match split {
        Split::Train => "a0181da372c0d63a5920fdbea2ec3f83ecbc552d378218e1cb473cf634941a3b",
        Split::Test => "8e2eb146ae340b09e24670f29cabc6326dba54da8789dab6768acf480273f65b",
    }
}

/// The folder of the data set in a cache folder.
pub fn home(cache: &Path) -> PathBuf {
    cache.join("cifar10")
}

/// Opens a split of the fetched data set, after verifying it.
pub fn open(cache: &Path, split: Split) -> anyhow::Result<Memory> {
    let file = home(cache).join(format!("{split}.bin"));
    if !file.is_file() {
        let file = file.display();
        return Err(bad(format!(
            "CIFAR-10 has not been fetched ({file}); run `parallax data fetch cifar10`"
        )));
    }
    let records = fs::read(&file).with_context(|| format!("{}: cannot be read", file.display()))?;
    check(&records, split).with_context(|| {
        format!(
            "{}: damaged; delete it and run `parallax data fetch cifar10` again",
            file.display()
        )
    })?;
    let labels = records
        .chunks_exact(RECORD)
        .map(|record| u32::from(record[0]))
        .collect();
    let images = records
        .chunks_exact(RECORD)
        .map(|record| image(&record[1..]))
        .collect();
    Ok(Memory::new(
        "cifar10",
        images,
        labels,
        sample::class_names(),
    )?)
}

fn image(planes: &[u8]) -> Image {
    let data = (0..PLANE)
        .flat_map(|at| [planes[at], planes[at + PLANE], planes[at + 2 * PLANE]])
        .collect();
    Image {
        width: sample::SIDE,
        height: sample::SIDE,
        data,
    }
}

/// Verifies the records of a split: size, images of each class, digest.
fn check(records: &[u8], split: Split) -> anyhow::Result<()> {
    let (found, expected) = (records.len(), count(split) * RECORD);
    ensure!(
        found == expected,
        "the {split} split has {found} bytes, not {expected}"
    );
    let mut counts = [0usize; 10];
    for record in records.chunks_exact(RECORD) {
        match counts.get_mut(usize::from(record[0])) {
            Some(count) => *count += 1,
            None => bail!(
                "the {split} split has a label {}; labels are 0 to 9",
                record[0]
            ),
        }
    }
    let each = count(split) / counts.len();
    ensure!(
        counts == [each; 10],
        "the {split} split has {counts:?} images of its classes, not {each} of each"
    );
    let found = hex(&Sha256::digest(records));
    ensure!(
        found == digest(split),
        "the {split} split has the SHA-256 {found}, not {}",
        digest(split)
    );
    Ok(())
}

/// Converts and verifies both splits, then moves them to their final names.
pub(super) fn store(
    raw: &Raw,
    part: &Path,
    folder: &Path,
    progress: &Progress,
) -> anyhow::Result<()> {
    let total = [Split::Train, Split::Test]
        .map(|split| (count(split) * RECORD) as u64)
        .iter()
        .sum();
    progress.start("Converting and verifying", total, Unit::Bytes);
    let mut done = 0;
    for split in [Split::Train, Split::Test] {
        let mut records = Vec::with_capacity(count(split) * RECORD);
        write(
            raw,
            split,
            &mut Counted {
                inner: &mut records,
                done: &mut done,
                progress,
            },
        )?;
        check(&records, split)?;
        let path = part.join(format!("{split}.bin"));
        save(&records, &path).with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    for split in [Split::Train, Split::Test] {
        let name = format!("{split}.bin");
        fs::rename(part.join(&name), folder.join(&name))
            .context("cannot rename the fetched files")?;
    }
    Ok(())
}

fn save(records: &[u8], path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    file.write_all(records)?;
    file.into_inner()?.sync_all()
}

/// A writer that shows its progress.
struct Counted<'a> {
    inner: &'a mut Vec<u8>,
    done: &'a mut u64,
    progress: &'a Progress,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.inner.extend_from_slice(bytes);
        *self.done += bytes.len() as u64;
        self.progress.at(*self.done);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[path = "cifar10_tests.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
pub mod tests;
