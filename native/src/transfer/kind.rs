//! What tells detection and segmentation apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use burn::tensor::Device;
use parallax_train::RecipeError;
use parallax_transfer::{TransferModel, TransferRecipe};

use super::{Network, Picture, Scored};
use crate::data::progress::Progress;

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
    /// Whether to stop.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }
}

/// What an evaluation found.
pub struct Evaluation {
    /// The scores.
    pub scored: Scored,
    /// Some of the images with what was found.
    pub pictures: Vec<Picture>,
    /// What was found in all images: names of files and their contents.
    pub files: Vec<(String, Vec<u8>)>,
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
