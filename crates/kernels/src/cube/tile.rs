//! The register tile that all products on a GPU are made of, and the rule that picks its size.

use std::fmt;

use cubecl::prelude::*;

/// Four values, what a load takes.
pub(crate) type Four = Vector<f32, Const<4>>;

/// Units of a cube, at most: what every WebGPU device has.
const UNITS: u32 = 256;

/// How a product is cut: a unit computes `rows` x `columns` of the result, a cube has `units_y` x `units_x` units
/// and stages `depth` steps of the sum at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tile {
    pub rows: u32,
    pub columns: u32,
    pub units_y: u32,
    pub units_x: u32,
    pub depth: u32,
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rows, columns) = (self.rows, self.columns);
        let (units_y, units_x, depth) = (self.units_y, self.units_x, self.depth);
        write!(
            f,
            "{rows} x {columns} by {units_y} x {units_x} units, depth {depth}"
        )
    }
}

impl Tile {
    /// The rule. Few rows or columns are not padded to many; the largest tile reads least and waits longest for
    /// its last columns, so it is for products that have many of both. All fit WebGPU's 256 units and 16 KiB of
    /// shared memory.
    pub fn of(rows: usize, columns: usize) -> Self {
        let (side, units_x, depth) = match columns {
            ..=16 => (4, 4, 8),
            17..=32 => (4, 8, 16),
            128.. if rows >= 4096 => (8, 16, 16),
            _ => (4, 16, 16),
        };
        Self {
            rows: side,
            columns: side,
            units_y: (UNITS / units_x).min((rows as u32).div_ceil(side).next_power_of_two()),
            units_x,
            depth,
        }
    }

    /// Rows of a cube.
    pub fn cube_rows(&self) -> u32 {
        self.rows * self.units_y
    }

    /// Columns of a cube.
    pub fn cube_columns(&self) -> u32 {
        self.columns * self.units_x
    }

    /// Units of a cube.
    pub fn units(&self) -> u32 {
        self.units_y * self.units_x
    }

    /// Fours of the left operand in shared memory, and of the right one.
    pub fn staged(&self) -> (u32, u32) {
        let fours = |side: u32| side * self.depth / 4;
        (fours(self.cube_rows()), fours(self.cube_columns()))
    }

    /// The units.
    pub fn cube(&self) -> CubeDim {
        CubeDim::new_2d(self.units_x, self.units_y)
    }
}

/// Four neighbours of a row of `columns` values, from `column` on; `at` is the place of the first in `values`, which
/// are vectors of `N` (1 or 4) in the element that they are stored in. Zeros behind the row's end.
#[cube]
pub(crate) fn columns_at<E: Float, N: Size>(
    values: &[Vector<E, N>],
    at: u32,
    column: u32,
    columns: u32,
) -> Four {
    let width = N::value();
    let mut four = Four::new(0.0f32);
    if comptime!(width == 4) {
        if column < columns {
            four = Four::cast_from(values[(at / 4) as usize]);
        }
    } else {
        #[unroll]
        for lane in 0..4u32 {
            if column + lane < columns {
                let value = values[(at + lane) as usize];
                four.insert(lane as usize, f32::cast_from(value.extract(0usize)));
            }
        }
    }
    four
}
