//! The products of a convolution without shared memory, for adapters that are programs: a unit computes a tile of its own
//! from global memory. There a load costs tens of multiplications, since it is made for one unit after the other, and a
//! barrier cuts the kernel in two; so tiles are large, and addresses are computed once a tap.

use std::fmt;

use cubecl::prelude::*;

use super::adapter::Program;
use super::gather::weight_row;
use super::phases::{Phases, phase_of_cube};
use super::tile::{Four, columns_at, put_four};

/// Units of a cube: a few vectors of a processor, so that small products still keep its threads busy.
const UNITS: u32 = 16;
/// Units that keep the threads of a processor busy.
const ENOUGH: usize = 64;

/// How a product is cut where nothing is shared: what a unit computes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Direct {
    pub rows: u32,
    pub columns: u32,
    /// Whether the result's columns are a multiple of the tile's.
    pub whole: bool,
}

impl fmt::Display for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rows, columns, .. } = self;
        write!(f, "{rows} x {columns} a unit, nothing shared")
    }
}

impl Direct {
    /// The rule: the largest tile that rows and columns fill and the program runs well, as long as there are units enough
    /// for every thread in so many products side by side.
    pub fn of(rows: usize, columns: usize, products: usize, program: Program) -> Self {
        let tall = rows.next_power_of_two().clamp(4, program.rows());
        let of_width = |wide: usize| Self {
            rows: tall as u32,
            columns: wide as u32,
            whole: columns.is_multiple_of(wide),
        };
        match columns {
            ..=4 => of_width(4),
            9.. if products * of_width(16).units(rows, columns) >= ENOUGH => of_width(16),
            _ => of_width(8),
        }
    }

    /// Units that `rows` x `columns` take.
    pub fn units(&self, rows: usize, columns: usize) -> usize {
        rows.div_ceil(self.rows as usize) * columns.div_ceil(self.columns as usize)
    }

    /// The units of a cube.
    pub fn cube() -> CubeDim {
        CubeDim::new_1d(UNITS)
    }

    /// Cubes for so many units, along two dimensions.
    pub fn cubes(units: usize) -> [u32; 2] {
        let cubes = (units as u32).div_ceil(UNITS).max(1);
        let along = cubes.min(65_535);
        [along, cubes.div_ceil(along)]
    }
}

/// Four columns of a line of the right operand.
#[cube]
pub(super) fn four_at<M: Size>(
    values: &[Vector<f32, M>],
    at: u32,
    column: u32,
    columns: u32,
    #[comptime] whole: bool,
) -> Four {
    let width = M::value();
    if comptime!(whole && width == 4) {
        Four::cast_from(values[(at / 4) as usize])
    } else {
        columns_at::<f32, M>(values, at, column, columns)
    }
}

/// Adds the products of a tap's channel to the tile.
#[cube]
fn add_channel<M: Size>(
    source: &[f32],
    weight: &[Vector<f32, M>],
    sums: &mut Array<Four>,
    from: &Array<u32>,
    inside: &Array<bool>,
    channel: u32,
    at: u32,
    column0: u32,
    columns: u32,
    #[comptime] tile: Direct,
) {
    let rows = comptime!(tile.rows as usize);
    let mut values = Array::<f32>::new(rows);
    #[unroll]
    for n in 0..rows {
        let value = source[(from[n] + channel) as usize];
        values[n] = select(inside[n], value, 0.0f32);
    }
    add_products::<M>(weight, sums, &values, at, column0, columns, tile);
}

/// Adds the products of a step's values, one a row, with a line of the right operand.
#[cube]
pub(super) fn add_products<M: Size>(
    right: &[Vector<f32, M>],
    sums: &mut Array<Four>,
    values: &Array<f32>,
    at: u32,
    column0: u32,
    columns: u32,
    #[comptime] tile: Direct,
) {
    let (rows, fours) = comptime!((tile.rows as usize, tile.columns as usize / 4));
    #[unroll]
    for c in 0..fours {
        let ahead = c as u32 * 4;
        let whole = comptime!(tile.whole);
        let four = four_at::<M>(right, at + ahead, column0 + ahead, columns, whole);
        #[unroll]
        for n in 0..rows {
            sums[comptime!(n * fours + c)] += Four::new(values[n]) * four;
        }
    }
}

/// See `gather::gather_product`, of which this is the other way: the same sums in the same order. A source of a `single`
/// channel needs no loop over channels.
#[cube(launch_unchecked)]
pub(crate) fn gather_direct<M: Size>(
    source: &[f32],
    weight: &[Vector<f32, M>],
    out: &mut [Vector<f32, M>],
    phases: &Phases,
    #[comptime] tile: Direct,
    #[comptime] single: bool,
) {
    let (rows, fours) = comptime!((tile.rows as usize, tile.columns as usize / 4));
    let (g, _) = phase_of_cube(phases);
    let unit = (CUBE_POS_Y * CUBE_COUNT_X + CUBE_POS_X) * UNITS + UNIT_POS;
    let across = (g.columns + comptime!(tile.columns - 1)) / comptime!(tile.columns);
    let block = unit / across;
    let column0 = (unit - block * across) * comptime!(tile.columns);
    let row0 = block * comptime!(tile.rows);
    if row0 >= g.rows {
        terminate!();
    }

    // A row's pixel of the source under a tap at zero, and of the result; neighbours differ by one step.
    let mut base = Array::<i32>::new(rows);
    let mut base_y = Array::<i32>::new(rows);
    let mut base_x = Array::<i32>::new(rows);
    let mut to = Array::<u32>::new(rows);
    let per_image = g.down.count * g.across.count;
    let mut image = row0 / per_image;
    let pixel = row0 - image * per_image;
    let mut jy = pixel / g.across.count;
    let mut jx = pixel - jy * g.across.count;
    #[unroll]
    for n in 0..rows {
        let y = jy as i32 * g.down.stride + g.down.offset;
        let x = jx as i32 * g.across.stride + g.across.offset;
        base[n] = (image * g.down.source) as i32 * g.across.source as i32
            + y * g.across.source as i32
            + x;
        // Rows behind the last are far outside, so that nothing of theirs is read.
        base_y[n] = select(row0 + n as u32 >= g.rows, -1000000000i32, y);
        base_x[n] = x;
        let out_y = g.down.first + jy * g.down.step;
        let out_x = g.across.first + jx * g.across.step;
        to[n] = ((image * g.down.out + out_y) * g.across.out + out_x) * g.columns + column0;
        jx += 1u32;
        let line_ends = jx == g.across.count;
        jx = select(line_ends, 0u32, jx);
        jy = select(line_ends, jy + 1u32, jy);
        let image_ends = jy == g.down.count;
        jy = select(image_ends, 0u32, jy);
        image = select(image_ends, image + 1u32, image);
    }

    let mut sums = Array::<Four>::new(comptime!(rows * fours));
    #[unroll]
    for n in 0..comptime!(rows * fours) {
        sums[n] = Four::new(0.0f32);
    }

    // One loop over both directions: each loop around another copies all sums once more.
    let mut tap_y = 0u32;
    let mut tap_x = 0u32;
    for _ in 0..g.down.taps * g.across.taps {
        let apart_y = tap_y as i32 * g.down.source_step;
        let apart_x = tap_x as i32 * g.across.source_step;
        let apart = apart_y * g.across.source as i32 + apart_x;
        let mut from = Array::<u32>::new(rows);
        let mut inside = Array::<bool>::new(rows);
        #[unroll]
        for n in 0..rows {
            let y = base_y[n] + apart_y;
            let x = base_x[n] + apart_x;
            let lies = y >= 0 && y < g.down.source as i32 && x >= 0 && x < g.across.source as i32;
            inside[n] = lies;
            from[n] = select(lies, (base[n] + apart) as u32 * g.channels, 0u32);
        }
        let mut at = weight_row(&g, tap_y, tap_x, 0u32) * g.columns + column0;
        // A channel at a time: a load takes one value after the other anyhow, and a longer loop is slower.
        if comptime!(single) {
            add_channel::<M>(
                source, weight, &mut sums, &from, &inside, 0u32, at, column0, g.columns, tile,
            );
        } else {
            for channel in 0..g.channels {
                add_channel::<M>(
                    source, weight, &mut sums, &from, &inside, channel, at, column0, g.columns,
                    tile,
                );
                at += g.columns;
            }
        }
        tap_x += 1u32;
        let row_ends = tap_x == g.across.taps;
        tap_x = select(row_ends, 0u32, tap_x);
        tap_y = select(row_ends, tap_y + 1u32, tap_y);
    }

    #[unroll]
    for n in 0..rows {
        if row0 + (n as u32) < g.rows {
            #[unroll]
            for c in 0..fours {
                let ahead = c as u32 * 4;
                let sum = sums[comptime!(n * fours + c)];
                put_four::<f32, M>(out, sum, to[n] + ahead, column0 + ahead, g.columns);
            }
        }
    }
}
