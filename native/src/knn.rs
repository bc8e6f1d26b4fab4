//! `parallax knn`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use parallax_data::Source;
use parallax_probes::knn_accuracy;
use parallax_train::{ONLINE, TARGET, WEIGHTS_FILE, encoder_from, features};
use parallax_weights::WeightFile;
use pollster::block_on;
use serde_json::json;

use crate::cli::{Branch, Knn};
use crate::data::{OnBadImage, Split};
use crate::sources::Sources;
use crate::{data, device};

/// Prints the accuracy of a file's encoder.
pub fn run(arguments: &Knn) -> Result<()> {
    let file = read(&arguments.weights)?;
    let opened = device::open(&arguments.on.device)?;
    let prefix = match arguments.branch {
        Branch::Online => ONLINE,
        Branch::Target => TARGET,
    };
    let (encoder, recipe) = encoder_from(&file, prefix, &opened.device)?;
    let own = &recipe.data.source;
    let (train, test) = match (&arguments.train, &arguments.test) {
        (None, None) => {
            let sources = Sources::open(&recipe, OnBadImage::Error)?;
            (sources.bank, sources.test)
        }
        (train, test) => {
            let open = |given: &Option<String>, split| {
                data::open(given.as_ref().unwrap_or(own), split, OnBadImage::Error)
            };
            (open(train, Split::Train)?, open(test, Split::Test)?)
        }
    };
    let of = |source: &dyn Source| {
        block_on(features(
            &encoder,
            source,
            recipe.views.size,
            &opened.device,
        ))
    };
    let knn = knn_accuracy(&of(train.as_ref())?, &of(test.as_ref())?)?;
    if arguments.json {
        println!(
            "{}",
            json!({ "knn": knn, "train": train.len(), "test": test.len() })
        );
    } else {
        println!(
            "kNN {knn:.1} % ({} pictures vote on {})",
            train.len(),
            test.len()
        );
    }
    Ok(())
}

/// A weight file, or the one in a checkpoint's folder.
fn read(path: &Path) -> Result<WeightFile> {
    let path = match path.is_dir() {
        true => path.join(WEIGHTS_FILE),
        false => path.to_path_buf(),
    };
    let bytes = fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(WeightFile::from_bytes(&path.display().to_string(), &bytes)?)
}
