//! Which detections of an image match which objects.

use super::{Found, Shape, Truth};

/// The objects and detections of one category in one image.
#[derive(Default)]
pub(super) struct Pair {
    pub truths: Vec<Truth>,
    pub found: Vec<Found>,
}

/// What became of a detection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It holds an object.
    Hit,
    /// It holds none.
    Miss,
    /// It counts neither way: it holds a crowd or an object of another size, or holds nothing and has another size itself.
    Ignored,
}

impl Pair {
    /// Sorts the detections by score, the first of equal ones first, and drops those behind the `most` best.
    pub fn rank(&mut self, most: usize) {
        self.found.sort_by(|a, b| b.score.total_cmp(&a.score));
        self.found.truncate(most);
    }

    /// IoU of every detection (rows) with every object.
    pub fn ious(&self) -> Vec<f64> {
        let mut ious = Vec::with_capacity(self.found.len() * self.truths.len());
        for found in &self.found {
            let of = |truth: &Truth| Shape::iou(&found.shape, &truth.shape, truth.crowd);
            ious.extend(self.truths.iter().map(of));
        }
        ious
    }

    /// Objects in the order in which they are matched, those that count first, and how many those are. Crowds and objects
    /// outside of the area do not.
    pub fn order(&self, area: [f64; 2]) -> (Vec<usize>, usize) {
        let counts = |&at: &usize| !self.truths[at].crowd && within(self.truths[at].area, area);
        let (mut order, ignored): (Vec<usize>, Vec<usize>) =
            (0..self.truths.len()).partition(counts);
        let counted = order.len();
        order.extend(ignored);
        (order, counted)
    }

    /// The outcome of each detection at a threshold: in order of score, a detection takes the free object with the highest IoU
    /// of at least the threshold, the last of equal ones, and an ignored object only where it finds no other.
    pub fn matches(
        &self,
        ious: &[f64],
        (order, counted): (&[usize], usize),
        area: [f64; 2],
        threshold: f64,
    ) -> Vec<Outcome> {
        let mut taken = vec![false; order.len()];
        let outcome = |(row, found): (usize, &Found)| {
            let mut best = threshold.min(1.0 - 1e-10);
            let mut chosen = None;
            for (place, &at) in order.iter().enumerate() {
                if taken[place] && !self.truths[at].crowd {
                    continue;
                }
                if place >= counted && chosen.is_some_and(|chosen| chosen < counted) {
                    break;
                }
                let iou = ious[row * order.len() + at];
                if iou >= best {
                    (best, chosen) = (iou, Some(place));
                }
            }
            if let Some(place) = chosen {
                taken[place] = true;
            }
            // pycocotools marks a match by the object's id, so that an object with the id 0 is taken but never held.
            let held = chosen.filter(|&place| self.truths[order[place]].id != 0);
            match chosen {
                Some(place) if place >= counted => Outcome::Ignored,
                _ if held.is_some() => Outcome::Hit,
                _ if within(found.area, area) => Outcome::Miss,
                _ => Outcome::Ignored,
            }
        };
        self.found.iter().enumerate().map(outcome).collect()
    }
}

fn within(value: f64, [low, high]: [f64; 2]) -> bool {
    (low..=high).contains(&value)
}
