//! Steps of small detectors, compared with PyTorch's (`transfer/generate.py`).

use std::collections::BTreeMap;

use burn::module::Module;
use burn::tensor::Device;
use parallax_transfer::detector::Found;
use parallax_transfer::{
    Detector, Example, PreciseBn, Ranking, TransferError, TransferModel, TransferRecipe,
    TransferReport, TransferRun, to_detectron2, weights,
};
use parallax_views::Image;
use parallax_weights::{NamedTensor, WeightFile, collect};
use serde::Deserialize;

use crate::inputs::{mix, noise};

/// Names and texts of the cases.
pub const TRANSFER_CASES: [(&str, &str); 4] = [
    (
        "c4-resnet18",
        include_str!("../cases/transfer-c4-resnet18.json"),
    ),
    (
        "c4-resnet50",
        include_str!("../cases/transfer-c4-resnet50.json"),
    ),
    ("c4-mask", include_str!("../cases/transfer-c4-mask.json")),
    ("fpn-mask", include_str!("../cases/transfer-fpn-mask.json")),
];

/// Images of a batch.
const SIZES: [[u32; 2]; 2] = [[64, 96], [80, 56]];
/// The image that is searched, and the size of the result.
const TEST: ([u32; 2], [u32; 2]) = ([72, 88], [100, 130]);

/// What PyTorch gives.
#[derive(Deserialize)]
pub struct TransferCase {
    task: String,
    pub(crate) recipe: Vec<String>,
    pub(crate) seed: u32,
    /// Of each step.
    pub steps: Vec<ExpectedStep>,
    /// Norm of the first step's gradient of each parameter.
    pub gradients: BTreeMap<String, f64>,
    /// Norm of each tensor after the last step.
    pub after: BTreeMap<String, f64>,
    /// Norm of the difference to what it was.
    pub moved: BTreeMap<String, f64>,
    /// Norms of running statistics after precise batch norm.
    pub precise: BTreeMap<String, f64>,
    /// Detections before the first step, best first.
    #[serde(default)]
    pub boxes: Vec<[f32; 4]>,
    /// Of each.
    #[serde(default)]
    pub scores: Vec<f32>,
    /// Of each.
    #[serde(default)]
    pub classes: Vec<usize>,
    /// Pixels of each mask.
    #[serde(default)]
    pub mask_areas: Vec<usize>,
    /// Of a segmenter: logits of a test image at some places.
    #[serde(default)]
    pub logits: Vec<f32>,
    /// Its pixels of each class.
    #[serde(default)]
    pub segments: Vec<usize>,
}

/// A step of PyTorch's.
#[derive(Deserialize)]
pub struct ExpectedStep {
    /// By name.
    pub losses: BTreeMap<String, f64>,
    /// Of all gradients.
    pub grad_norm: f64,
    /// Learning rate.
    pub lr: f64,
    /// Of each image.
    #[serde(default)]
    pub proposals: Vec<usize>,
    /// Counts over the batch.
    #[serde(default)]
    pub rpn_pos: usize,
    /// As `rpn_pos`.
    #[serde(default)]
    pub rpn_neg: usize,
    /// As `rpn_pos`.
    #[serde(default)]
    pub roi_fg: usize,
    /// As `rpn_pos`.
    #[serde(default)]
    pub roi_bg: usize,
}

/// What Parallax gives.
pub struct TransferResult {
    /// Detections before the first step.
    pub found: Vec<Found>,
    /// Of each step.
    pub steps: Vec<TransferReport>,
    /// Tensors before the first step, after the last one, and after precise batch norm, by detectron2's names.
    pub tensors: [BTreeMap<String, NamedTensor>; 3],
}

impl TransferCase {
    /// Reads a case.
    ///
    /// # Errors
    /// When it is not one.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Detects, takes `steps` steps, and averages statistics. `device` is one without autodiff.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn follow(
        &self,
        device: &Device,
        steps: usize,
    ) -> Result<TransferResult, TransferError> {
        let graph = device.clone().autodiff();
        let (mut run, given) = self.run(&graph).await?;
        let found = self.detect(&run, device).await?;
        let batches: Vec<_> = (0..steps)
            .map(|step| self.batch(step as u32, &run))
            .collect();
        let (steps, [after, precise]) = take(&mut run, &batches, device).await?;
        Ok(TransferResult {
            found,
            steps,
            tensors: [given.tensors, after, precise],
        })
    }

    /// The case's detections before the first step.
    ///
    /// # Errors
    /// When the device fails.
    pub async fn found(&self, device: &Device) -> Result<Vec<Found>, TransferError> {
        let graph = device.clone().autodiff();
        let (run, _) = self.run(&graph).await?;
        self.detect(&run, device).await
    }

    /// Compares detections with PyTorch's: classes, scores to 1e-4 of themselves, corners to 0.01 pixels, and areas of masks to two
    /// pixels, because one at the threshold may fall on either side.
    ///
    /// # Errors
    /// In words, where they differ.
    pub fn check_detections(&self, found: &[Found]) -> Result<(), String> {
        let expected = self.boxes.len();
        if found.len() != expected {
            return Err(format!("{} detections, expected {expected}", found.len()));
        }
        for (at, Found { detection, mask }) in found.iter().enumerate() {
            let (corners, score) = (self.boxes[at], self.scores[at]);
            let apart = |(found, expected): (&f32, f32)| (found - expected).abs() > 1e-2;
            let area = mask
                .as_ref()
                .map(|mask| mask.iter().map(|v| *v as usize).sum());
            let expected_area = self.mask_areas.get(at).copied();
            let other_mask = match (area, expected_area) {
                (Some(found), Some(expected)) => usize::abs_diff(found, expected) > 2,
                (found, expected) => found != expected,
            };
            if detection.class != self.classes[at]
                || (detection.score - score).abs() > 1e-4 * score
                || detection.corners.iter().zip(corners).any(apart)
                || other_mask
            {
                let class = self.classes[at];
                return Err(format!(
                    "detection {at}: {detection:?}, mask of {area:?} pixels, expected class {class}, score {score}, {corners:?}, \
                     mask of {expected_area:?} pixels"
                ));
            }
        }
        Ok(())
    }

    /// The run before its first step, and its weights. `graph` is a device with autodiff.
    async fn run(
        &self,
        graph: &Device,
    ) -> Result<(TransferRun<Detector>, WeightFile), TransferError> {
        let name = match self.task.as_str() {
            "voc-c4" => "voc07-c4",
            other => other,
        };
        let text = parallax_recipes::transfer(name).unwrap_or_default();
        let recipe = TransferRecipe::parse(text, &self.recipe)?;
        let (fresh, plan) = Detector::new(&recipe, graph)?;
        let given = given(&fresh, self.seed).await?;
        let model = weights::load_all(fresh, &given)?;
        Ok((TransferRun::new(recipe, (model, plan), graph), given))
    }

    async fn detect(
        &self,
        run: &TransferRun<Detector>,
        device: &Device,
    ) -> Result<Vec<Found>, TransferError> {
        let image = image(77, TEST.0);
        let mut inference = run.model().valid();
        inference.detect(run.plan(), &image, TEST.1, device).await
    }

    fn batch(&self, step: u32, run: &TransferRun<Detector>) -> Vec<Example> {
        let classes = run.recipe().model.classes as u32;
        let masks = run.recipe().has_masks();
        let images = SIZES.iter().zip(0u32..);
        images
            .map(|(&[height, width], number)| {
                let stream = 1000 + 16 * step + 4 * number;
                let units = noise(stream + 2, 12, 1.0, 0.5);
                let boxes: Vec<[f32; 4]> = units
                    .chunks_exact(4)
                    .map(|unit| {
                        let side = [0.25 + 0.4 * unit[2], 0.25 + 0.4 * unit[3]];
                        let corner = [unit[0] * (1.0 - side[0]), unit[1] * (1.0 - side[1])];
                        let (width, height) = (width as f32, height as f32);
                        [
                            corner[0] * width,
                            corner[1] * height,
                            (corner[0] + side[0]) * width,
                            (corner[1] + side[1]) * height,
                        ]
                    })
                    .collect();
                let polygons = boxes.iter().enumerate().map(|(at, corners)| {
                    let [x1, y1, x2, y2] = corners.map(f64::from);
                    let (x, y) = ((x1 + x2) / 2.0, (y1 + y2) / 2.0);
                    let mut own = vec![vec![x1, y1, x2, y, x, y2]];
                    if at == 0 {
                        own.push(vec![x1, y, x, y, x, y2, x1, y2]);
                    }
                    own
                });
                Example {
                    image: image(stream, [height, width]),
                    classes: (0..3)
                        .map(|at| (mix(stream + 3, at) % classes) as usize)
                        .collect(),
                    polygons: if masks {
                        polygons.collect()
                    } else {
                        Vec::new()
                    },
                    boxes,
                }
            })
            .collect()
    }
}

/// Takes a step on each batch, then averages statistics over them: the steps, and the tensors after both.
pub(crate) async fn take<M: TransferModel>(
    run: &mut TransferRun<M>,
    batches: &[M::Batch],
    device: &Device,
) -> Result<(Vec<TransferReport>, [BTreeMap<String, NamedTensor>; 2]), TransferError> {
    run.measure_norms(true);
    let mut steps = Vec::new();
    for batch in batches {
        steps.push(run.step(batch, Ranking::Keys).await?);
    }
    let mut precise = PreciseBn::default();
    let mut measured = run.model().valid();
    for batch in batches {
        precise
            .add(&mut measured, run.plan(), batch, Ranking::Keys, device)
            .await?;
    }
    let mut averaged = run.model().valid();
    precise.apply(&mut averaged);
    let named = |tensors: Vec<NamedTensor>| {
        let by_name = |tensor: NamedTensor| (tensor.name.clone(), tensor);
        tensors.into_iter().map(by_name).collect::<BTreeMap<_, _>>()
    };
    let after = named(weights::tensors(run.model()).await?);
    let precise = named(weights::tensors(&averaged).await?);
    Ok((steps, [after, precise]))
}

/// The weights of `transfer/generate.py`.
pub(crate) async fn given<M: Module>(model: &M, seed: u32) -> Result<WeightFile, TransferError> {
    let tensors = collect(model, "").await?;
    let names: Vec<String> = tensors.iter().map(|t| to_detectron2(&t.name)).collect();
    let tensors = tensors.iter().zip(&names).map(|(tensor, name)| {
        let values = values(name, &tensor.shape, &names, seed);
        NamedTensor::new(name.clone(), tensor.shape.clone(), values)
    });
    Ok(WeightFile::new("the case", tensors.collect()))
}

fn values(name: &str, shape: &[usize], all: &[String], seed: u32) -> Vec<f32> {
    let count = shape.iter().product();
    let fan_in = shape[1..].iter().product::<usize>() as f64;
    let of =
        |scale: f64, offset: f64| noise(stream_of(name).wrapping_add(seed), count, scale, offset);
    let second = name.contains(".conv2.norm") && !all.contains(&name.replace("conv2", "conv3"));
    let last = name.contains(".res") && (name.contains(".conv3.norm") || second);
    match name {
        _ if name.ends_with("running_mean") => of(0.2, 0.0),
        _ if name.ends_with("running_var") => of(0.2, 1.1),
        _ if name.contains(".norm.weight") && last => of(0.02, 0.15),
        _ if name.contains(".norm.weight") => of(0.2, 1.0),
        _ if name.ends_with("bias") => of(0.1, 0.0),
        _ if name.contains("anchor_deltas") || name.contains("bbox_pred") => {
            of(0.7 / fan_in.sqrt(), 0.0)
        }
        _ if name.contains("objectness") || name.contains("cls_score") => {
            of(3.5 / fan_in.sqrt(), 0.0)
        }
        _ => of(4.9 / fan_in.sqrt(), 0.0),
    }
}

/// FNV-1a of a name.
fn stream_of(name: &str) -> u32 {
    let bytes = name.bytes();
    bytes.fold(0x811C_9DC5, |value, byte| {
        (value ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    })
}

/// Blocks of 8 pixels with a little noise.
pub(crate) fn image(stream: u32, [height, width]: [u32; 2]) -> Image {
    let mut data = Vec::with_capacity((3 * height * width) as usize);
    for y in 0..height {
        for x in 0..width {
            for channel in 0..3 {
                let block = mix(stream, ((y / 8) * 64 + x / 8) * 4 + channel) >> 24;
                let pixel = mix(stream + 1, (y * 1024 + x) * 4 + channel) >> 26;
                data.push((block * 3 / 4 + pixel) as u8);
            }
        }
    }
    Image {
        width,
        height,
        data,
    }
}
