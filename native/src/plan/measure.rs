//! Images a second of a step and of loading, timed here or known from elsewhere.

use std::borrow::Cow;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context as _, Result};
use image::codecs::jpeg::JpegEncoder;
use image::{Rgb, RgbImage};
use parallax_data::decode::decode;
use parallax_data::{Annotation, DataError, Source};
use parallax_train::{DataShape, Loader, Recipe, Run, StepCost};
use parallax_views::Image;

use super::estimate::Rates;
use crate::bench;
use crate::device::{self, Opened};
use crate::usage::BadArgument;

/// Timed steps grow until one takes so long, in seconds.
const ENOUGH: f64 = 1.0;
/// Images whose loading is timed.
const LOADED: usize = 16;

/// A device that was measured: images a second of supervised training of ResNet-50 at 224 px, views and loading included
/// (docs/benchmarks/gpu.md).
pub struct Profile {
    pub name: &'static str,
    images_per_second: f64,
}

const PROFILES: [Profile; 2] = [
    Profile {
        name: "h100",
        images_per_second: 784.0,
    },
    Profile {
        name: "h100-f16",
        images_per_second: 674.0,
    },
];

impl Profile {
    /// By its name.
    pub fn named(name: &str) -> Result<Self> {
        let known = PROFILES.map(|profile| profile.name).join(" and ");
        let found = PROFILES.into_iter().find(|profile| profile.name == name);
        found.ok_or_else(|| BadArgument(format!("--profile {name}: there are {known}")).into())
    }

    /// Its rates: the time of a step is in proportion to multiply-adds, which is too short for small networks.
    pub fn rates(&self, recipe: &Recipe, classes: usize) -> Result<Rates> {
        let text =
            "[method]\nname = 'supervised'\n[model]\narch = 'resnet50'\n[views]\nsize = 224\n";
        let measured = StepCost::of(&Recipe::parse(text, &[])?, 1000).multiply_adds as f64;
        let own = StepCost::of(recipe, classes).multiply_adds as f64;
        Ok(Rates {
            trained: self.images_per_second * measured / own,
            loaded: loading(recipe, &device::open("cpu")?)?,
            timed: None,
            on_cpu: false,
        })
    }
}

/// The rates on a device, with as many images of `batch` as can be timed in seconds.
pub fn rates(recipe: &Recipe, opened: &Opened, batch: usize, steps: u32) -> Result<Rates> {
    let mut images = batch.min(4);
    let seconds = loop {
        eprintln!("timing steps of {images} images on {}", opened.name);
        let seconds = step_seconds(recipe, opened, images, steps)?;
        if seconds > ENOUGH || images == batch {
            break seconds;
        }
        images = (2 * images).min(batch);
    };
    Ok(Rates {
        trained: images as f64 / seconds,
        loaded: loading(recipe, opened)?,
        timed: Some(images),
        on_cpu: opened.name == "cpu",
    })
}

/// Seconds of a step of so many images.
fn step_seconds(recipe: &Recipe, opened: &Opened, batch: usize, steps: u32) -> Result<f64> {
    let mut own = recipe.clone();
    (own.run.batch_size, own.run.accumulate) = (batch, 1);
    own.method.bn_groups = 1;
    own.data.class_ratio = 1.0;
    // A queue is a whole number of batches.
    own.method.queue = recipe.method.queue.next_multiple_of(batch);
    let source = photos(batch * (steps as usize + 1))?;
    let loader = Loader::new(&own, Arc::clone(&source), &opened.device)?;
    let mut run = Run::new(own, DataShape::of(source.as_ref()), &opened.device)?;
    bench::step_seconds(&mut run, &loader, steps)
}

/// Images a second that one thread decodes and augments for a device.
fn loading(recipe: &Recipe, opened: &Opened) -> Result<f64> {
    let mut own = recipe.clone();
    own.run.batch_size = LOADED;
    own.data.class_ratio = 1.0;
    let loader = Loader::new(&own, photos(LOADED)?, &opened.device)?;
    loader.load(0)?;
    let begin = Instant::now();
    loader.load(1)?;
    Ok(LOADED as f64 / begin.elapsed().as_secs_f64())
}

/// JPEG files of the usual size of ImageNet's.
struct Photos {
    file: Vec<u8>,
    count: usize,
    classes: Vec<String>,
}

fn photos(count: usize) -> Result<Arc<dyn Source>> {
    // Smooth colours with some grain, so that it compresses as a photo does.
    let image = RgbImage::from_fn(500, 375, |x, y| {
        let grain = (x.wrapping_mul(2_654_435_761) ^ y.wrapping_mul(2_246_822_519)) >> 27;
        let wave = |period: f32| 100.0 + 80.0 * ((x as f32 + 2.0 * y as f32) / period).sin();
        Rgb([wave(60.0), wave(33.0), wave(110.0)].map(|value| value as u8 + grain as u8))
    });
    let mut file = Cursor::new(Vec::new());
    image
        .write_with_encoder(JpegEncoder::new_with_quality(&mut file, 90))
        .context("an image for timing cannot be encoded")?;
    Ok(Arc::new(Photos {
        file: file.into_inner(),
        count: count.max(2),
        classes: (0..1000).map(|class| class.to_string()).collect(),
    }))
}

impl Source for Photos {
    fn len(&self) -> usize {
        self.count
    }

    fn classes(&self) -> &[String] {
        &self.classes
    }

    fn annotation(&self, index: usize) -> Result<Annotation, DataError> {
        Ok(Annotation::Class(index as u32 % 1000))
    }

    fn image(&self, _: usize) -> Result<Cow<'_, Image>, DataError> {
        Ok(Cow::Owned(decode(&self.file, self.name())?))
    }

    fn name(&self) -> &str {
        "photos"
    }
}
