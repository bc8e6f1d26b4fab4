//! Views of one image under any augmentation policy, and single operations on it.

use std::borrow::Cow;

use parallax_data::{Memory, Source, decode, sample};
use parallax_gpu_views::{Packer, ViewBatch, runs_on};
use parallax_views::{Image, Op, OpError, Pipeline, Policy, ViewKey, apply_all, eval_ops};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::data::{reduce, texts};
use crate::device::{self, Opened};
use crate::types::{DeviceKind, DrawnView, DrawnViews, OneOperation, PipelinePolicies, Pixels};

/// Short side in pixels that a visitor's image is reduced to, so that a crop of a large photo does not take longer than all that
/// follows.
const SHORT_SIDE: u32 = 512;

/// The pipelines of the paper with the policies of both views.
#[wasm_bindgen]
pub fn pipelines() -> Result<Vec<Ts<PipelinePolicies>>, JsError> {
    let policies = |pipeline: Pipeline| PipelinePolicies {
        name: pipeline.name().to_string(),
        policies: [pipeline.policy(0), pipeline.policy(1)],
    };
    let all = Pipeline::ALL.map(|pipeline| policies(pipeline).into_ts());
    Ok(all.into_iter().collect::<Result<_, _>>()?)
}

/// Draws views of an image: one of the sample, or the visitor's.
#[wasm_bindgen]
pub struct Augmenter {
    sample: Memory,
    own: Option<Image>,
    /// The image's index in the sample; none for the visitor's.
    index: Option<u32>,
    gpu: Option<Opened>,
}

impl Augmenter {
    fn image(&self) -> Result<Cow<'_, Image>, JsError> {
        match (self.index, &self.own) {
            (Some(index), _) => Ok(self.sample.image(index as usize)?),
            (None, Some(own)) => Ok(Cow::Borrowed(own)),
            (None, None) => Err(JsError::new("no image has been opened yet")),
        }
    }
}

#[wasm_bindgen]
impl Augmenter {
    /// Opens the sample's training half from its two files; its first image is in use.
    pub fn sample(sprite: &[u8], labels: &[u8]) -> Result<Augmenter, JsError> {
        Ok(Augmenter {
            sample: sample::from_bytes(sprite, labels)?,
            own: None,
            index: Some(0),
            gpu: None,
        })
    }

    /// Images in the sample.
    #[wasm_bindgen(getter)]
    pub fn len(&self) -> usize {
        self.sample.len()
    }

    /// Whether the sample has no images.
    #[wasm_bindgen(getter)]
    pub fn is_empty(&self) -> bool {
        self.sample.is_empty()
    }

    /// Uses an image of the sample by its index, or without one the visitor's image that was opened last.
    pub fn choose(&mut self, index: Option<u32>) -> Result<(), JsError> {
        let before = std::mem::replace(&mut self.index, index);
        if let Err(error) = self.image() {
            self.index = before;
            return Err(error);
        }
        Ok(())
    }

    /// Opens a JPEG, PNG or WebP file and uses it, downscaled to a short side of 512 pixels. `name` is for errors.
    pub fn open(&mut self, name: &str, bytes: &[u8]) -> Result<(), JsError> {
        self.own = Some(reduce(decode(bytes, name)?, SHORT_SIDE)?);
        self.index = None;
        Ok(())
    }

    /// The class of the sample's image; empty for the visitor's.
    #[wasm_bindgen(getter)]
    pub fn label(&self) -> String {
        let label = self.index.map(|index| self.sample.label(index as usize));
        let name = label.and_then(|label| self.sample.classes().get(label as usize));
        name.cloned().unwrap_or_default()
    }

    /// The image in use.
    #[wasm_bindgen(getter)]
    pub fn picture(&self) -> Result<Ts<Pixels>, JsError> {
        Ok(Pixels::from(&*self.image()?).into_ts()?)
    }

    /// Draws on WebGPU from now on and returns the adapter's name. What the kernels do not support is drawn by the CPU, with the
    /// same bits.
    pub async fn use_webgpu(&mut self) -> Result<String, JsError> {
        let opened = device::open(DeviceKind::Webgpu).await?;
        let name = opened.adapter.clone();
        self.gpu = Some(opened);
        Ok(name)
    }

    /// Draws on the CPU from now on.
    pub fn use_cpu(&mut self) {
        self.gpu = None;
    }

    /// The views of `size` x `size` pixels that a run of this seed draws of the image in its passes `first` to `first + count - 1`,
    /// one for each policy.
    pub async fn views(
        &self,
        policies: Vec<Ts<Policy>>,
        seed: u32,
        first: u32,
        count: u32,
        size: u32,
    ) -> Result<Ts<DrawnViews>, JsError> {
        let policies: Vec<Policy> = policies.iter().map(Ts::to_rust).collect::<Result<_, _>>()?;
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
        let views = |(ops, images): (&Vec<Vec<Op>>, &Vec<Image>)| {
            let views = ops.iter().zip(images);
            views.map(|(ops, image)| view(ops, image)).collect()
        };
        let passes = passes.iter().zip(&drawn).map(views).collect();
        Ok(DrawnViews { passes, device }.into_ts()?)
    }

    /// The image's central square of `size` pixels, before and after one operation.
    pub async fn apply(&self, op: Ts<Op>, size: u32) -> Result<Ts<OneOperation>, JsError> {
        let op = op.to_rust()?;
        let image = self.image()?;
        let before = apply_all(&image, &eval_ops(image.width, image.height, size))?;
        let text = op.to_string();
        let (after, _) = self.make(&before, &[vec![vec![op]]]).await?;
        let after = after.first().and_then(|views| views.first());
        let shown = OneOperation {
            after: after.unwrap_or(&before).into(),
            before: Pixels::from(&before),
            text,
        };
        Ok(shown.into_ts()?)
    }
}

/// The views of one image, by pass.
type Drawn = Vec<Vec<Image>>;

impl Augmenter {
    /// Applies many lists of operations to one image; also returns the device that computed the pixels.
    async fn make(
        &self,
        image: &Image,
        passes: &[Vec<Vec<Op>>],
    ) -> Result<(Drawn, DeviceKind), JsError> {
        if let Some(Opened { device, .. }) = &self.gpu
            && runs_on(device)
            && let Some(batch) = pack(image, passes)?
        {
            return Ok((batch.pixels(device).await?, DeviceKind::Webgpu));
        }
        let views = |ops: &Vec<Vec<Op>>| ops.iter().map(|ops| apply_all(image, ops)).collect();
        let drawn: Result<Drawn, OpError> = passes.iter().map(views).collect();
        Ok((drawn?, DeviceKind::Cpu))
    }
}

/// The views as a batch for the GPU; none where its kernels do not support an operation.
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

fn view(ops: &[Op], image: &Image) -> DrawnView {
    DrawnView {
        pixels: image.into(),
        ops: texts(ops),
        crop: crop(ops),
    }
}

/// Left, top, width and height of a view that begins with a crop.
fn crop(ops: &[Op]) -> Option<[u32; 4]> {
    match ops {
        [
            Op::Crop {
                left,
                top,
                width,
                height,
            },
            ..,
        ] => Some([*left, *top, *width, *height]),
        _ => None,
    }
}
