//! Segmentation as a task of training.

use std::sync::Arc;

use anyhow::Result;
use burn::tensor::Device;
use parallax_data::{Order, SegmentationExample};
use parallax_train::RecipeError;
use parallax_transfer::segmenter::SegmenterPlan;
use parallax_transfer::{Labelled, Segmenter, TransferRecipe};
use parallax_views::{Canvas, ViewKey};

use super::find;
use crate::data::annotated::SegmentationFolder;
use crate::transfer::{Evaluation, Kind, Network, Picture, Stream, Watch, draw, unfit};

/// Segmentation with its data.
pub struct Segmentation {
    train: Arc<SegmentationFolder>,
    test: Arc<SegmentationFolder>,
    classes: Vec<String>,
}

impl Kind for Segmentation {
    type Model = Segmenter;
    type Example = Labelled;

    const NAME: &'static str = "segment";

    fn check(recipe: &TransferRecipe) -> Result<(), RecipeError> {
        match recipe.segmenter {
            Some(_) => Ok(()),
            None => Err(RecipeError::Value {
                key: "segmenter".to_string(),
                reason: "is missing: the recipe is one of `parallax detect`".to_string(),
            }),
        }
    }

    fn model(
        recipe: &TransferRecipe,
        device: &Device,
    ) -> Result<(Segmenter, SegmenterPlan), RecipeError> {
        Segmenter::new(recipe, device)
    }

    fn open(_: &TransferRecipe, train: &str, test: &str) -> Result<Self> {
        Ok(Self {
            train: Arc::new(SegmentationFolder::open(train)?),
            test: Arc::new(SegmentationFolder::open(test)?),
            classes: SegmentationFolder::classes(),
        })
    }

    fn counts(&self) -> [usize; 2] {
        [self.train.len(), self.test.len()]
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn stream(&self, recipe: &TransferRecipe, seed: u64) -> Result<Stream<Labelled>> {
        let order = Order::new(seed, self.train.len())?;
        let geometry = recipe.geometry();
        let (folder, size) = (Arc::clone(&self.train), recipe.run.batch_size);
        Ok(Arc::new(move |step| {
            let mut canvas = Canvas::default();
            let samples = order.batch(step * size as u64, size).into_iter();
            let batch = samples.map(|sample| {
                let index = sample.index as usize;
                let (image, map) = (folder.image(index)?, folder.labels(index)?);
                let key = ViewKey {
                    seed,
                    epoch: sample.epoch,
                    sample: sample.index,
                    view: 0,
                };
                let ops = geometry.draw(key, (image.width, image.height));
                let id = folder.id(index);
                let example =
                    SegmentationExample::new(id.to_string(), &image, &map, &ops, &mut canvas)
                        .map_err(|error| unfit(id, &error))?;
                Ok(Labelled {
                    image: example.image,
                    labels: example.labels,
                })
            });
            batch.collect()
        }))
    }

    fn picture(&self, example: &Labelled) -> Picture {
        let drawn = draw::classes(&example.image, &example.labels, &self.classes);
        ("train".to_string(), drawn)
    }

    fn evaluate(
        &self,
        network: &mut Network<Segmenter>,
        device: &Device,
        watch: &Watch<'_>,
    ) -> Result<Option<Evaluation>> {
        find::evaluate(network, &self.test, device, watch)
    }
}
