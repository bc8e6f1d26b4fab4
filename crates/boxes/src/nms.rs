//! Non-maximum suppression.

use std::collections::BTreeMap;

use crate::Corners;
use crate::iou::{area, iou};
use crate::rank::highest;

/// The places of the boxes that survive, highest score first: a box is suppressed where its IoU with a better one that
/// survives is above the threshold. Boxes without an area suppress nothing and are not suppressed by one another.
pub fn nms(boxes: &[Corners], scores: &[f32], threshold: f32) -> Vec<usize> {
    nms_by_group(boxes, scores, &vec![(); boxes.len()], threshold, usize::MAX)
}

/// [`nms`] of each group (class or level) by itself; the best `most` survivors of all groups by score, then place.
pub fn nms_by_group<G: Ord + Copy>(
    boxes: &[Corners],
    scores: &[f32],
    groups: &[G],
    threshold: f32,
    most: usize,
) -> Vec<usize> {
    let mut kept: BTreeMap<G, Kept> = BTreeMap::new();
    let survives = |place: &usize| {
        let kept = kept.entry(groups[*place]).or_default();
        let corners = boxes[*place];
        let area = area(corners);
        let survives = !kept.suppress(corners, area, threshold);
        if survives {
            kept.push(corners, area);
        }
        survives
    };
    // The survivors come in their order, so that those behind the last one need not be looked at.
    let order = highest(scores, scores.len()).into_iter();
    order.filter(survives).take(most).collect()
}

/// For each box the better one that suppresses it in [`nms_by_group`], the best of them; none for the survivors. For showing
/// how NMS works: it looks at every pair that the definition names.
pub fn suppressors<G: Ord + Copy>(
    boxes: &[Corners],
    scores: &[f32],
    groups: &[G],
    threshold: f32,
) -> Vec<Option<usize>> {
    let mut found = vec![None; boxes.len()];
    let mut kept: Vec<usize> = Vec::new();
    for place in highest(scores, scores.len()) {
        let mut better = kept.iter().copied();
        found[place] = better.find(|&other| {
            groups[other] == groups[place] && iou(boxes[other], boxes[place]) > threshold
        });
        if found[place].is_none() {
            kept.push(place);
        }
    }
    found
}

/// The boxes that survive, in columns, so that a box is compared with many of them at once.
#[derive(Default)]
struct Kept {
    x1: Vec<f32>,
    y1: Vec<f32>,
    x2: Vec<f32>,
    y2: Vec<f32>,
    area: Vec<f32>,
}

/// Boxes compared at once.
const BLOCK: usize = 32;

impl Kept {
    fn push(&mut self, [x1, y1, x2, y2]: Corners, area: f32) {
        self.x1.push(x1);
        self.y1.push(y1);
        self.x2.push(x2);
        self.y2.push(y2);
        self.area.push(area);
    }

    /// Whether one of them has an IoU above the threshold with a box.
    fn suppress(&self, [x1, y1, x2, y2]: Corners, area: f32, threshold: f32) -> bool {
        let columns = [&self.x1, &self.y1, &self.x2, &self.y2, &self.area];
        let mut start = 0;
        while start < self.area.len() {
            let end = (start + BLOCK).min(self.area.len());
            let [ax1, ay1, ax2, ay2, areas] = columns.map(|column| &column[start..end]);
            let mut any = false;
            for at in 0..areas.len() {
                let width = (ax2[at].min(x2) - ax1[at].max(x1)).max(0.0);
                let height = (ay2[at].min(y2) - ay1[at].max(y1)).max(0.0);
                let shared = width * height;
                any |= shared / (areas[at] + area - shared) > threshold;
            }
            if any {
                return true;
            }
            start = end;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suppressed_boxes_are_those_that_nms_leaves_out() {
        // Boxes on a coarse grid, so that there are many overlaps, equal scores and empty boxes.
        let mut state = 1u32;
        let mut next = |below: u32| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            ((state >> 16) % below) as f32
        };
        for threshold in [0.3, 0.5, 0.7] {
            let boxes: Vec<Corners> = (0..200)
                .map(|_| {
                    let (x, y) = (next(12), next(12));
                    [x, y, x + next(9), y + next(9)]
                })
                .collect();
            let scores: Vec<f32> = (0..200).map(|_| next(40)).collect();
            let groups: Vec<u32> = (0..200).map(|_| next(3) as u32).collect();
            let found = suppressors(&boxes, &scores, &groups, threshold);
            let mut kept = nms_by_group(&boxes, &scores, &groups, threshold, usize::MAX);
            let best = nms_by_group(&boxes, &scores, &groups, threshold, 7);
            assert_eq!(best, kept[..7]);
            kept.sort_unstable();
            let survivors: Vec<usize> = (0..200).filter(|&at| found[at].is_none()).collect();
            assert_eq!(survivors, kept);
            for (at, by) in found.iter().enumerate() {
                let Some(by) = *by else { continue };
                assert!(found[by].is_none() && groups[by] == groups[at]);
                assert!(scores[by] >= scores[at] && iou(boxes[by], boxes[at]) > threshold);
            }
        }
    }
}
