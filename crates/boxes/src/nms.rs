//! Non-maximum suppression.

use std::collections::BTreeMap;

use crate::Corners;
use crate::rank::highest;

/// The places of the boxes that survive, highest score first: a box is suppressed where its IoU with a better one that
/// survives is above the threshold. Boxes without an area suppress nothing and are not suppressed by one another.
pub fn nms(boxes: &[Corners], scores: &[f32], threshold: f32) -> Vec<usize> {
    suppressed(boxes, highest(scores, scores.len()), threshold)
}

/// [`nms`] of each group (class or level) by itself; the survivors of all groups by score, then place.
pub fn nms_by_group<G: Ord + Copy>(
    boxes: &[Corners],
    scores: &[f32],
    groups: &[G],
    threshold: f32,
) -> Vec<usize> {
    let order = highest(scores, scores.len());
    let mut by_group: BTreeMap<G, Vec<usize>> = BTreeMap::new();
    for &place in &order {
        by_group.entry(groups[place]).or_default().push(place);
    }
    let mut kept = vec![false; boxes.len()];
    for order in by_group.into_values() {
        for place in suppressed(boxes, order, threshold) {
            kept[place] = true;
        }
    }
    order.into_iter().filter(|&place| kept[place]).collect()
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

/// Greedy suppression of boxes in the order of their scores.
fn suppressed(boxes: &[Corners], order: Vec<usize>, threshold: f32) -> Vec<usize> {
    let mut kept = Kept::default();
    let survives = |place: &usize| {
        let corners = boxes[*place];
        let area = crate::iou::area(corners);
        let survives = !kept.suppress(corners, area, threshold);
        if survives {
            kept.push(corners, area);
        }
        survives
    };
    order.into_iter().filter(survives).collect()
}
