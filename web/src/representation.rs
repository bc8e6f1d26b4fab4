//! The features of a run's encoder at a step, beside those of the same encoder at its initialisation.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::Device;
use js_sys::{Float32Array, Uint8Array, Uint32Array};
use parallax_data::Source;
use parallax_nets::ResNet;
use parallax_probes::{Confusion, Features, Knn, Neighbour, Queries, principal_plane};
use parallax_train::{DataShape, Extractor, ONLINE, RunError, WEIGHTS_FILE, encoder_from, read};
use parallax_views::{apply_all, eval_ops};
use parallax_weights::{WeightFile, collect};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::data::Data;
use crate::device;
use crate::linear::LinearCurve;
use crate::seen::look;
use crate::types::{
    ComparedEncoder, ConfusionTable, DeviceKind, HeldOut, NearImage, NearImages, Pixels, Seen,
};

/// Images whose features are computed at once, so that a step of a run in training does not wait long.
const BLOCK: usize = 100;
/// Largest side of a small image, in pixels.
const SMALL: u32 = 64;

/// An encoder as it was at a step and the same encoder at its initialisation, with their features of all images.
///
/// Features are computed block by block: call [`advance`](Representation::advance) until it returns 1.
#[wasm_bindgen]
pub struct Representation {
    step: u64,
    recipe: String,
    train: Arc<dyn Source>,
    test: Arc<dyn Source>,
    /// Trained, untrained.
    encoders: [Extraction; 2],
}

impl Representation {
    /// Of a trained backbone and the same one at its initialisation, both on `device`. `recipe` goes into weight files.
    pub(crate) fn of(
        step: u64,
        recipe: String,
        side: u32,
        [trained, random]: [ResNet; 2],
        (train, test): (Arc<dyn Source>, Arc<dyn Source>),
        device: &Device,
    ) -> Self {
        let extraction = |network| Extraction::new(network, side, device);
        Self {
            step,
            recipe,
            train,
            test,
            encoders: [extraction(trained), extraction(random)],
        }
    }

    /// Takes over the untrained encoder's features of an earlier step of the same run.
    pub(crate) fn with_untrained_of(mut self, earlier: Representation) -> Self {
        let [_, random] = earlier.encoders;
        self.encoders[1] = random;
        self
    }

    fn encoder(&self, encoder: ComparedEncoder) -> &Extraction {
        match encoder {
            ComparedEncoder::Trained => &self.encoders[0],
            ComparedEncoder::Random => &self.encoders[1],
        }
    }

    fn small(&self, source: &dyn Source, index: usize, side: u32) -> Result<Pixels, JsError> {
        let image = source.image(index)?;
        let ops = eval_ops(image.width, image.height, side);
        Ok((&apply_all(&image, &ops)?).into())
    }

    /// The side of small images: that of the held-out images, at most `SMALL`.
    fn side(&self) -> Result<u32, JsError> {
        let first = self.test.image(0)?;
        Ok(first.width.min(first.height).clamp(1, SMALL))
    }

    fn near(&self, encoder: ComparedEncoder, index: usize, side: u32) -> Result<Near, JsError> {
        let done = self.encoder(encoder).done()?;
        let neighbours = done
            .neighbours
            .get(index)
            .ok_or_else(|| JsError::new(&format!("there is no held-out image {index}")))?;
        let near = neighbours.iter().map(|neighbour| {
            let at = neighbour.index as usize;
            Ok(NearImage {
                index: neighbour.index,
                label: self.train.label(at),
                similarity: neighbour.similarity,
                image: self.small(self.train.as_ref(), at, side)?,
            })
        });
        near.collect()
    }
}

type Near = Vec<NearImage>;

#[wasm_bindgen]
impl Representation {
    /// The online encoder in the content of a `weights.safetensors`, with `data`; `step` is its number of steps, for display.
    pub async fn open(
        weights: Vec<u8>,
        data: Data,
        device: Ts<DeviceKind>,
        step: f64,
    ) -> Result<Representation, JsError> {
        let file = WeightFile::from_bytes(WEIGHTS_FILE, &weights)?;
        let sources = data.split()?;
        let device = device::open(device.to_rust()?).await?.probes;
        let (trained, recipe) = encoder_from(&file, ONLINE, &device)?;
        let random = recipe.method_config(1).random_backbone(&device);
        let side = recipe.views.size;
        let toml = recipe.to_toml()?;
        let networks = [trained, random];
        let step = step as u64;
        Ok(Self::of(step, toml, side, networks, sources, &device))
    }

    /// Steps that the encoder was trained for.
    #[wasm_bindgen(getter)]
    pub fn step(&self) -> f64 {
        self.step as f64
    }

    /// Computes the features of the next block of images. Returns the fraction that is done, 0 to 1.
    pub async fn advance(&mut self) -> Result<f64, JsError> {
        let (train, test) = (self.train.as_ref(), self.test.as_ref());
        for encoder in &mut self.encoders {
            if encoder.done.is_none() {
                encoder.advance(train, test).await?;
                break;
            }
        }
        let all = (self.train.len() + self.test.len()) as f64;
        let of_one = |encoder: &Extraction| match encoder.done {
            Some(_) => 1.0,
            None => encoder.next as f64 / (all + 1.0),
        };
        let done: f64 = self.encoders.iter().map(of_one).sum();
        Ok(done / self.encoders.len() as f64)
    }

    /// The held-out images, small.
    pub fn held_out(&self) -> Result<Ts<HeldOut>, JsError> {
        let (side, test) = (self.side()?, self.test.as_ref());
        let bytes = 4 * side * side;
        let rgba = Uint8Array::new_with_length(bytes * test.len() as u32);
        for index in 0..test.len() {
            let small = self.small(test, index, side)?;
            rgba.set(&small.rgba, bytes * index as u32);
        }
        let labels: Vec<u32> = (0..test.len()).map(|index| test.label(index)).collect();
        let held_out = HeldOut {
            side,
            rgba,
            labels: Uint32Array::from(labels.as_slice()),
            classes: test.classes().to_vec(),
        };
        Ok(held_out.into_ts()?)
    }

    /// First two principal components of the held-out features: x, y, x, y, ...
    pub fn embedding(&self, encoder: Ts<ComparedEncoder>) -> Result<Float32Array, JsError> {
        let plane = principal_plane(&self.encoder(encoder.to_rust()?).done()?.test);
        Ok(Float32Array::from(plane.as_slice()))
    }

    /// The training images that are nearest to a held-out one in both encoders, by cosine similarity of their features.
    pub fn neighbours(&self, index: usize, count: usize) -> Result<Ts<NearImages>, JsError> {
        let side = self.side()?;
        let near = |encoder| {
            let mut near = self.near(encoder, index, side)?;
            near.truncate(count);
            Ok::<_, JsError>(near)
        };
        let near = NearImages {
            index: index as u32,
            trained: near(ComparedEncoder::Trained)?,
            random: near(ComparedEncoder::Random)?,
        };
        Ok(near.into_ts()?)
    }

    /// The confusion matrix of the held-out images, whose classes their nearest neighbours vote for.
    pub fn confusion(&self, encoder: Ts<ComparedEncoder>) -> Result<Ts<ConfusionTable>, JsError> {
        let done = self.encoder(encoder.to_rust()?).done()?;
        let predicted = Knn::default().predict(&done.neighbours, done.train.labels());
        let classes = self.test.classes().len();
        confusion_table(&Confusion::new(done.test.labels(), &predicted, classes)?)
    }

    /// What an encoder sees in a held-out image.
    pub async fn look(
        &mut self,
        index: usize,
        encoder: Ts<ComparedEncoder>,
    ) -> Result<Ts<Seen>, JsError> {
        if index >= self.test.len() {
            return Err(JsError::new(&format!("there is no held-out image {index}")));
        }
        let at = match encoder.to_rust()? {
            ComparedEncoder::Trained => 0,
            ComparedEncoder::Random => 1,
        };
        let Extraction {
            network, extractor, ..
        } = &mut self.encoders[at];
        Ok(look(network, extractor, self.test.as_ref(), index)
            .await?
            .into_ts()?)
    }

    /// A linear evaluation on the features of an encoder.
    pub fn linear(&self, encoder: Ts<ComparedEncoder>) -> Result<LinearCurve, JsError> {
        let done = self.encoder(encoder.to_rust()?).done()?;
        let (train, test) = (Arc::clone(&done.train), Arc::clone(&done.test));
        LinearCurve::new(train, test, DataShape::of(self.train.as_ref()))
    }

    /// The weights of an encoder as a `weights.safetensors`: the backbone, without heads.
    pub async fn weights(&self, encoder: Ts<ComparedEncoder>) -> Result<Uint8Array, JsError> {
        let network = &self.encoder(encoder.to_rust()?).network;
        let file = WeightFile::new(WEIGHTS_FILE, collect(network, ONLINE).await?);
        let bytes = file.with_recipe(&self.recipe).to_bytes()?;
        Ok(Uint8Array::from(bytes.as_slice()))
    }
}

/// Counts as JavaScript sees them.
pub(crate) fn confusion_table(confusion: &Confusion) -> Result<Ts<ConfusionTable>, JsError> {
    let table = ConfusionTable {
        counts: Uint32Array::from(confusion.counts()),
        accuracy: confusion.accuracy(),
    };
    Ok(table.into_ts()?)
}

/// The features of one encoder, as far as they are computed.
struct Extraction {
    network: ResNet,
    extractor: Extractor,
    values: Vec<f32>,
    /// The next image: training images first, then held-out ones.
    next: usize,
    done: Option<Done>,
}

/// All features, and the nearest training images of each held-out image.
struct Done {
    train: Arc<Features>,
    test: Arc<Features>,
    neighbours: Vec<Vec<Neighbour>>,
}

impl Extraction {
    fn new(network: ResNet, side: u32, device: &Device) -> Self {
        Self {
            extractor: Extractor::new(&network, side, device),
            network,
            values: Vec::new(),
            next: 0,
            done: None,
        }
    }

    fn done(&self) -> Result<&Done, JsError> {
        let missing = || JsError::new("the features have not been computed yet");
        self.done.as_ref().ok_or_else(missing)
    }

    /// One block of images, or after the last one the nearest neighbours.
    async fn advance(&mut self, train: &dyn Source, test: &dyn Source) -> Result<(), RunError> {
        let (first, all) = (train.len(), train.len() + test.len());
        if self.next == all {
            self.done = Some(self.finish(train, test)?);
            return Ok(());
        }
        let (source, range) = if self.next < first {
            (train, block(self.next, first))
        } else {
            (test, block(self.next - first, test.len()))
        };
        self.next += range.len();
        let views = self.extractor.loader().load(source, range)?;
        let features = self.extractor.features(views)?;
        self.values.extend(read(features).await?);
        Ok(())
    }

    fn finish(&mut self, train: &dyn Source, test: &dyn Source) -> Result<Done, RunError> {
        let columns = self.extractor.columns();
        let labels = |source: &dyn Source| (0..source.len()).map(|at| source.label(at)).collect();
        let mut values = std::mem::take(&mut self.values);
        let of_test = values.split_off(train.len() * columns);
        let train = Features::new(values, labels(train), columns)?;
        let test = Features::new(of_test, labels(test), columns)?;
        let mut queries = Queries::new(&Device::flex());
        queries.add(&test)?;
        let mut search = queries.search(Knn::default().neighbours);
        search.add(&train)?;
        Ok(Done {
            neighbours: search.finish(),
            train: Arc::new(train),
            test: Arc::new(test),
        })
    }
}

fn block(from: usize, end: usize) -> Range<usize> {
    from..(from + BLOCK).min(end)
}
