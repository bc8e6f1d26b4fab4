//! Pictures in a tab: the sample, or the visitor's own.

use std::collections::BTreeSet;
use std::sync::Arc;

use parallax_data::{Memory, Source, decode, hold_out, sample};
use parallax_views::{Image, Op, OpError};
use wasm_bindgen::prelude::*;

/// Short side that own pictures are reduced to: a tab's memory does not hold hundreds of photos as they
/// come, and the smallest crop of such a picture is still larger than a view of 32 pixels.
const SHORT_SIDE: u32 = 160;

/// Training and held-out pictures.
#[wasm_bindgen]
pub struct Data {
    sample: Option<(Arc<Memory>, Arc<Memory>)>,
    own: Vec<(Image, String)>,
}

#[wasm_bindgen]
impl Data {
    /// The embedded sample of the command line, from its four files.
    pub fn sample(
        train_sprite: &[u8],
        train_labels: &[u8],
        test_sprite: &[u8],
        test_labels: &[u8],
    ) -> Result<Data, JsError> {
        let train = sample::from_bytes(train_sprite, train_labels)?;
        let test = sample::from_bytes(test_sprite, test_labels)?;
        Ok(Data {
            sample: Some((Arc::new(train), Arc::new(test))),
            own: Vec::new(),
        })
    }

    /// No pictures yet: add them one by one.
    pub fn own() -> Data {
        Data {
            sample: None,
            own: Vec::new(),
        }
    }

    /// Adds a picture; `label` is its folder's name, or any one text for pictures without classes.
    pub fn add(&mut self, name: &str, bytes: &[u8], label: &str) -> Result<(), JsError> {
        let image = reduce(decode(bytes, name)?, SHORT_SIDE)?;
        self.own.push((image, label.to_string()));
        Ok(())
    }

    /// How many pictures there are, training and held out.
    #[wasm_bindgen(getter)]
    pub fn len(&self) -> usize {
        match &self.sample {
            Some((train, test)) => train.len() + test.len(),
            None => self.own.len(),
        }
    }

    /// Whether there are none.
    #[wasm_bindgen(getter)]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Names of the classes.
    #[wasm_bindgen(getter)]
    pub fn classes(&self) -> Vec<String> {
        match &self.sample {
            Some((train, _)) => train.classes().to_vec(),
            None => {
                let names: BTreeSet<&String> = self.own.iter().map(|(_, label)| label).collect();
                names.into_iter().cloned().collect()
            }
        }
    }
}

/// A picture whose short side is at most `short_side` pixels.
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
type Split = (Arc<dyn Source>, Arc<dyn Source>);

impl Data {
    /// Parts what trains from what is held out.
    pub(crate) fn split(self) -> Result<Split, JsError> {
        let classes = self.classes();
        if let Some((train, test)) = self.sample {
            return Ok((train, test));
        }
        let labels = self
            .own
            .iter()
            .map(|(_, name)| classes.binary_search(name).unwrap_or(0) as u32);
        let labels = labels.collect();
        let images = self.own.into_iter().map(|(image, _)| image).collect();
        let own: Arc<dyn Source> = Arc::new(Memory::new("own pictures", images, labels, classes)?);
        let (train, test) = hold_out(&own)?;
        Ok((Arc::new(train), Arc::new(test)))
    }
}
