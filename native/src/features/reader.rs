//! Features from files: safetensors with `features` and `labels`, or a numpy array with the labels in a second one.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use parallax_probes::Features;
use serde_json::Value;

use super::array::{Array, Kind};
use super::npy;
use super::stream::Stream;
use crate::usage::BadArgument;

/// Bytes of a header at most.
const HEADER: u64 = 16 << 20;
/// Bytes of a block of rows.
const BLOCK: usize = 16 << 20;

/// The file of the labels of `F.npy`: `F.labels.npy`.
pub fn labels_path(features: &Path) -> PathBuf {
    features.with_extension("labels.npy")
}

/// A file of features that are read block by block.
pub struct FeatureFile {
    path: PathBuf,
    file: File,
    features: Array,
    labels: Vec<u32>,
    /// Names of the classes, if the file tells them.
    pub classes: Option<Vec<String>>,
    /// The rows of [`Stream::blocks`].
    rows: std::ops::Range<usize>,
}

impl FeatureFile {
    /// Opens a `.safetensors` or `.npy` file and reads its labels.
    pub fn open(path: &Path) -> Result<Self> {
        let found = match path.extension().and_then(|ending| ending.to_str()) {
            Some("safetensors") => safetensors(path),
            Some("npy") => numpy(path),
            _ => {
                let message = format!(
                    "{} is no file of features: they end in .safetensors or .npy",
                    path.display()
                );
                return Err(BadArgument(message).into());
            }
        };
        found.with_context(|| path.display().to_string())
    }

    fn new(
        path: &Path,
        (file, features): (File, Array),
        (mut labels_file, labels): (File, Array),
    ) -> Result<Self> {
        if features.shape.len() != 2 || !features.kind.is_float() || features.columns() == 0 {
            bail!(
                "the features are {} of shape {:?}; they must be floats of [examples, features]",
                features.kind.safetensors(),
                features.shape
            );
        }
        let rows = features.shape[0];
        if labels.shape != [rows] || labels.kind.is_float() {
            bail!(
                "{rows} examples need as many integer labels, but there are {} of shape {:?}",
                labels.kind.safetensors(),
                labels.shape
            );
        }
        if rows == 0 {
            bail!("it holds no example");
        }
        for (file, array) in [(&file, &features), (&labels_file, &labels)] {
            let (found, needed) = (file.metadata()?.len(), array.end());
            if found < needed {
                bail!("it is cut off: {found} bytes, not {needed}");
            }
        }
        let labels = labels.integers(&mut labels_file, 0..rows)?;
        let mut known = Vec::with_capacity(rows);
        for (index, label) in labels.into_iter().enumerate() {
            // A vote counts classes up to the highest label.
            let label = u32::try_from(label).ok().filter(|&label| label < 1 << 24);
            let label = label.with_context(|| {
                format!("example {index} has no class label: labels are 0 and more")
            });
            known.push(label?);
        }
        Ok(Self {
            path: path.to_path_buf(),
            file,
            features,
            labels: known,
            classes: None,
            rows: 0..rows,
        })
    }

    /// The name in messages.
    pub fn name(&self) -> String {
        self.path.display().to_string()
    }

    /// Values of an example.
    pub fn columns(&self) -> usize {
        self.features.columns()
    }

    /// Restricts the stream to some rows.
    pub fn narrow(&mut self, rows: std::ops::Range<usize>) {
        self.rows = rows;
    }
}

impl Stream for FeatureFile {
    fn labels(&self) -> Result<Vec<u32>> {
        Ok(self.labels[self.rows.clone()].to_vec())
    }

    fn blocks(&mut self, visit: &mut dyn FnMut(&Features) -> Result<()>) -> Result<()> {
        let columns = self.columns();
        let block = (BLOCK / (columns * self.features.kind.size())).max(1);
        for from in self.rows.clone().step_by(block) {
            let rows = from..(from + block).min(self.rows.end);
            let values = self.features.floats(&mut self.file, rows.clone());
            let values = values.with_context(|| self.path.display().to_string())?;
            let labels = self.labels[rows].to_vec();
            let features = Features::new(values, labels, columns);
            visit(&features.with_context(|| self.path.display().to_string())?)?;
        }
        Ok(())
    }
}

fn numpy(path: &Path) -> Result<FeatureFile> {
    let open = |path: &Path| -> Result<(File, Array)> {
        let mut file = File::open(path)?;
        let mut header = Vec::new();
        file.by_ref().take(1 << 16).read_to_end(&mut header)?;
        let array = npy::read(&header)?;
        Ok((file, array))
    };
    let beside = labels_path(path);
    let labels = open(&beside).with_context(|| {
        format!(
            "the labels belong into {}, which cannot be read",
            beside.display()
        )
    });
    FeatureFile::new(path, open(path)?, labels?)
}

fn safetensors(path: &Path) -> Result<FeatureFile> {
    let mut file = File::open(path)?;
    let mut size = [0; 8];
    file.read_exact(&mut size)?;
    let size = u64::from_le_bytes(size);
    if size > HEADER {
        bail!("it is not a safetensors file");
    }
    let mut header = Vec::new();
    file.by_ref().take(size).read_to_end(&mut header)?;
    let header: Value = serde_json::from_slice(&header).context("it is not a safetensors file")?;
    let array = |name: &str| {
        let entry = header.get(name);
        let entry = entry.with_context(|| format!("it holds no tensor '{name}'"))?;
        let kind = entry["dtype"].as_str().unwrap_or_default();
        let kind = Kind::of_safetensors(kind).with_context(|| {
            format!("'{name}' holds {kind}: save features as float32 or float64, labels as int64")
        })?;
        let sides = entry["shape"].as_array().map(Vec::as_slice);
        let shape = sides.unwrap_or_default().iter().filter_map(Value::as_u64);
        let begin = entry["data_offsets"][0].as_u64();
        Ok::<_, anyhow::Error>(Array {
            kind,
            shape: shape.map(|side| side as usize).collect(),
            offset: 8 + size + begin.context("a tensor has no place")?,
        })
    };
    let (features, labels) = (array("features")?, array("labels")?);
    let again = file.try_clone()?;
    let mut found = FeatureFile::new(path, (file, features), (again, labels))?;
    let classes = header["__metadata__"]["classes"].as_str();
    found.classes = classes.and_then(|names| serde_json::from_str(names).ok());
    Ok(found)
}
