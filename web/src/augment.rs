//! Views of one image under any augmentation policies, and single operations on it.

use std::borrow::Cow;

use js_sys::Array;
use parallax_data::{Memory, Source, decode, sample};
use parallax_gpu_views::{Packer, ViewBatch, runs_on};
use parallax_views::{Image, Op, OpError, Pipeline, Policy, ViewKey, apply_all, eval_ops};
use wasm_bindgen::prelude::*;

use crate::data::reduce;
use crate::device::{self, Opened};
use crate::js::{object, rgba, texts};

/// Short side that the visitor's image is resized to, so that reading a large photo does not dominate the time of a view.
const SHORT_SIDE: u32 = 512;

/// The pipelines of the paper, with the policies of both views.
#[wasm_bindgen(unchecked_return_type = "PipelinePolicies[]")]
pub fn pipelines() -> Result<JsValue, JsError> {
    let all = Array::new();
    for pipeline in Pipeline::ALL {
        let policies = [pipeline.policy(0), pipeline.policy(1)];
        all.push(&object([
            ("name", pipeline.name().into()),
            ("policies", serde_wasm_bindgen::to_value(&policies)?),
        ]));
    }
    Ok(all.into())
}

/// Draws views of an image: one of the sample, or the visitor's.
#[wasm_bindgen]
pub struct Augmenter {
    sample: Memory,
    own: Option<Image>,
    /// The index of the image in the sample; `None` for the visitor's.
    index: Option<u32>,
    gpu: Option<Opened>,
}

impl Augmenter {
    fn image(&self) -> Result<Cow<'_, Image>, JsError> {
        match (self.index, &self.own) {
            (Some(index), _) => Ok(self.sample.image(index as usize)?),
            (None, Some(own)) => Ok(Cow::Borrowed(own)),
            (None, None) => Err(JsError::new("there is no picture of your own yet")),
        }
    }
}

#[wasm_bindgen]
impl Augmenter {
    /// Starts with the first image of the sample, from the files of its training split.
    pub fn sample(sprite: &[u8], labels: &[u8]) -> Result<Augmenter, JsError> {
        Ok(Augmenter {
            sample: sample::from_bytes(sprite, labels)?,
            own: None,
            index: Some(0),
            gpu: None,
        })
    }

    /// Number of images of the sample.
    #[wasm_bindgen(getter)]
    pub fn len(&self) -> usize {
        self.sample.len()
    }

    /// Whether the sample is empty.
    #[wasm_bindgen(getter)]
    pub fn is_empty(&self) -> bool {
        self.sample.is_empty()
    }

    /// Selects an image of the sample, or the visitor's image that was opened last.
    pub fn choose(&mut self, index: Option<u32>) -> Result<(), JsError> {
        let before = std::mem::replace(&mut self.index, index);
        if let Err(error) = self.image() {
            self.index = before;
            return Err(error);
        }
        Ok(())
    }

    /// Opens a JPEG, PNG or WebP file and resizes it where it is large.
    pub fn open(&mut self, name: &str, bytes: &[u8]) -> Result<(), JsError> {
        self.own = Some(reduce(decode(bytes, name)?, SHORT_SIDE)?);
        self.index = None;
        Ok(())
    }

    /// The class name of the selected image; empty for the visitor's.
    #[wasm_bindgen(getter)]
    pub fn label(&self) -> String {
        let label = self.index.map(|index| self.sample.label(index as usize));
        let name = label.and_then(|label| self.sample.classes().get(label as usize));
        name.cloned().unwrap_or_default()
    }

    /// The selected image.
    #[wasm_bindgen(getter, unchecked_return_type = "Pixels")]
    pub fn picture(&self) -> Result<JsValue, JsError> {
        Ok(pixels(&*self.image()?))
    }

    /// Switches to WebGPU and returns the name of the adapter. What the kernels do not support, the CPU computes, with the
    /// same bits.
    pub async fn use_webgpu(&mut self) -> Result<String, JsError> {
        let opened = device::open("webgpu").await?;
        let name = opened.adapter.clone();
        self.gpu = Some(opened);
        Ok(name)
    }

    /// Switches to the CPU.
    pub fn use_cpu(&mut self) {
        self.gpu = None;
    }

    /// The views that a run with this seed draws of the image in the epochs `first..first + count`, one for each policy.
    #[wasm_bindgen(unchecked_return_type = "DrawnViews")]
    pub async fn views(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Policy[]")] policies: JsValue,
        seed: u32,
        first: u32,
        count: u32,
        size: u32,
    ) -> Result<JsValue, JsError> {
        let policies: Vec<Policy> = serde_wasm_bindgen::from_value(policies)?;
        policies.iter().try_for_each(Policy::check)?;
        let image = self.image()?;
        let draw = |policy: &Policy, epoch: u32, view: u16| {
            let key = ViewKey {
                seed: seed.into(),
                epoch,
                sample: self.index.unwrap_or(0),
                view,
            };
            policy.draw(image.width, image.height, size, key)
        };
        let passes: Vec<Vec<Vec<Op>>> = (first..first.saturating_add(count))
            .map(|pass| {
                let views = policies.iter().zip(0..);
                views
                    .map(|(policy, view)| draw(policy, pass, view))
                    .collect()
            })
            .collect();
        let (drawn, device) = self.make(&image, &passes).await?;
        let shown: Array = passes
            .iter()
            .zip(&drawn)
            .map(|(passes, images)| {
                let views = passes.iter().zip(images);
                let views: Array = views.map(|(ops, image)| view(ops, image)).collect();
                views
            })
            .collect();
        Ok(object([
            ("passes", shown.into()),
            ("device", device.into()),
        ]))
    }

    /// The central square of `size` pixels of the image, before and after an operation.
    #[wasm_bindgen(unchecked_return_type = "OneOperation")]
    pub async fn apply(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Op")] op: JsValue,
        size: u32,
    ) -> Result<JsValue, JsError> {
        let op: Op = serde_wasm_bindgen::from_value(op)?;
        let image = self.image()?;
        let before = apply_all(&image, &eval_ops(image.width, image.height, size))?;
        let text = op.to_string();
        let (after, _) = self.make(&before, &[vec![vec![op]]]).await?;
        let after = after.first().and_then(|views| views.first());
        Ok(object([
            ("before", pixels(&before)),
            ("after", after.map_or(JsValue::NULL, pixels)),
            ("text", text.into()),
        ]))
    }
}

/// The views of one image, by epoch.
type Drawn = Vec<Vec<Image>>;

impl Augmenter {
    /// Applies lists of operations to an image. Returns the views, and the kind of device that computed them.
    async fn make(
        &self,
        image: &Image,
        passes: &[Vec<Vec<Op>>],
    ) -> Result<(Drawn, &'static str), JsError> {
        if let Some(Opened { device, .. }) = &self.gpu
            && runs_on(device)
            && let Some(batch) = pack(image, passes)?
        {
            return Ok((batch.pixels(device).await?, "webgpu"));
        }
        let views = |ops: &Vec<Vec<Op>>| ops.iter().map(|ops| apply_all(image, ops)).collect();
        let drawn: Result<Drawn, OpError> = passes.iter().map(views).collect();
        Ok((drawn?, "cpu"))
    }
}

/// The views packed for a GPU; `None` where its kernels do not support them.
fn pack(image: &Image, passes: &[Vec<Vec<Op>>]) -> Result<Option<ViewBatch>, JsError> {
    let mut packer = Packer::default();
    for views in passes {
        match packer.add(image, views) {
            Ok(()) => {}
            Err(error) if error.is_gpu_limit() => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Some(packer.finish()?))
}

fn view(ops: &[Op], image: &Image) -> JsValue {
    object([
        ("pixels", pixels(image)),
        ("ops", texts(ops)),
        ("crop", crop(ops)),
    ])
}

fn pixels(image: &Image) -> JsValue {
    object([
        ("width", image.width.into()),
        ("height", image.height.into()),
        ("rgba", rgba(image)),
    ])
}

/// Left, top, width and height of a view that begins with a crop.
fn crop(ops: &[Op]) -> JsValue {
    match ops {
        [
            Op::Crop {
                left,
                top,
                width,
                height,
            },
            ..,
        ] => Array::from_iter([left, top, width, height].map(|side| JsValue::from(*side))).into(),
        _ => JsValue::NULL,
    }
}

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** What of a picture a view shows; ranges are [least, most]. */
export type CropSpec = { kind: "random-crop"; area: [number, number]; aspect: [number, number] } | { kind: "central" };
/** A step that is taken with probability `p`. */
export type Step =
  | { step: "flip" | "grayscale"; p: number }
  | { step: "jitter"; p: number; brightness: number; contrast: number; saturation: number; hue: number }
  | { step: "blur"; p: number; sigma: [number, number] }
  | { step: "solarize"; p: number; threshold: number };
/** How a view is sampled. */
export interface Policy { crop: CropSpec; steps: Step[] }
/** A pipeline of the paper, and the policies of both views. */
export interface PipelinePolicies { name: string; policies: [Policy, Policy] }
/** One operation with all its parameters. */
export type Op =
  | { op: "crop"; left: number; top: number; width: number; height: number }
  | { op: "resize"; width: number; height: number }
  | { op: "hflip" | "grayscale" }
  | { op: "brightness" | "contrast" | "saturation"; factor: number }
  | { op: "hue"; delta: number }
  | { op: "blur"; sigma: number }
  | { op: "solarize"; threshold: number };
/** A picture, RGBA. */
export interface Pixels { width: number; height: number; rgba: Uint8Array }
/** A view, what was done for it, and the part of the picture that it shows: left, top, width, height. */
export interface DrawnView { pixels: Pixels; ops: string[]; crop: [number, number, number, number] | null }
/** Views by pass, and the device that made them. */
export interface DrawnViews { passes: DrawnView[][]; device: "webgpu" | "cpu" }
/** A picture before and after one operation. */
export interface OneOperation { before: Pixels; after: Pixels; text: string }
"#;
