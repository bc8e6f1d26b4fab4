//! IoU of classes and categories of Cityscapes, as cityscapesScripts computes it (methods.md 7.8).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::error::ScoreError;
use crate::mean;

/// Label ids: 0 to 33.
const LABELS: usize = 34;

/// The evaluated classes: label id, name, category.
pub const CLASSES: [(usize, &str, &str); 19] = [
    (7, "road", "flat"),
    (8, "sidewalk", "flat"),
    (11, "building", "construction"),
    (12, "wall", "construction"),
    (13, "fence", "construction"),
    (17, "pole", "object"),
    (19, "traffic light", "object"),
    (20, "traffic sign", "object"),
    (21, "vegetation", "nature"),
    (22, "terrain", "nature"),
    (23, "sky", "sky"),
    (24, "person", "human"),
    (25, "rider", "human"),
    (26, "car", "vehicle"),
    (27, "truck", "vehicle"),
    (28, "bus", "vehicle"),
    (31, "train", "vehicle"),
    (32, "motorcycle", "vehicle"),
    (33, "bicycle", "vehicle"),
];

/// Pixels by label id of the ground truth and of the prediction.
#[derive(Clone, Debug)]
pub struct Confusion(Vec<u64>);

impl Default for Confusion {
    fn default() -> Self {
        Self(vec![0; LABELS * LABELS])
    }
}

/// The scores, in percent; `None` of a class without any pixel.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CityscapesScores {
    /// Mean over the classes.
    #[serde(rename = "IoU")]
    pub iou: Option<f64>,
    /// Mean over the categories.
    #[serde(rename = "IoU_sup")]
    pub iou_sup: Option<f64>,
    /// Of each class.
    pub per_class: BTreeMap<&'static str, Option<f64>>,
    /// Of each category.
    pub per_category: BTreeMap<&'static str, Option<f64>>,
}

impl Confusion {
    /// Adds the pixels of an image. Both maps hold label ids.
    ///
    /// # Errors
    /// When the maps differ in size, or hold a value that is no label id.
    pub fn add(
        &mut self,
        (truth, truth_size): (&[u8], [u32; 2]),
        (prediction, size): (&[u8], [u32; 2]),
    ) -> Result<(), ScoreError> {
        if truth_size != size || truth.len() != prediction.len() {
            return Err(ScoreError::Size {
                prediction: size,
                truth: truth_size,
            });
        }
        for (of, map) in [("the ground truth", truth), ("the prediction", prediction)] {
            if let Some(&value) = map.iter().find(|&&value| usize::from(value) >= LABELS) {
                return Err(ScoreError::Label { of, value });
            }
        }
        for (&truth, &prediction) in truth.iter().zip(prediction) {
            self.0[usize::from(truth) * LABELS + usize::from(prediction)] += 1;
        }
        Ok(())
    }

    /// IoU of all classes and categories.
    pub fn scores(&self) -> CityscapesScores {
        let per_class: BTreeMap<_, _> = CLASSES
            .iter()
            .map(|&(id, name, _)| (name, self.iou(&[id])))
            .collect();
        let mut members: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
        for &(id, _, category) in &CLASSES {
            members.entry(category).or_default().push(id);
        }
        let per_category: BTreeMap<_, _> = members
            .into_iter()
            .map(|(name, ids)| (name, self.iou(&ids)))
            .collect();
        CityscapesScores {
            iou: mean(per_class.values().flatten().copied()),
            iou_sup: mean(per_category.values().flatten().copied()),
            per_class,
            per_category,
        }
    }

    /// IoU of some ids taken as one class: TP / (TP + FP + FN). Pixels of the ground truth that are not evaluated count
    /// nowhere; predictions that are not evaluated are false negatives.
    fn iou(&self, ids: &[usize]) -> Option<f64> {
        let pixels = |truth: usize, prediction: usize| self.0[truth * LABELS + prediction];
        let over = |rows: &[usize], columns: &[usize]| -> u64 {
            let of_row =
                |&row: &usize| -> u64 { columns.iter().map(|&column| pixels(row, column)).sum() };
            rows.iter().map(of_row).sum()
        };
        let every: Vec<usize> = (0..LABELS).collect();
        let evaluated = CLASSES.iter().map(|&(id, ..)| id);
        let others: Vec<usize> = evaluated.filter(|id| !ids.contains(id)).collect();
        let tp = over(ids, ids);
        let union = over(ids, &every) + over(&others, ids);
        (union > 0).then(|| 100.0 * (tp as f64 / union as f64))
    }
}
