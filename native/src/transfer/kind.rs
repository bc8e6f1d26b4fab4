//! What tells detection and segmentation apart.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use parallax_train::RecipeError;
use parallax_transfer::{TransferModel, TransferRecipe};

use super::{Network, Picture, Scored};
use crate::data::progress::{Progress, Unit};
use crate::prefetch::Prefetch;
use crate::whole::write_whole;

/// The batch of a 0-based step: a pure function of it.
pub type Stream<E> = Arc<dyn Fn(u64) -> Result<Vec<E>> + Send + Sync>;

/// How an evaluation is watched.
pub struct Watch<'a> {
    /// Set by Ctrl-C.
    pub stop: &'a AtomicBool,
    /// Progress over the images.
    pub progress: Progress,
    /// Threads that load images.
    pub threads: usize,
}

impl Watch<'_> {
    /// Loads `count` times ahead, each time `images` images, and hands over what was loaded in its order; false where it was
    /// stopped.
    pub fn each<T: Send + 'static>(
        &self,
        title: &str,
        [count, images]: [u64; 2],
        load: impl Fn(u64) -> Result<T> + Clone + Send + 'static,
        mut each: impl FnMut(u64, T) -> Result<()>,
    ) -> Result<bool> {
        let mut loaded = Prefetch::start(load, 0, count, self.threads);
        self.progress.start(title, count * images, Unit::Images);
        for number in 0..count {
            if self.stop.load(Ordering::SeqCst) {
                self.progress.clear();
                return Ok(false);
            }
            each(number, loaded.next()?)?;
            self.progress.at((number + 1) * images);
        }
        self.progress.clear();
        Ok(true)
    }
}

/// The folder with what an evaluation found, in a run's or beside the weights.
pub const FOUND: &str = "eval";

/// What an evaluation found.
pub struct Evaluation {
    /// The scores.
    pub scored: Scored,
    /// Some of the images with what was found.
    pub pictures: Vec<Picture>,
    /// What was found in all images: names of files and their contents.
    pub files: Vec<(String, Vec<u8>)>,
}

impl Evaluation {
    /// Writes what was found into a folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        for (name, content) in &self.files {
            let path = folder.join(name);
            let parent = path.parent().unwrap_or(folder);
            std::fs::create_dir_all(parent)
                .with_context(|| format!("{} cannot be made", parent.display()))?;
            write_whole(&path, content)?;
        }
        Ok(())
    }
}

/// A task with its data.
pub trait Kind: Sized {
    /// The network.
    type Model: TransferModel<Batch = Vec<Self::Example>, Plan: Clone>;
    /// An image as the network takes it.
    type Example: Send + 'static;

    /// The command: `detect`.
    const NAME: &'static str;

    /// Refuses a recipe of another task.
    fn check(recipe: &TransferRecipe) -> Result<(), RecipeError>;

    /// A random network.
    fn model(
        recipe: &TransferRecipe,
        device: &Device,
    ) -> Result<(Self::Model, <Self::Model as TransferModel>::Plan), RecipeError>;

    /// Opens training images and test images.
    fn open(recipe: &TransferRecipe, train: &str, test: &str) -> Result<Self>;

    /// Numbers of training images and test images.
    fn counts(&self) -> [usize; 2];

    /// Names of the classes.
    fn classes(&self) -> &[String];

    /// The batches of a seed.
    fn stream(&self, recipe: &TransferRecipe, seed: u64) -> Result<Stream<Self::Example>>;

    /// A training image with what is known of it.
    fn picture(&self, example: &Self::Example) -> Picture;

    /// Scores a network on the test images; nothing where it was stopped.
    fn evaluate(
        &self,
        network: &mut Network<Self::Model>,
        device: &Device,
        watch: &Watch<'_>,
    ) -> Result<Option<Evaluation>>;
}
