//! Precision and recall of one category.

use super::matching::{Outcome, Pair};
use super::{AREAS, MOST, thresholds};
use crate::mean;

/// Points of recall: 0, 0.01, ... 1.
const RECALLS: usize = 101;

/// Precision and recall of one category by area and IoU threshold.
pub(super) struct Curves {
    /// Of each area and threshold with 100 detections: mean precision over the recalls. `None` without objects.
    precision: [Option<[f64; 10]>; 4],
    /// Of each area and number of detections: mean recall over the thresholds. `None` without objects.
    recall: [[Option<f64>; 3]; 4],
}

impl Curves {
    /// Of the images that have an object or a detection of the category, in order of their ids.
    pub fn of(mut images: Vec<Pair>) -> Self {
        let most = MOST[MOST.len() - 1];
        images.iter_mut().for_each(|pair| pair.rank(most));
        let ious: Vec<Vec<f64>> = images.iter().map(Pair::ious).collect();
        // Image and rank of every detection, by score over all images, the earlier image first.
        let mut ranked: Vec<(f64, usize, usize)> = Vec::new();
        for (image, pair) in images.iter().enumerate() {
            let of_image = pair.found.iter().enumerate();
            ranked.extend(of_image.map(|(rank, found)| (found.score, image, rank)));
        }
        ranked.sort_by(|a, b| b.0.total_cmp(&a.0));

        let (mut precision, mut recall) = ([None; 4], [[None; 3]; 4]);
        for (number, &area) in AREAS.iter().enumerate() {
            let orders: Vec<_> = images.iter().map(|pair| pair.order(area)).collect();
            let objects: usize = orders.iter().map(|(_, counted)| counted).sum();
            if objects == 0 {
                continue;
            }
            let mut precisions = [0.0; 10];
            let mut recalls = [[0.0; 3]; 10];
            for (at, &threshold) in thresholds().iter().enumerate() {
                let outcomes: Vec<Vec<Outcome>> = images
                    .iter()
                    .zip(&ious)
                    .zip(&orders)
                    .map(|((pair, ious), (order, counted))| {
                        pair.matches(ious, (order, *counted), area, threshold)
                    })
                    .collect();
                for (slot, &most) in MOST.iter().enumerate() {
                    let within = ranked.iter().filter(|(_, _, rank)| *rank < most);
                    let outcomes = within.map(|&(_, image, rank)| outcomes[image][rank]);
                    let curve = curve(outcomes, objects);
                    recalls[at][slot] = curve.last().map_or(0.0, |(recall, _)| *recall);
                    if slot == MOST.len() - 1 {
                        precisions[at] = mean_precision(curve);
                    }
                }
            }
            precision[number] = Some(precisions);
            for slot in 0..MOST.len() {
                recall[number][slot] = mean(recalls.iter().map(|of| of[slot]));
            }
        }
        Self { precision, recall }
    }

    /// Mean precision over some thresholds.
    pub fn precision(&self, thresholds: &[usize], area: usize) -> Option<f64> {
        let of = self.precision[area]?;
        mean(thresholds.iter().map(|&at| of[at]))
    }

    /// Mean recall over all thresholds, with `MOST[most]` detections.
    pub fn recall(&self, area: usize, most: usize) -> Option<f64> {
        self.recall[area][most]
    }
}

/// Recall and precision behind each detection, ignored ones included.
fn curve(outcomes: impl Iterator<Item = Outcome>, objects: usize) -> Vec<(f64, f64)> {
    let (mut tp, mut fp) = (0.0, 0.0);
    outcomes
        .map(|outcome| {
            match outcome {
                Outcome::Hit => tp += 1.0,
                Outcome::Miss => fp += 1.0,
                Outcome::Ignored => {}
            }
            (tp / objects as f64, tp / (fp + tp + f64::EPSILON))
        })
        .collect()
}

/// Mean over the points of recall of the highest precision from there on; 0 beyond the last recall.
fn mean_precision(mut curve: Vec<(f64, f64)>) -> f64 {
    let mut highest = 0.0f64;
    for (_, precision) in curve.iter_mut().rev() {
        highest = highest.max(*precision);
        *precision = highest;
    }
    let at = |point: usize| {
        let recall = match point + 1 {
            RECALLS => 1.0,
            _ => point as f64 * 0.01,
        };
        let place = curve.partition_point(|(found, _)| *found < recall);
        curve.get(place).map_or(0.0, |(_, precision)| *precision)
    };
    (0..RECALLS).map(at).sum::<f64>() / RECALLS as f64
}
