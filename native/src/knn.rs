//! `parallax knn`.

use anyhow::Result;
use parallax_data::Source;
use parallax_probes::knn_accuracy;
use parallax_train::{encoder_from, features};
use pollster::block_on;
use serde_json::json;

use crate::cli::Knn;
use crate::data::{OnBadImage, Split};
use crate::sources::Sources;
use crate::{data, device, recipe, weights};

/// Prints the kNN accuracy of an encoder.
pub fn run(arguments: &Knn) -> Result<()> {
    let mut file = weights::read(&arguments.weights)?.file;
    if let (None, Some(name)) = (&file.recipe, &arguments.recipe) {
        file.recipe = Some(recipe::read(name, None, &[])?.to_toml()?);
    }
    let opened = device::open(&arguments.on.device)?;
    let branch = parallax_weights::Branch::from(arguments.branch);
    let (encoder, recipe) = encoder_from(&file, branch.prefix(), &opened.device)?;
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
            "kNN {knn:.1} % ({} images vote on {})",
            train.len(),
            test.len()
        );
    }
    Ok(())
}
