//! Images in a tab: the sample, or the visitor's own.

use std::collections::BTreeSet;
use std::sync::Arc;

use parallax_data::{Memory, Source, decode, hold_out, sample};
use parallax_views::{Image, Op, OpError};
use wasm_bindgen::prelude::*;

/// Short side in pixels that the visitor's images are reduced to: a tab's memory does not hold hundreds of photos at full size,
/// and the smallest crop of such an image is still larger than a view of 32 pixels.
const SHORT_SIDE: u32 = 160;

/// Training and held-out images, decoded. Passing it to a run moves it: it cannot be used again, but the run gives it back.
#[wasm_bindgen]
pub struct Data {
    split: Option<Split>,
    own: Vec<(Image, String)>,
}

#[wasm_bindgen]
impl Data {
    /// The sample of CIFAR-10 that the command line embeds, from its four files.
    pub fn sample(
        train_sprite: &[u8],
        train_labels: &[u8],
        test_sprite: &[u8],
        test_labels: &[u8],
    ) -> Result<Data, JsError> {
        let train = sample::from_bytes(train_sprite, train_labels)?;
        let test = sample::from_bytes(test_sprite, test_labels)?;
        Ok(Data::of((Arc::new(train), Arc::new(test))))
    }

    /// An empty data set: [`add`](Data::add) images one by one. A fifth of them is held out.
    pub fn own() -> Data {
        Data {
            split: None,
            own: Vec::new(),
        }
    }

    /// Decodes a JPEG, PNG or WebP file and adds it, downscaled to a short side of 160 pixels. `label` names its class; without
    /// classes, give all images the same. `name` is for errors.
    pub fn add(&mut self, name: &str, bytes: &[u8], label: &str) -> Result<(), JsError> {
        let image = reduce(decode(bytes, name)?, SHORT_SIDE)?;
        self.own.push((image, label.to_string()));
        Ok(())
    }

    /// Images, training and held out together.
    #[wasm_bindgen(getter)]
    pub fn len(&self) -> usize {
        match &self.split {
            Some((train, test)) => train.len() + test.len(),
            None => self.own.len(),
        }
    }

    /// Whether there are no images.
    #[wasm_bindgen(getter)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the classes, sorted.
    #[wasm_bindgen(getter)]
    pub fn classes(&self) -> Vec<String> {
        match &self.split {
            Some((train, _)) => train.classes().to_vec(),
            None => {
                let names: BTreeSet<&String> = self.own.iter().map(|(_, label)| label).collect();
                names.into_iter().cloned().collect()
            }
        }
    }
}

/// Downscales an image to a short side of at most `short_side` pixels.
pub(crate) fn reduce(image: Image, short_side: u32) -> Result<Image, OpError> {
    let short = image.width.min(image.height);
    if short <= short_side {
        return Ok(image);
    }
    let scaled = |side: u32| (u64::from(side) * u64::from(short_side) / u64::from(short)) as u32;
    let resize = Op::Resize {
        width: scaled(image.width),
        height: scaled(image.height),
    };
    resize.apply(&image)
}

/// Training and held-out sources.
pub(crate) type Split = (Arc<dyn Source>, Arc<dyn Source>);

impl Data {
    /// Images that are split already.
    pub(crate) fn of(split: Split) -> Data {
        Data {
            split: Some(split),
            own: Vec::new(),
        }
    }

    /// Splits into training and held-out images.
    pub(crate) fn split(self) -> Result<Split, JsError> {
        let classes = self.classes();
        if let Some(split) = self.split {
            return Ok(split);
        }
        let labels = self
            .own
            .iter()
            .map(|(_, name)| classes.binary_search(name).unwrap_or(0) as u32);
        let labels = labels.collect();
        let images = self.own.into_iter().map(|(image, _)| image).collect();
        let own: Arc<dyn Source> = Arc::new(Memory::new("own images", images, labels, classes)?);
        let (train, test) = hold_out(&own)?;
        Ok((Arc::new(train), Arc::new(test)))
    }
}

/// Operations as text.
pub(crate) fn texts(ops: &[Op]) -> Vec<String> {
    ops.iter().map(Op::to_string).collect()
}
