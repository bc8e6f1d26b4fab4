//! Which regions the second stage learns from.

use parallax_boxes::{Corners, Matcher, Proposal, sample};
use parallax_kernels::Roi;

use crate::detector::Example;
use crate::sampling::{Ranking, Stage};

/// The most foreground among the regions of a step.
const FOREGROUND: f64 = 0.25;

/// The regions of an image that a step learns from, foreground first.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Regions {
    /// Where they are.
    pub corners: Vec<Corners>,
    /// The class of each; the number of classes for the background.
    pub classes: Vec<usize>,
    /// The object of each foreground region.
    pub objects: Vec<usize>,
}

impl Regions {
    /// Of the proposals and, behind them, the boxes of the objects.
    pub(crate) fn of(
        example: &Example,
        proposals: &[Proposal],
        classes: usize,
        count: usize,
        (ranking, image): (Ranking, usize),
    ) -> Self {
        let proposed = proposals.iter().map(|proposal| proposal.corners);
        let candidates: Vec<Corners> = proposed.chain(example.boxes.iter().copied()).collect();
        let matches = Matcher::of_proposals().matches(&example.boxes, &candidates);
        let labels: Vec<i64> = matches
            .iter()
            .map(|found| match found.label {
                0 => classes as i64,
                _ => example.classes[found.object] as i64,
            })
            .collect();
        let ranks = ranking.ranks(Stage::Proposals, image, candidates.len());
        let taken = sample(&labels, count, FOREGROUND, classes as i64, |at| ranks[at]);
        let places = taken.positive.iter().chain(&taken.negative);
        Self {
            corners: places.clone().map(|&at| candidates[at]).collect(),
            classes: places.map(|&at| labels[at] as usize).collect(),
            objects: taken
                .positive
                .iter()
                .map(|&at| matches[at].object)
                .collect(),
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.corners.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.corners.is_empty()
    }

    /// Where the foreground is.
    pub fn foreground_corners(&self) -> &[Corners] {
        &self.corners[..self.foreground()]
    }

    /// How many are foreground.
    pub fn foreground(&self) -> usize {
        self.objects.len()
    }
}

/// Regions of image number `image` to be pooled.
pub(crate) fn rois(image: usize, corners: &[Corners]) -> impl Iterator<Item = Roi> {
    corners.iter().map(move |&corners| Roi { image, corners })
}
