//! Features that were computed once, in the folder of an evaluation.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use parallax_data::Source;
use parallax_probes::Features;
use parallax_train::Extractor;
use parallax_weights::{NamedTensor, WeightFile};

use crate::features::{Images, Stream as _};
use crate::whole::write_whole;
use crate::{device, ranks};

/// The features of a source, of which each rank computes a part: those of an earlier process in `folder`, or computed and written there as `features`
/// `[n, features]` and `labels` `[n]` of `features/NAME.safetensors`. Without a folder they are computed and not kept.
pub fn of(
    extractor: &mut Extractor,
    source: &dyn Source,
    name: &str,
    folder: Option<&Path>,
) -> Result<Arc<Features>> {
    let Some(folder) = folder else {
        return Ok(Arc::new(compute(extractor, source, name)?));
    };
    let path = folder.join(format!("features/{name}.safetensors"));
    let (ranks, kept) = (ranks::here(), read(&path, source, extractor.columns()));
    let everywhere = !ranks.gather(&[u8::from(kept.is_some())])?.contains(&0);
    if let Some(features) = kept.filter(|_| everywhere) {
        return Ok(Arc::new(features));
    }
    let features = compute(extractor, source, name)?;
    if !ranks.is_first() {
        return Ok(Arc::new(features));
    }
    fs::create_dir_all(folder.join("features"))?;
    let (rows, columns) = (features.rows(), features.columns());
    let values = features.values().to_vec();
    let labels = features.labels().iter().map(|&label| label as f32);
    let file = WeightFile::new(
        name,
        vec![
            NamedTensor::new("features", vec![rows, columns], values),
            NamedTensor {
                integer: true,
                ..NamedTensor::new("labels", vec![rows], labels.collect())
            },
        ],
    );
    write_whole(&path, &file.to_bytes()?)?;
    Ok(Arc::new(features))
}

/// The features of a source.
pub fn compute(extractor: &mut Extractor, source: &dyn Source, name: &str) -> Result<Features> {
    let columns = extractor.columns();
    let what = format!("features of {name} images");
    let mut images = Images {
        extractor,
        source,
        what: &what,
        threads: device::threads(),
        ranks: ranks::here(),
    };
    let labels = images.labels()?;
    let mut values = Vec::with_capacity(labels.len() * columns);
    images.blocks(&mut |block| {
        values.extend_from_slice(block.values());
        Ok(())
    })?;
    Ok(Features::new(values, labels, columns)?)
}

/// Features that are whole and have the source's labels.
fn read(path: &Path, source: &dyn Source, columns: usize) -> Option<Features> {
    let bytes = fs::read(path).ok()?;
    let mut file = WeightFile::from_bytes("features", &bytes).ok()?;
    let labels = file.tensors.remove("labels")?.values;
    let labels: Vec<u32> = labels.into_iter().map(|label| label as u32).collect();
    let own = (0..source.len()).map(|index| source.label(index));
    if !own.eq(labels.iter().copied()) {
        return None;
    }
    let values = file.tensors.remove("features")?.values;
    Features::new(values, labels, columns).ok()
}
