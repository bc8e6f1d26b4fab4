//! Memory layout of the weight gradient's transformed tiles and sums.

use pulp::Simd;

use super::transform::plane;
use crate::shape::ConvShape;

/// Left `[16][panel of left_width inputs][tile][left_width]`, right `[16][panel of width outputs][tile][width]`, sums
/// `[16][panel][group of P inputs][P][width]`.
pub struct Layout {
    /// Tiles of a block.
    pub block: usize,
    /// P
    pub rows: usize,
    /// Inputs of a panel of the left operand: whole vectors, and whole groups of P.
    pub left_width: usize,
    pub left_panels: usize,
    pub groups: usize,
    pub width: usize,
    pub panels: usize,
}

impl Layout {
    pub fn new<S: Simd, const P: usize, const V: usize>(shape: &ConvShape, block: usize) -> Self {
        let width = V * S::F32_LANES;
        let mut left_width = S::F32_LANES;
        while !left_width.is_multiple_of(P) {
            left_width += S::F32_LANES;
        }
        Self {
            block,
            rows: P,
            left_width,
            left_panels: shape.inputs.div_ceil(left_width),
            groups: shape.inputs.div_ceil(P),
            width,
            panels: shape.outputs.div_ceil(width),
        }
    }

    pub fn left_plane(&self) -> usize {
        plane(self.left_panels * self.block * self.left_width)
    }

    pub fn right_plane(&self) -> usize {
        plane(self.panels * self.block * self.width)
    }

    pub fn left_len(&self) -> usize {
        16 * self.left_plane()
    }

    pub fn right_len(&self) -> usize {
        16 * self.right_plane()
    }

    /// Sums of one of the 16 products, one panel and some groups.
    pub fn panel_sums(&self, groups: usize) -> usize {
        groups * self.rows * self.width
    }

    /// The index of a group's first input in a plane of the left operand.
    pub fn group(&self, group: usize) -> usize {
        let first = group * self.rows;
        first / self.left_width * self.block * self.left_width + first % self.left_width
    }
}
