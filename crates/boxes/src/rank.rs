//! The best ones of many scores.

use std::cmp::Ordering;

/// The places of the `most` highest scores, highest first, the earlier place first of equal ones. NaN comes last.
pub(crate) fn highest(scores: &[f32], most: usize) -> Vec<usize> {
    let better = |&a: &usize, &b: &usize| compare(scores[b], scores[a]).then(a.cmp(&b));
    let mut places: Vec<usize> = (0..scores.len()).collect();
    if most < places.len() {
        if most > 0 {
            places.select_nth_unstable_by(most - 1, better);
        }
        places.truncate(most);
    }
    places.sort_unstable_by(better);
    places
}

/// Numbers by value, so that 0 equals -0; NaN is the lowest.
fn compare(a: f32, b: f32) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) => a.partial_cmp(&b).unwrap_or(Ordering::Equal),
        (a, b) => b.cmp(&a),
    }
}
