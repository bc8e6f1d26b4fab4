//! The images of a run.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use parallax_data::{Source, Subset, hold_out};
use parallax_train::Recipe;

use crate::data::{self, OnBadImage, Split, has_own_test};

/// What a run learns from and is judged by.
pub struct Sources {
    /// Images of the chosen classes: the views come from these.
    pub train: Arc<dyn Source>,
    /// Labelled images of all classes that the probes learn from.
    pub bank: Arc<dyn Source>,
    /// Held-out images of all classes.
    pub test: Arc<dyn Source>,
}

impl Sources {
    /// Opens what the recipe names. A folder without a test part has every fifth image held out.
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
        let train: Arc<dyn Source> = match section.class_ratio < 1.0 {
            true => {
                let source = Arc::clone(&bank);
                Arc::new(Subset::of_classes(
                    source,
                    section.class_ratio,
                    recipe.run.seed,
                )?)
            }
            false => Arc::clone(&bank),
        };
        Ok(Self { train, bank, test })
    }
}
