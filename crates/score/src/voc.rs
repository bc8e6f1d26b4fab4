//! AP of PASCAL VOC 2007 as detectron2 computes it (methods.md 7.8): eleven recalls, boxes with both ends inside, IoU above
//! the threshold, detections rounded as they are written to the devkit's files.

use std::collections::{BTreeMap, HashMap};

use parallax_data::voc::VocAnnotation;
use serde::Serialize;

use crate::error::ScoreError;
use crate::mean;

/// A detection.
#[derive(Clone, Debug, PartialEq)]
pub struct VocDetection {
    /// The image's name, without an ending.
    pub image: String,
    /// Its class.
    pub category: String,
    /// xmin, ymin, xmax, ymax in pixels from 1, as in the devkit's files.
    pub corners: [f64; 4],
    /// Its confidence.
    pub score: f64,
}

impl VocDetection {
    /// Of a detector's box x1, y1, x2, y2 in pixels from 0, rounded as it is written to the devkit's files: the score to three
    /// decimals, the coordinates to one, after 1 was added to the upper left corner in f32.
    pub fn rounded(image: String, category: String, corners: [f64; 4], score: f64) -> Self {
        let [x1, y1, x2, y2] = corners.map(|corner| corner as f32);
        Self {
            image,
            category,
            corners: [x1 + 1.0, y1 + 1.0, x2, y2].map(|corner| decimals(f64::from(corner), 1)),
            score: decimals(score, 3),
        }
    }
}

/// A number printed with so many decimals and read again: ties go to the even digit, as everywhere in C.
fn decimals(value: f64, count: usize) -> f64 {
    format!("{value:.count$}").parse().unwrap_or(value)
}

/// AP in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct VocAp {
    /// Mean over the IoU thresholds 0.50, 0.55, ... 0.95.
    #[serde(rename = "AP")]
    pub ap: f64,
    /// At an IoU of 0.5.
    #[serde(rename = "AP50")]
    pub ap50: f64,
    /// At an IoU of 0.75.
    #[serde(rename = "AP75")]
    pub ap75: f64,
}

/// The scores of a data set.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct VocScores {
    /// Means over the classes.
    #[serde(flatten)]
    pub mean: VocAp,
    /// Of each class.
    pub per_class: BTreeMap<String, VocAp>,
}

/// IoU thresholds in hundredths.
const THRESHOLDS: [u32; 10] = [50, 55, 60, 65, 70, 75, 80, 85, 90, 95];

/// Scores detections against the annotations of images, which are found by name.
///
/// # Errors
/// When a detection is of an unknown image or class, or not finite.
pub fn score(
    truth: &[(String, VocAnnotation)],
    detections: &[VocDetection],
    classes: &[String],
) -> Result<VocScores, ScoreError> {
    let images: HashMap<&str, usize> = truth
        .iter()
        .enumerate()
        .map(|(at, (name, _))| (name.as_str(), at))
        .collect();
    let mut by_class: HashMap<&str, Vec<(usize, &VocDetection)>> = HashMap::new();
    for (index, detection) in detections.iter().enumerate() {
        let image = images.get(detection.image.as_str());
        let image = *image.ok_or_else(|| ScoreError::UnknownImage {
            index,
            image: detection.image.clone(),
        })?;
        if !classes.contains(&detection.category) {
            return Err(ScoreError::UnknownCategory {
                index,
                category: detection.category.clone(),
            });
        }
        let values = detection.corners.iter().chain([&detection.score]);
        if values.into_iter().any(|value| !value.is_finite()) {
            return Err(ScoreError::NotFinite { index });
        }
        let list = by_class.entry(&detection.category).or_default();
        list.push((image, detection));
    }
    let mut per_class = BTreeMap::new();
    for class in classes {
        let found = by_class.remove(class.as_str()).unwrap_or_default();
        per_class.insert(class.clone(), class_ap(truth, class, found));
    }
    let of = |value: fn(&VocAp) -> f64| mean(per_class.values().map(value)).unwrap_or(0.0);
    let mean = VocAp {
        ap: of(|scores| scores.ap),
        ap50: of(|scores| scores.ap50),
        ap75: of(|scores| scores.ap75),
    };
    Ok(VocScores { mean, per_class })
}

/// A box of the ground truth, and how far each detection overlaps with it.
struct Truth {
    corners: [f64; 4],
    difficult: bool,
}

fn class_ap(
    truth: &[(String, VocAnnotation)],
    class: &str,
    mut detections: Vec<(usize, &VocDetection)>,
) -> VocAp {
    detections.sort_by(|a, b| b.1.score.total_cmp(&a.1.score));
    let boxes: Vec<Vec<Truth>> = truth
        .iter()
        .map(|(_, annotation)| {
            let own = annotation
                .objects
                .iter()
                .filter(|object| object.name == class);
            own.map(|object| Truth {
                corners: object.corners,
                difficult: object.difficult,
            })
            .collect()
        })
        .collect();
    let positives = boxes
        .iter()
        .flatten()
        .filter(|truth| !truth.difficult)
        .count();
    // The largest overlap of each detection does not depend on the threshold.
    let best: Vec<Option<(f64, usize)>> = detections
        .iter()
        .map(|(image, detection)| largest_overlap(&detection.corners, &boxes[*image]))
        .collect();
    let at = |threshold: u32| -> f64 {
        let threshold = f64::from(threshold) / 100.0;
        let mut taken: Vec<Vec<bool>> = boxes.iter().map(|own| vec![false; own.len()]).collect();
        let (mut tp, mut fp) = (0.0, 0.0);
        let mut curve = Vec::with_capacity(detections.len());
        for ((image, _), best) in detections.iter().zip(&best) {
            match best {
                Some((overlap, place)) if *overlap > threshold => {
                    if !boxes[*image][*place].difficult {
                        match std::mem::replace(&mut taken[*image][*place], true) {
                            false => tp += 1.0,
                            true => fp += 1.0,
                        }
                    }
                }
                _ => fp += 1.0,
            }
            // Without positives the recall is NaN: it reaches no point.
            let precision = tp / f64::max(tp + fp, f64::EPSILON);
            curve.push((tp / positives as f64, precision));
        }
        100.0 * eleven_points(&curve)
    };
    let all = THRESHOLDS.map(at);
    VocAp {
        ap: mean(all).unwrap_or(0.0),
        ap50: all[0],
        ap75: all[5],
    }
}

/// The IoU and place of the box with the largest one, the first of equal ones.
fn largest_overlap(detection: &[f64; 4], boxes: &[Truth]) -> Option<(f64, usize)> {
    let area = |c: &[f64; 4]| (c[2] - c[0] + 1.0) * (c[3] - c[1] + 1.0);
    let mut best: Option<(f64, usize)> = None;
    for (place, truth) in boxes.iter().enumerate() {
        let corners = &truth.corners;
        let side = |low: usize, high: usize| {
            let length = corners[high].min(detection[high]) - corners[low].max(detection[low]);
            (length + 1.0).max(0.0)
        };
        let shared = side(0, 2) * side(1, 3);
        let overlap = shared / (area(detection) + area(corners) - shared);
        if best.is_none_or(|(most, _)| overlap > most) {
            best = Some((overlap, place));
        }
    }
    best
}

/// Mean over the recalls 0, 0.1, ... 1 of the highest precision from there on. The recalls are `k * 0.1` in f64, so that
/// 0.3 is a little more than 3/10.
fn eleven_points(curve: &[(f64, f64)]) -> f64 {
    (0..11)
        .map(|k| {
            let recall = f64::from(k) * 0.1;
            let reached = curve.iter().filter(|(found, _)| *found >= recall);
            reached.map(|(_, precision)| *precision).fold(0.0, f64::max) / 11.0
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn eleven_points_of_a_curve() {
        let curve = [(0.5, 1.0), (0.5, 0.5), (1.0, 2.0 / 3.0)];
        assert!((eleven_points(&curve) - 0.848_484_848).abs() < 1e-8);
        // 3 of 10 is less than the fourth recall.
        let third = eleven_points(&[(0.3, 1.0)]);
        assert!((third - 3.0 / 11.0).abs() < 1e-12, "{third}");
    }

    #[test]
    fn numbers_are_rounded_to_the_even_digit() {
        let rounded =
            |corners| VocDetection::rounded(String::new(), String::new(), corners, 0.0625).corners;
        assert_eq!(rounded([1.25, 1.75, 0.25, 0.35]), [2.2, 2.8, 0.2, 0.3]);
        let score = VocDetection::rounded(String::new(), String::new(), [0.0; 4], 0.0625).score;
        assert_eq!(score, 0.062);
    }
}
