//! AP and AR of COCO, of boxes and of masks, as pycocotools computes them (methods.md 7.8).

mod curve;
mod matching;

use std::collections::{BTreeMap, HashMap};

use parallax_data::coco::{CocoDataset, CocoDetection};
use serde::Serialize;

use crate::error::ScoreError;
use crate::mean;
use crate::rle::{Rle, mask};
use curve::Curves;
use matching::Pair;

/// What is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Boxes.
    Boxes,
    /// Masks.
    Masks,
}

/// The twelve numbers and the AP of each category, in percent; `None` where there is no object.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CocoScores {
    /// Mean over the IoU thresholds 0.50, 0.55, ... 0.95, all sizes, 100 detections an image.
    #[serde(rename = "AP")]
    pub ap: Option<f64>,
    /// At an IoU of 0.5.
    #[serde(rename = "AP50")]
    pub ap50: Option<f64>,
    /// At an IoU of 0.75.
    #[serde(rename = "AP75")]
    pub ap75: Option<f64>,
    /// Of objects with less than 32^2 pixels.
    #[serde(rename = "APs")]
    pub ap_small: Option<f64>,
    /// Of objects with 32^2 to 96^2 pixels.
    #[serde(rename = "APm")]
    pub ap_medium: Option<f64>,
    /// Of larger objects.
    #[serde(rename = "APl")]
    pub ap_large: Option<f64>,
    /// Recall with one detection an image and category.
    #[serde(rename = "AR1")]
    pub ar1: Option<f64>,
    /// With ten.
    #[serde(rename = "AR10")]
    pub ar10: Option<f64>,
    /// With a hundred.
    #[serde(rename = "AR100")]
    pub ar100: Option<f64>,
    /// Of objects with less than 32^2 pixels.
    #[serde(rename = "ARs")]
    pub ar_small: Option<f64>,
    /// Of objects with 32^2 to 96^2 pixels.
    #[serde(rename = "ARm")]
    pub ar_medium: Option<f64>,
    /// Of larger objects.
    #[serde(rename = "ARl")]
    pub ar_large: Option<f64>,
    /// AP of each category.
    pub per_category: BTreeMap<String, Option<f64>>,
}

/// Areas in pixels, both ends inside: all, small, medium, large.
const AREAS: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];

/// Detections an image and category that count, the best ones first.
const MOST: [usize; 3] = [1, 10, 100];

/// The IoU thresholds: `linspace(0.5, 0.95, 10)`.
fn thresholds() -> [f64; 10] {
    let mut values = [0.95; 10];
    for (at, value) in values.iter_mut().take(9).enumerate() {
        *value = 0.5 + at as f64 * ((0.95 - 0.5) / 9.0);
    }
    values
}

/// An object of the ground truth.
struct Truth {
    id: i64,
    area: f64,
    crowd: bool,
    shape: Shape,
}

/// A detection.
struct Found {
    score: f64,
    area: f64,
    shape: Shape,
}

enum Shape {
    Box([f64; 4]),
    Mask(Rle),
}

impl Shape {
    /// IoU of a detection with an object; of a crowd, the share of the detection that is in it.
    fn iou(detection: &Self, truth: &Self, crowd: bool) -> f64 {
        match (detection, truth) {
            (Self::Box(d), Self::Box(t)) => {
                let width = (d[2] + d[0]).min(t[2] + t[0]) - d[0].max(t[0]);
                let height = (d[3] + d[1]).min(t[3] + t[1]) - d[1].max(t[1]);
                if width <= 0.0 || height <= 0.0 {
                    return 0.0;
                }
                let (own, shared) = (d[2] * d[3], width * height);
                let union = match crowd {
                    true => own,
                    false => own + t[2] * t[3] - shared,
                };
                shared / union
            }
            (Self::Mask(d), Self::Mask(t)) => {
                let shared = d.intersection(t);
                let union = match crowd {
                    true => d.area(),
                    false => d.area() + t.area() - shared,
                };
                match shared {
                    0 => 0.0,
                    shared => shared as f64 / union as f64,
                }
            }
            _ => 0.0,
        }
    }
}

/// Scores detections against a data set.
///
/// # Errors
/// When a detection is of an unknown image or category, not finite, or lacks what is compared; when a mask cannot be read or
/// has another size than its image.
pub fn score(
    truth: &CocoDataset,
    detections: &[CocoDetection],
    task: Task,
) -> Result<CocoScores, ScoreError> {
    let mut images: Vec<_> = truth.images.iter().collect();
    images.sort_unstable_by_key(|image| image.id);
    let mut categories: Vec<_> = truth.categories.iter().collect();
    categories.sort_unstable_by_key(|category| category.id);
    let places = |ids: Vec<i64>| -> HashMap<i64, usize> {
        ids.into_iter()
            .enumerate()
            .map(|(at, id)| (id, at))
            .collect()
    };
    let image_at = places(images.iter().map(|image| image.id).collect());
    let category_at = places(categories.iter().map(|category| category.id).collect());

    // By category, then by image: objects and detections of both.
    let mut pairs: Vec<BTreeMap<usize, Pair>> =
        categories.iter().map(|_| BTreeMap::new()).collect();
    for annotation in &truth.annotations {
        let unknown = || format!("annotation {}", annotation.id);
        let (Some(&image), Some(&category)) = (
            image_at.get(&annotation.image_id),
            category_at.get(&annotation.category_id),
        ) else {
            return Err(ScoreError::Mask {
                of: unknown(),
                reason: "its image or its category is not listed".to_string(),
            });
        };
        let shape = match task {
            Task::Boxes => Shape::Box(annotation.bbox),
            Task::Masks => {
                let [height, width] = [images[image].height, images[image].width];
                let found = annotation.segmentation.as_ref();
                let missing = || ScoreError::Mask {
                    of: unknown(),
                    reason: "it has no 'segmentation'".to_string(),
                };
                Shape::Mask(mask(found.ok_or_else(missing)?, height, width, unknown)?)
            }
        };
        pairs[category]
            .entry(image)
            .or_default()
            .truths
            .push(Truth {
                id: annotation.id,
                area: annotation.area,
                crowd: annotation.iscrowd,
                shape,
            });
    }
    for (index, detection) in detections.iter().enumerate() {
        let image = image_at.get(&detection.image_id);
        let image = *image.ok_or_else(|| ScoreError::UnknownImage {
            index,
            image: detection.image_id.to_string(),
        })?;
        let category = category_at.get(&detection.category_id);
        let category = *category.ok_or_else(|| ScoreError::UnknownCategory {
            index,
            category: detection.category_id.to_string(),
        })?;
        let (shape, area) = match task {
            Task::Boxes => {
                let found = detection.bbox.ok_or(ScoreError::Missing {
                    index,
                    field: "bbox",
                })?;
                (Shape::Box(found), found[2] * found[3])
            }
            Task::Masks => {
                let [height, width] = [images[image].height, images[image].width];
                let found = detection.segmentation.as_ref();
                let found = found.ok_or(ScoreError::Missing {
                    index,
                    field: "segmentation",
                })?;
                let found = mask(found, height, width, || format!("detection {index}"))?;
                let area = found.area() as f64;
                (Shape::Mask(found), area)
            }
        };
        if !detection.score.is_finite() || !area.is_finite() {
            return Err(ScoreError::NotFinite { index });
        }
        pairs[category].entry(image).or_default().found.push(Found {
            // Without a negative zero, which would come behind zero.
            score: detection.score + 0.0,
            area,
            shape,
        });
    }
    let curves: Vec<Curves> = pairs
        .into_iter()
        .map(|of_images| Curves::of(of_images.into_values().collect()))
        .collect();
    let names = categories.iter().map(|category| category.name.clone());
    Ok(summary(&curves, names))
}

fn summary(curves: &[Curves], names: impl Iterator<Item = String>) -> CocoScores {
    let all: Vec<usize> = (0..10).collect();
    // Every precision or recall weighs the same; categories without an object have none.
    let ap = |thresholds: &[usize], area: usize| {
        let of = |curves: &Curves| curves.precision(thresholds, area);
        mean(curves.iter().filter_map(of)).map(|value| 100.0 * value)
    };
    let ar = |area: usize, most: usize| {
        let of = |curves: &Curves| curves.recall(area, most);
        mean(curves.iter().filter_map(of)).map(|value| 100.0 * value)
    };
    CocoScores {
        ap: ap(&all, 0),
        ap50: ap(&[0], 0),
        ap75: ap(&[5], 0),
        ap_small: ap(&all, 1),
        ap_medium: ap(&all, 2),
        ap_large: ap(&all, 3),
        ar1: ar(0, 0),
        ar10: ar(0, 1),
        ar100: ar(0, 2),
        ar_small: ar(1, 2),
        ar_medium: ar(2, 2),
        ar_large: ar(3, 2),
        per_category: names
            .zip(curves)
            .map(|(name, curves)| (name, curves.precision(&all, 0).map(|value| 100.0 * value)))
            .collect(),
    }
}
