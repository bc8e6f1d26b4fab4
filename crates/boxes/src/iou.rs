//! Intersection over union.

use crate::Corners;

/// Width times height.
pub(crate) fn area([x1, y1, x2, y2]: Corners) -> f32 {
    (x2 - x1) * (y2 - y1)
}

/// Pixels in both boxes.
pub(crate) fn intersection(a: Corners, b: Corners) -> f32 {
    let width = (a[2].min(b[2]) - a[0].max(b[0])).max(0.0);
    let height = (a[3].min(b[3]) - a[1].max(b[1])).max(0.0);
    width * height
}

/// IoU, 0 where the boxes do not overlap.
pub fn iou(a: Corners, b: Corners) -> f32 {
    match intersection(a, b) {
        shared if shared > 0.0 => shared / ((area(a) + area(b)) - shared),
        _ => 0.0,
    }
}

/// IoU of every `a` (rows) with every `b`.
pub fn iou_matrix(a: &[Corners], b: &[Corners]) -> Vec<f32> {
    let row = |&one: &Corners| b.iter().map(move |&other| iou(one, other));
    a.iter().flat_map(row).collect()
}
