//! The anchors of a detector's feature maps.

use parallax_boxes::{Corners, anchors, cell_anchors};

use crate::recipe::{DetectorSection, HeadKind};

/// Height over width of anchors (methods.md 7.3).
const RATIOS: [f64; 3] = [0.5, 1.0, 2.0];

/// The anchors of one position on each level.
#[derive(Clone, Debug, PartialEq)]
pub struct AnchorGrid {
    levels: Vec<(u32, Vec<Corners>)>,
}

impl AnchorGrid {
    /// Of a backbone whose first stage has `stride` and whose last stage is number `last`: with C4 the map before that one, with
    /// FPN the map of each stage and one of twice the stride.
    pub(crate) fn new(section: &DetectorSection, stride: usize, last: usize) -> Self {
        let sizes = &section.anchor_sizes;
        let of =
            |level: usize, sizes: &[f64]| ((stride << level) as u32, cell_anchors(sizes, &RATIOS));
        let levels = match section.head {
            HeadKind::C4 => vec![of(last - 1, sizes)],
            HeadKind::Fpn => (0..=last + 1)
                .map(|level| of(level, &sizes[level.min(sizes.len() - 1)..][..1]))
                .collect(),
        };
        Self { levels }
    }

    /// Anchors of a position.
    pub fn cell(&self) -> usize {
        self.levels.first().map_or(0, |(_, cell)| cell.len())
    }

    /// Pixels of the image between positions, of each level.
    pub fn strides(&self) -> impl Iterator<Item = u32> {
        self.levels.iter().map(|(stride, _)| *stride)
    }

    /// All anchors of maps of the given heights and widths, level by level.
    pub fn of(&self, maps: &[[usize; 2]]) -> Vec<Vec<Corners>> {
        let levels = maps.iter().zip(&self.levels);
        levels
            .map(|(&size, (stride, cell))| anchors(size, *stride, cell))
            .collect()
    }
}
