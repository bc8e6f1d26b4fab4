//! Detections in a set of images, and their scores.

use std::sync::Arc;

use anyhow::Result;
use burn::tensor::Device;
use parallax_data::coco::{CocoDetection, Segmentation};
use parallax_score::voc::VocDetection;
use parallax_score::{Rle, coco, voc};
use parallax_transfer::Detector;
use parallax_transfer::detector::Found;
use parallax_views::Image;
use pollster::block_on;
use serde_json::{Value, json};

use crate::data::annotated::{DetectionFolder, Truth};
use crate::transfer::draw::{self, Shape};
use crate::transfer::{Evaluation, Network, Scored, Watch, unfit};

/// Test images that are drawn.
const DRAWN: usize = 4;
/// Detections from this score on are drawn.
pub const SHOWN: f32 = 0.5;

/// A detection in one of a set of images.
struct Detected {
    image: usize,
    class: usize,
    /// x1, y1, x2, y2 in pixels of the image in its file.
    corners: [f32; 4],
    score: f32,
    mask: Option<Rle>,
}

/// What a network finds in an image, with boxes and masks for its own size.
pub fn find(network: &mut Network<Detector>, image: &Image, device: &Device) -> Result<Vec<Found>> {
    let tested = network
        .recipe
        .augment
        .test_image(image)
        .map_err(|error| unfit("the image", &error))?;
    find_in(network, &tested, [image.height, image.width], device)
}

fn find_in(
    network: &mut Network<Detector>,
    tested: &Image,
    output: [u32; 2],
    device: &Device,
) -> Result<Vec<Found>> {
    let found = network.model.detect(&network.plan, tested, output, device);
    Ok(block_on(found)?)
}

/// Scores a network on test images; nothing where it was stopped.
pub fn evaluate(
    network: &mut Network<Detector>,
    folder: &Arc<DetectionFolder>,
    device: &Device,
    watch: &Watch<'_>,
) -> Result<Option<Evaluation>> {
    let images = folder.images.len();
    let augment = network.recipe.augment.clone();
    let load = {
        let folder = Arc::clone(folder);
        move |index: u64| {
            let image = folder.image(index as usize)?;
            let tested = augment
                .test_image(&image)
                .map_err(|error| unfit(&folder.images[index as usize].file, &error))?;
            Ok((image, tested))
        }
    };
    let (mut all, mut pictures) = (Vec::new(), Vec::new());
    let done = watch.each(
        "Detecting objects",
        [images as u64, 1],
        load,
        |index, loaded| {
            let index = index as usize;
            let (image, tested) = loaded;
            let size = [image.height, image.width];
            let found = find_in(network, &tested, size, device)?;
            if index < DRAWN {
                let drawn = draw::objects(&image, &shapes(&found, &folder.classes, SHOWN));
                pictures.push(("test".to_string(), drawn));
            }
            all.extend(found.into_iter().map(|found| Detected {
                image: index,
                class: found.detection.class,
                corners: found.detection.corners,
                score: found.detection.score,
                mask: found.mask.map(|mask| Rle::encode(&mask, size[0], size[1])),
            }));
            Ok(())
        },
    )?;
    if !done {
        return Ok(None);
    }
    let (scored, written) = scored(folder, &all)?;
    let text = serde_json::to_vec(&written)?;
    Ok(Some(Evaluation {
        scored,
        pictures,
        files: vec![("detections.json".to_string(), text)],
    }))
}

/// Detections to draw, by descending score.
pub fn shapes(found: &[Found], classes: &[String], least: f32) -> Vec<Shape> {
    let shown = found.iter().filter(|found| found.detection.score >= least);
    shown
        .map(|found| {
            let (class, score) = (found.detection.class, found.detection.score);
            Shape {
                corners: found.detection.corners,
                class,
                label: format!("{} {score:.2}", name(classes, class)),
                mask: found.mask.clone(),
            }
        })
        .collect()
}

/// The name of a class, or its number.
pub fn name(classes: &[String], class: usize) -> String {
    let number = || format!("class {class}");
    classes.get(class).cloned().unwrap_or_else(number)
}

/// Scores, and the detections in the benchmark's format.
fn scored(folder: &DetectionFolder, all: &[Detected]) -> Result<(Scored, Value)> {
    match &folder.truth {
        Truth::Voc(truth) => {
            let lines = all.iter().map(|found| {
                json!({
                    "image_id": folder.images[found.image].id,
                    "category": folder.classes[found.class],
                    "box": found.corners,
                    "score": found.score,
                })
            });
            let rounded = all.iter().map(|found| {
                VocDetection::rounded(
                    folder.images[found.image].id.clone(),
                    folder.classes[found.class].clone(),
                    found.corners.map(f64::from),
                    f64::from(found.score),
                )
            });
            let scores = voc::score(truth, &rounded.collect::<Vec<_>>(), &folder.classes)?;
            Ok((Scored::Voc07(scores), lines.collect()))
        }
        Truth::Coco(truth) => {
            let mut categories: Vec<i64> = truth.categories.iter().map(|found| found.id).collect();
            categories.sort_unstable();
            let detections: Vec<CocoDetection> = all
                .iter()
                .map(|found| {
                    let [x1, y1, x2, y2] = found.corners;
                    CocoDetection {
                        // Ids were written from numbers.
                        image_id: folder.images[found.image].id.parse().unwrap_or_default(),
                        category_id: categories[found.class],
                        bbox: Some([x1, y1, x2 - x1, y2 - y1].map(f64::from)),
                        segmentation: found.mask.as_ref().map(|mask| Segmentation::Compressed {
                            size: [mask.height, mask.width],
                            counts: mask.to_text(),
                        }),
                        score: f64::from(found.score),
                    }
                })
                .collect();
            let score = |task| coco::score(truth, &detections, task).map(Box::new);
            let bbox = score(coco::Task::Boxes)?;
            let has_masks = all.iter().any(|found| found.mask.is_some());
            let segm = match has_masks {
                true => Some(score(coco::Task::Masks)?),
                false => None,
            };
            let lines = detections.iter().map(coco_line);
            Ok((Scored::Coco { bbox, segm }, lines.collect()))
        }
    }
}

fn coco_line(found: &CocoDetection) -> Value {
    let mut line = json!({
        "image_id": found.image_id,
        "category_id": found.category_id,
        "bbox": found.bbox,
        "score": found.score,
    });
    if let Some(Segmentation::Compressed { size, counts }) = &found.segmentation {
        line["segmentation"] = json!({"size": size, "counts": counts});
    }
    line
}
