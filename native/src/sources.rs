//! The images of a run.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use parallax_data::{Source, hold_out};
use parallax_train::Recipe;

use crate::data::{self, OnBadImage, Split, has_own_test};
use crate::usage::BadArgument;

/// What a run is trained and evaluated on.
pub struct Sources {
    /// Training images: the part of them that the recipe names, with the groups of its taxonomy as targets.
    pub train: Arc<dyn Source>,
    /// Labelled training images of all classes, for probes.
    pub bank: Arc<dyn Source>,
    /// Held-out images of all classes.
    pub test: Arc<dyn Source>,
    /// Images of the training split that cannot be read and are left out of every epoch.
    pub skipped: usize,
}

impl Sources {
    /// Opens the data that the recipe names. Of a folder without a test split, every fifth image is held out.
    pub fn open(recipe: &Recipe, on_bad: OnBadImage) -> Result<Self> {
        let section = &recipe.data;
        let (whole, skipped) = data::open_counted(&section.source, Split::Train, on_bad)?;
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
        let train = recipe.training_data(&bank)?;
        Ok(Self {
            train,
            bank,
            test,
            skipped,
        })
    }
}

/// Labelled images of the same classes, to learn from and to test on.
pub struct Pair {
    /// To learn from.
    pub train: Arc<dyn Source>,
    /// To test on.
    pub test: Arc<dyn Source>,
}

impl Pair {
    /// Opens the given sources; where none is given the images of the recipe's run.
    pub fn open(recipe: &Recipe, train: Option<&str>, test: Option<&str>) -> Result<Self> {
        let own = &recipe.data.source;
        let pair = match (train, test) {
            (None, None) => {
                let sources = Sources::open(recipe, OnBadImage::Error)?;
                Self {
                    train: sources.bank,
                    test: sources.test,
                }
            }
            (train, test) => {
                let open = |given: Option<&str>, split| {
                    data::open(given.unwrap_or(own), split, OnBadImage::Error)
                };
                Self {
                    train: open(train, Split::Train)?,
                    test: open(test, Split::Test)?,
                }
            }
        };
        same_classes(
            (pair.train.name(), pair.train.classes()),
            (pair.test.name(), pair.test.classes()),
        )?;
        Ok(pair)
    }
}

/// Refuses examples whose labels mean different classes. Each set has a name and the names of its classes.
pub fn same_classes(
    (train, train_classes): (&str, &[String]),
    (test, test_classes): (&str, &[String]),
) -> Result<()> {
    if train_classes == test_classes {
        return Ok(());
    }
    let missing = |from: &[String], of: &[String]| of.iter().find(|c| !from.contains(c)).cloned();
    let difference = match missing(test_classes, train_classes) {
        Some(class) => format!("{test} has no '{class}'"),
        None => match missing(train_classes, test_classes) {
            Some(class) => format!("{train} has no '{class}'"),
            None => "they are in another order".to_string(),
        },
    };
    let message = format!(
        "the classes of {train} ({}) and {test} ({}) differ: {difference}; both need the same classes",
        train_classes.len(),
        test_classes.len(),
    );
    Err(BadArgument(message).into())
}
