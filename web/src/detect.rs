//! A detector in a tab: what it finds in an image, and how it comes to that.

use js_sys::{Array, Float32Array, Int32Array, Uint32Array};
use parallax_boxes::Corners;
use parallax_data::decode_upright;
use parallax_kernels::RoiAxis;
use parallax_train::WEIGHTS_FILE;
use parallax_transfer::detector::{CLASS_NMS, DetectorPlan, Examined, PROPOSAL_NMS};
use parallax_transfer::{Detector, TransferRecipe, weights};
use parallax_weights::WeightFile;
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::data::reduce;
use crate::device::{self, Opened};
use crate::types::{DeviceKind, NmsBoxes, PooledRegion, SearchedImage};

/// Short side in pixels that larger images are shown with.
const SHOWN: u32 = 480;

/// A trained Faster R-CNN and the image that it searched last.
#[wasm_bindgen]
pub struct ObjectDetector {
    model: Detector,
    plan: DetectorPlan,
    opened: Opened,
    last: Option<Last>,
}

struct Last {
    examined: Examined,
    scale: Scale,
}

/// From pixels of the network's image to those of the one that is shown, along x and y.
#[derive(Clone, Copy)]
struct Scale([f32; 2]);

#[wasm_bindgen]
impl ObjectDetector {
    /// From the content of a `weights.safetensors` that `parallax detect train` wrote.
    pub async fn open(weights: Vec<u8>, device: Ts<DeviceKind>) -> Result<ObjectDetector, JsError> {
        let file = WeightFile::from_bytes(WEIGHTS_FILE, &weights)?;
        let wrong = "This is not the weights.safetensors of a detector: choose one that `parallax detect train` wrote.";
        let text = file.recipe.as_ref().ok_or_else(|| JsError::new(wrong))?;
        let recipe = TransferRecipe::parse(text, &[]);
        let recipe = recipe.map_err(|error| JsError::new(&format!("{wrong} ({error})")))?;
        let opened = device::open(device.to_rust()?).await?;
        let (model, plan) = Detector::new(&recipe, &opened.device)?;
        let model = weights::load_all(model, &file)?;
        Ok(Self {
            model,
            plan,
            opened,
            last: None,
        })
    }

    /// Name of the adapter.
    #[wasm_bindgen(getter)]
    pub fn adapter(&self) -> String {
        self.opened.adapter.clone()
    }

    /// The number of classes.
    #[wasm_bindgen(getter)]
    pub fn classes(&self) -> usize {
        self.plan.recipe.model.classes
    }

    /// Detects objects in a JPEG, PNG or WebP file; `name` is for errors. Large images are shown smaller, and boxes are in pixels
    /// of the image that is shown.
    pub async fn search(
        &mut self,
        name: String,
        bytes: Vec<u8>,
    ) -> Result<Ts<SearchedImage>, JsError> {
        let image = decode_upright(&bytes, &name)?;
        let seen = self.plan.recipe.augment.test_image(&image)?;
        let image = reduce(image, SHOWN)?;
        let examined = self.model.examine(&self.plan, &seen, &self.opened.device);
        let examined = examined.await?;
        let scale = Scale([
            image.width as f32 / seen.width as f32,
            image.height as f32 / seen.height as f32,
        ]);
        let candidates = &examined.candidates;
        let objectness: Vec<f32> = candidates.logits.iter().copied().map(sigmoid).collect();
        let levels: Vec<u32> = candidates.levels.iter().map(|at| *at as u32).collect();
        let anchors: Vec<Corners> = (0..candidates.boxes.len())
            .map(|at| examined.anchor(at))
            .collect();
        let (scored, kept) = examined.scored([image.height, image.width]);
        let classes: Vec<u32> = scored.classes.iter().map(|at| *at as u32).collect();
        let searched = SearchedImage {
            network: [seen.width, seen.height],
            anchors: examined.anchors() as u32,
            candidates: NmsBoxes {
                boxes: scale.boxes(&candidates.boxes),
                scores: Float32Array::from(objectness.as_slice()),
                groups: Uint32Array::from(levels.as_slice()),
                suppressed_by: places(&examined.suppressed_candidates()),
                kept: numbers(&examined.proposals),
                threshold: PROPOSAL_NMS,
            },
            candidate_anchors: scale.boxes(&anchors),
            probabilities: Float32Array::from(examined.probabilities().as_slice()),
            scored_proposals: numbers(&scored.proposals),
            scored: NmsBoxes {
                boxes: scale.boxes(&scored.boxes),
                scores: Float32Array::from(scored.scores.as_slice()),
                groups: Uint32Array::from(classes.as_slice()),
                suppressed_by: places(&examined.suppressed_boxes(&scored)),
                kept: numbers(&kept),
                threshold: CLASS_NMS,
            },
            image: (&image).into(),
        };
        self.last = Some(Last { examined, scale });
        Ok(searched.into_ts()?)
    }

    /// What the second stage reads of a proposal of the image that was searched last.
    pub async fn pooled(&self, proposal: usize) -> Result<Ts<PooledRegion>, JsError> {
        let none = || JsError::new("no image has been searched yet");
        let Last { examined, scale } = self.last.as_ref().ok_or_else(none)?;
        let pooled = examined.pooled(proposal).await?;
        let axes = |of: fn(&RoiAxis) -> &Vec<f32>| {
            let axes = pooled.axes.iter().zip(scale.0);
            let scaled = axes.map(|(axis, scale)| {
                let values: Vec<f32> = of(axis).iter().map(|at| at * scale).collect();
                JsValue::from(Float32Array::from(values.as_slice()))
            });
            scaled.collect::<Array>()
        };
        let bins = pooled.side * pooled.side;
        let region = PooledRegion {
            edges: axes(|axis| &axis.edges),
            samples: axes(|axis| &axis.samples),
            side: pooled.side as u32,
            channels: (pooled.values.len() / bins) as u32,
            values: Float32Array::from(pooled.values.as_slice()),
        };
        Ok(region.into_ts()?)
    }
}

impl Scale {
    fn boxes(self, boxes: &[Corners]) -> Float32Array {
        let [x, y] = self.0;
        let scaled = boxes
            .iter()
            .flat_map(|[x1, y1, x2, y2]| [x1 * x, y1 * y, x2 * x, y2 * y]);
        Float32Array::from(scaled.collect::<Vec<f32>>().as_slice())
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

fn numbers(places: &[usize]) -> Uint32Array {
    let numbers: Vec<u32> = places.iter().map(|place| *place as u32).collect();
    Uint32Array::from(numbers.as_slice())
}

/// -1 for none.
fn places(places: &[Option<usize>]) -> Int32Array {
    let numbers = places.iter().map(|place| place.map_or(-1, |at| at as i32));
    Int32Array::from(numbers.collect::<Vec<i32>>().as_slice())
}
