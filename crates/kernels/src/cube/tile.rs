//! The register tile that all products on a GPU are made of, and the rule that picks its size.

use cubecl::prelude::*;

/// Four values, what a load takes.
pub(crate) type Four = Vector<f32, Const<4>>;

/// Units of a cube along rows, and along columns.
pub(crate) const UNITS: u32 = 16;
/// Steps of the sum that are staged in a cube's shared memory at once.
pub(crate) const DEPTH: u32 = 16;

/// Rows and columns that one unit computes; a cube computes [`UNITS`] times as many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tile {
    pub rows: u32,
    pub columns: u32,
}

impl Tile {
    /// The rule: the larger tile reads less and waits longer for its last columns, so it is for products
    /// that have many of them; both fit WebGPU's 16 KiB of shared memory.
    pub fn of(rows: usize, columns: usize) -> Self {
        let large = rows >= 4096 && columns >= 128;
        let side = if large { 8 } else { 4 };
        Self {
            rows: side,
            columns: side,
        }
    }

    /// Rows of a cube.
    pub fn cube_rows(&self) -> u32 {
        self.rows * UNITS
    }

    /// Columns of a cube.
    pub fn cube_columns(&self) -> u32 {
        self.columns * UNITS
    }
}
