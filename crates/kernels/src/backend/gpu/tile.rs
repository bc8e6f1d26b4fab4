//! The register tile that all products on a GPU are made of, and the rule that picks its size.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use cubecl::prelude::*;

/// Four values, what a load takes.
pub(crate) type Four = Vector<f32, Const<4>>;

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

/// What a process takes instead of the rule's choice, see [`assume_tile`]: 1 + its place among [`TILES`], or 0.
static ASSUMED: AtomicUsize = AtomicUsize::new(0);

/// The tiles to choose among: rows and columns of a unit, units along both, depth. All fit WebGPU's 256 units and 16 KiB of
/// shared memory. The rules take the first five; the others are there to be measured on the next kind of GPU.
const TILES: [Tile; 7] = [
    Tile::new(8, 4, 16, 16, 16),
    Tile::new(4, 4, 16, 16, 16),
    Tile::new(8, 8, 16, 16, 16),
    Tile::new(4, 4, 32, 8, 16),
    Tile::new(4, 4, 64, 4, 8),
    Tile::new(8, 4, 16, 16, 8),
    Tile::new(8, 8, 16, 8, 16),
];
const TALL: usize = 0;
const SMALL: usize = 1;
const LARGE: usize = 2;
const NARROW: usize = 3;
const NARROWEST: usize = 4;

/// The tiles that the rule chooses among, by name.
pub fn tiles() -> Vec<String> {
    TILES.iter().map(Tile::to_string).collect()
}

/// From now on every product of the process on a GPU takes this one of [`tiles`], or again the rule's: for who measures
/// what the rule should say. Numbers behind the last are none.
pub fn assume_tile(number: Option<usize>) {
    let number = number.filter(|&number| number < TILES.len());
    ASSUMED.store(number.map_or(0, |number| number + 1), Ordering::Relaxed);
}

impl Tile {
    const fn new(rows: u32, columns: u32, units_y: u32, units_x: u32, depth: u32) -> Self {
        Self {
            rows,
            columns,
            units_y,
            units_x,
            depth,
        }
    }

    /// The rule for products over taps and channels. Few columns are not padded to many, and a short sum is over before a
    /// larger tile is worth its start. For all others a unit computes 8 x 4 values: 8 x 8 read less, but leave fewer units in
    /// flight to hide what memory takes; where that makes few cubes, sums are cut into parts. Measured on an H100 by
    /// `parallax bench kernels --tiles`, as is [`Tile::of_pixels`].
    pub fn of(rows: usize, columns: usize, depth: usize) -> Self {
        let number = match columns {
            33.. if depth >= 64 => TALL,
            33.. => SMALL,
            17.. => NARROW,
            _ => NARROWEST,
        };
        Self::numbered(number, rows)
    }

    /// The rule for sums over pixels, which are long: the largest tile where both sides fill several.
    pub fn of_pixels(rows: usize, columns: usize) -> Self {
        let number = match columns {
            128.. if rows >= 512 => LARGE,
            33.. => SMALL,
            17.. => NARROW,
            _ => NARROWEST,
        };
        Self::numbered(number, rows)
    }

    /// A tile, or the assumed one, no taller than the rows need.
    fn numbered(number: usize, rows: usize) -> Self {
        let tile = match ASSUMED.load(Ordering::Relaxed) {
            0 => TILES[number],
            assumed => TILES[assumed - 1],
        };
        let wanted = (rows as u32).div_ceil(tile.rows).next_power_of_two();
        Self {
            units_y: tile.units_y.min(wanted),
            ..tile
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

    /// Fours that each unit stages of both.
    pub fn fours_of_unit(&self) -> (usize, usize) {
        let (left, right) = self.staged();
        let each = |staged: u32| staged.div_ceil(self.units()) as usize;
        (each(left), each(right))
    }

    /// The units.
    pub fn cube(&self) -> CubeDim {
        CubeDim::new_2d(self.units_x, self.units_y)
    }
}

/// Values of a load where so many lie in a row.
pub(crate) fn width(values: usize) -> usize {
    match values.is_multiple_of(4) {
        true => 4,
        false => 1,
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

/// Writes four columns of a line of the result, from `column` on; `at` is the place of the first.
#[cube]
pub(crate) fn put_four<E: Float, N: Size>(
    out: &mut [Vector<E, N>],
    four: Four,
    at: u32,
    column: u32,
    columns: u32,
) {
    let width = N::value();
    if comptime!(width == 4) {
        if column < columns {
            out[(at / 4) as usize] = Vector::cast_from(four);
        }
    } else {
        #[unroll]
        for lane in 0..4u32 {
            if column + lane < columns {
                let value = E::cast_from(four.extract(lane as usize));
                out[(at + lane) as usize] = Vector::new(value);
            }
        }
    }
}

/// Puts the fours that a unit has loaded where its whole cube, which has `all`, reads them.
#[cube]
pub(crate) fn stage(
    shared: &mut Shared<[Four]>,
    loaded: &Array<Four>,
    unit: u32,
    #[comptime] fours: usize,
    #[comptime] all: u32,
    #[comptime] units: u32,
) {
    #[unroll]
    for slot in 0..fours {
        let place = unit + slot as u32 * units;
        if place < all {
            shared[place as usize] = loaded[slot];
        }
    }
}
