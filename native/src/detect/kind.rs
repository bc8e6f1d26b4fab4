//! Detection as a task of training.

use std::sync::Arc;

use anyhow::Result;
use burn::tensor::Device;
use parallax_data::{DetectionExample, GroupedOrder};
use parallax_train::RecipeError;
use parallax_transfer::detector::DetectorPlan;
use parallax_transfer::{Detector, Example, TransferRecipe};
use parallax_views::{Canvas, Image, ViewKey};

use super::find;
use crate::data::annotated::{DetectionFolder, Purpose};
use crate::transfer::draw::{self, Shape};
use crate::transfer::{Evaluation, Kind, Network, Stream, Watch, unfit};

/// Detection with its data.
pub struct Detection {
    train: Arc<DetectionFolder>,
    test: Arc<DetectionFolder>,
}

impl Kind for Detection {
    type Model = Detector;
    type Example = Example;

    const NAME: &'static str = "detect";

    fn check(recipe: &TransferRecipe) -> Result<(), RecipeError> {
        match recipe.detector {
            Some(_) => Ok(()),
            None => Err(RecipeError::Value {
                key: "detector".to_string(),
                reason: "is missing: the recipe is one of `parallax segment`".to_string(),
            }),
        }
    }

    fn model(
        recipe: &TransferRecipe,
        device: &Device,
    ) -> Result<(Detector, DetectorPlan), RecipeError> {
        Detector::new(recipe, device)
    }

    fn open(recipe: &TransferRecipe, train: &str, test: &str) -> Result<Self> {
        let masks = recipe.has_masks();
        let train = DetectionFolder::open(train, Purpose::Train { masks })?;
        if train.left_out > 0 {
            eprintln!(
                "{}: {} images without objects are not trained on",
                train.name, train.left_out
            );
        }
        let classes = Some(train.classes.as_slice());
        let test = DetectionFolder::open(test, Purpose::Test { classes })?;
        Ok(Self {
            train: Arc::new(train),
            test: Arc::new(test),
        })
    }

    fn counts(&self) -> [usize; 2] {
        [&self.train, &self.test].map(|folder| folder.images.len())
    }

    fn classes(&self) -> &[String] {
        &self.train.classes
    }

    fn stream(&self, recipe: &TransferRecipe, seed: u64) -> Result<Stream<Example>> {
        let order = GroupedOrder::new(seed, self.train.sizes(), recipe.run.batch_size)?;
        let geometry = recipe.geometry();
        let (folder, masks) = (Arc::clone(&self.train), recipe.has_masks());
        Ok(Arc::new(move |step| {
            let mut canvas = Canvas::default();
            let batch = order.batch(step).into_iter().map(|sample| {
                let index = sample.index as usize;
                let image = folder.image(index)?;
                let key = ViewKey {
                    seed,
                    epoch: sample.epoch,
                    sample: sample.index,
                    view: 0,
                };
                let ops = geometry.draw(key, (image.width, image.height));
                let annotation = &folder.images[index];
                let example = DetectionExample::new(&image, annotation, &ops, masks, &mut canvas)
                    .map_err(|error| unfit(&annotation.file, &error))?;
                Ok(Example {
                    image: example.image,
                    boxes: example.boxes,
                    classes: example.classes,
                    polygons: example.polygons,
                })
            });
            batch.collect()
        }))
    }

    fn picture(&self, example: &Example) -> (String, Image) {
        let image = &example.image;
        let shapes: Vec<Shape> = (0..example.boxes.len())
            .map(|object| Shape {
                corners: example.boxes[object],
                class: example.classes[object],
                label: self.train.classes[example.classes[object]].clone(),
                mask: example.polygons.get(object).and_then(|polygons| {
                    let polygons = polygons.iter();
                    let masks = polygons.filter_map(|points| {
                        parallax_score::polygon::rasterize(points, image.height, image.width).ok()
                    });
                    let united = parallax_score::Rle::union(&masks.collect::<Vec<_>>())?;
                    Some(united.decode())
                }),
            })
            .collect();
        ("train".to_string(), draw::objects(image, &shapes))
    }

    fn evaluate(
        &self,
        network: &mut Network<Detector>,
        device: &Device,
        watch: &Watch<'_>,
    ) -> Result<Option<Evaluation>> {
        find::evaluate(network, &self.test, device, watch)
    }
}
