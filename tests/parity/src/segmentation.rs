//! Steps of a small DeepLabV3, compared with PyTorch's (`transfer/deeplab.py`).

use burn::module::Module as _;
use burn::tensor::Device;
use parallax_transfer::segmenter::IGNORE;
use parallax_transfer::{Labelled, Segmenter, TransferError, TransferRecipe, TransferRun, weights};

use crate::inputs::mix;
use crate::transfer::{TransferCase, TransferResult, given, image, take};

/// The case.
pub const SEGMENTATION_CASE: &str = include_str!("../cases/transfer-deeplab.json");

/// The image that is segmented, and the size of the result.
const TEST: ([u32; 2], [u32; 2]) = ([120, 115], [90, 170]);
/// Labels and classes of a result that are compared: every so many rows and columns.
const LOOKS: [usize; 2] = [13, 17];

/// What Parallax gives.
pub struct Segmented {
    /// Steps and tensors.
    pub run: TransferResult,
    /// Logits of the test image before the first step, class by class, at some places.
    pub logits: Vec<f32>,
    /// Pixels of each class.
    pub segments: Vec<usize>,
}

impl TransferCase {
    /// Segments an image, takes all steps, and averages statistics. `device` is one without autodiff.
    ///
    /// # Errors
    /// When a step fails.
    pub async fn follow_segmenter(&self, device: &Device) -> Result<Segmented, TransferError> {
        let text = parallax_recipes::transfer("cityscapes").unwrap_or_default();
        let recipe = TransferRecipe::parse(text, &self.recipe)?;
        let graph = device.clone().autodiff();
        let (fresh, plan) = Segmenter::new(&recipe, &graph)?;
        let given = given(&fresh, self.seed).await?;
        let model = weights::load_all(fresh, &given)?;
        let classes = recipe.model.classes;
        let crop = recipe
            .segmenter
            .as_ref()
            .map_or([0; 2], |section| section.crop);
        let mut run = TransferRun::new(recipe, (model, plan), &graph);

        let (image, size) = (image(78, TEST.0), TEST.1);
        let mut model = run.model().valid();
        let logits = model.logits(run.plan(), &image, size, device)?;
        let found = model.segment(run.plan(), &image, size, device).await?;
        let mut segments = vec![0; classes];
        found
            .iter()
            .for_each(|&class| segments[usize::from(class)] += 1);
        let values = parallax_train::read_figures(logits.flatten(0, 3)).await?;
        let width = size[1] as usize;
        let mut looks = Vec::new();
        for class in 0..classes {
            for y in (0..size[0] as usize).step_by(LOOKS[0]) {
                for x in (0..width).step_by(LOOKS[1]) {
                    looks.push(values[(y * width + x) * classes + class] as f32);
                }
            }
        }

        let batches: Vec<_> = (0..self.steps.len() as u32)
            .map(|step| batch(step, crop, classes))
            .collect();
        let (steps, [after, precise]) = take(&mut run, &batches, device).await?;
        Ok(Segmented {
            run: TransferResult {
                found: Vec::new(),
                steps,
                tensors: [given.tensors, after, precise],
            },
            logits: looks,
            segments,
        })
    }
}

/// Two images with their labels.
fn batch(step: u32, crop: [u32; 2], classes: usize) -> Vec<Labelled> {
    let streams = (0..2).map(|number| 1000 + 16 * step + 4 * number);
    let labelled = |stream| Labelled {
        image: image(stream, crop),
        labels: labels(stream + 2, crop, classes),
    };
    streams.map(labelled).collect()
}

/// Blocks of 8 pixels of a class, every eighth pixel ignored.
fn labels(stream: u32, [height, width]: [u32; 2], classes: usize) -> Vec<u8> {
    let mut labels = Vec::with_capacity((height * width) as usize);
    for y in 0..height {
        for x in 0..width {
            let class = mix(stream, (y / 8) * 64 + x / 8) % classes as u32;
            labels.push(match mix(stream + 1, y * 1024 + x) >> 29 {
                0 => IGNORE,
                _ => class as u8,
            });
        }
    }
    labels
}
