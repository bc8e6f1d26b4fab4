//! The images of a run.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use parallax_data::{Source, Subset, hold_out};
use parallax_train::Recipe;

use crate::data::{self, OnBadImage, Split, has_own_test};

/// What a run is trained and evaluated on.
pub struct Sources {
    /// Training images: those of the chosen classes, and of these the chosen ones.
    pub train: Arc<dyn Source>,
    /// Labelled training images of all classes, for probes.
    pub bank: Arc<dyn Source>,
    /// Held-out images of all classes.
    pub test: Arc<dyn Source>,
}

impl Sources {
    /// Opens the data that the recipe names. Of a folder without a test split, every fifth image is held out.
    pub fn open(recipe: &Recipe, on_bad: OnBadImage) -> Result<Self> {
        let section = &recipe.data;
        let whole = data::open(&section.source, Split::Train, on_bad)?;
        let (bank, test): (Arc<dyn Source>, Arc<dyn Source>) = if has_own_test(&section.source) {
            (whole, data::open(&section.source, Split::Test, on_bad)?)
        } else {
            let (bank, test) = hold_out(&whole).with_context(|| {
                format!(
                    "{} is too small to hold images out for testing",
                    section.source
                )
            })?;
            (Arc::new(bank), Arc::new(test))
        };
        let seed = recipe.run.seed;
        let mut train = Arc::clone(&bank);
        if section.class_ratio < 1.0 {
            train = Arc::new(Subset::of_classes(train, section.class_ratio, seed)?);
        }
        if section.image_ratio < 1.0 {
            train = Arc::new(Subset::of_images(train, section.image_ratio, seed)?);
        }
        Ok(Self { train, bank, test })
    }
}
