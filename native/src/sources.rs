//! The images of a run.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use parallax_data::{Source, Subset, hold_out};
use parallax_train::Recipe;

use crate::data::{self, OnBadImage, Split, has_own_test};
use crate::usage::BadArgument;

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
        same_classes(pair.train.as_ref(), pair.test.as_ref())?;
        Ok(pair)
    }
}

/// Refuses sources whose labels mean different classes.
fn same_classes(train: &dyn Source, test: &dyn Source) -> Result<()> {
    if train.classes() == test.classes() {
        return Ok(());
    }
    let lacking = |from: &dyn Source, of: &dyn Source| {
        let mut names = of.classes().iter();
        names.find(|name| !from.classes().contains(name)).cloned()
    };
    let difference = match (lacking(test, train), lacking(train, test)) {
        (Some(class), _) => format!("{} has no '{class}'", test.name()),
        (_, Some(class)) => format!("{} has no '{class}'", train.name()),
        _ => "they are in another order".to_string(),
    };
    let message = format!(
        "the classes of {} ({}) and {} ({}) differ: {difference}; both need the same classes",
        train.name(),
        train.classes().len(),
        test.name(),
        test.classes().len(),
    );
    Err(BadArgument(message).into())
}
