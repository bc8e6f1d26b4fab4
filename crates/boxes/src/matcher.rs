//! Which object a box belongs to, and whether it is a positive.

use crate::Corners;
use crate::iou::iou;

/// The rule: labels by IoU.
#[derive(Clone, Debug, PartialEq)]
pub struct Matcher {
    /// Ascending thresholds of IoU.
    pub thresholds: Vec<f32>,
    /// The label below the first threshold, from each threshold on up to the next one, and from the last one on.
    pub labels: Vec<i64>,
    /// Whether the boxes with an object's highest IoU get the label 1, however low that is.
    pub low_quality: bool,
}

/// What a box was matched to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Match {
    /// The object with the highest IoU, the first of equal ones; 0 where there is no object.
    pub object: usize,
    /// By the matcher.
    pub label: i64,
}

impl Matcher {
    /// Of the region proposal network: 0 below 0.3, -1 (ignored) below 0.7, else 1.
    pub fn of_anchors() -> Self {
        Self {
            thresholds: vec![0.3, 0.7],
            labels: vec![0, -1, 1],
            low_quality: true,
        }
    }

    /// Of the second stage: 0 below 0.5, else 1.
    pub fn of_proposals() -> Self {
        Self {
            thresholds: vec![0.5],
            labels: vec![0, 1],
            low_quality: false,
        }
    }

    /// Matches each box. Without objects every box has the first label.
    ///
    /// An object that overlaps with no box has a highest IoU of 0, which every box that does not touch it attains: with
    /// `low_quality` they all become positive, as in detectron2.
    pub fn matches(&self, objects: &[Corners], boxes: &[Corners]) -> Vec<Match> {
        let first = self.labels.first().copied().unwrap_or(0);
        let nothing = Match {
            object: 0,
            label: first,
        };
        let mut found = vec![nothing; boxes.len()];
        let mut highest = vec![0.0f32; boxes.len()];
        let mut of_object = vec![f32::NEG_INFINITY; objects.len()];
        for (number, &object) in objects.iter().enumerate() {
            for (at, &corners) in boxes.iter().enumerate() {
                let value = iou(object, corners);
                of_object[number] = of_object[number].max(value);
                if value > highest[at] || number == 0 {
                    highest[at] = value;
                    found[at].object = number;
                }
            }
        }
        if objects.is_empty() {
            return found;
        }
        for (found, &value) in found.iter_mut().zip(&highest) {
            let passed = self
                .thresholds
                .partition_point(|&threshold| value >= threshold);
            found.label = self.labels.get(passed).copied().unwrap_or(first);
        }
        if self.low_quality {
            for (&object, &best) in objects.iter().zip(&of_object) {
                for (found, &corners) in found.iter_mut().zip(boxes) {
                    if iou(object, corners) == best {
                        found.label = 1;
                    }
                }
            }
        }
        found
    }
}
