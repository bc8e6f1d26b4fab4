//! The products of a convolution without shared memory, for adapters that are programs: a unit computes a tile of its own
//! from global memory. There a load costs tens of multiplications, since it is made for one unit after the other, and a
//! barrier cuts the kernel in two; so tiles are large, and addresses are computed once a tap.

use std::fmt;

use cubecl::prelude::*;

use super::gather::Gather;
use super::tile::{Four, columns_at};

/// Units of a cube: a few vectors of a processor, so that small products still keep its threads busy.
const UNITS: u32 = 32;
/// Units that keep the threads of a processor busy.
const ENOUGH: usize = 256;

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
    /// The rule: the widest tile that the columns fill, as long as there are units enough for every thread.
    pub fn of(rows: usize, columns: usize) -> Self {
        let tall = if rows <= 4 { 4 } else { 8 };
        let of_width = |wide: usize| Self {
            rows: tall,
            columns: wide as u32,
            whole: columns.is_multiple_of(wide),
        };
        match columns {
            ..=4 => of_width(4),
            9.. if of_width(16).units(rows, columns) >= ENOUGH => of_width(16),
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

/// Values of a load along so many channels.
pub(super) fn width(channels: usize) -> usize {
    match channels.is_multiple_of(4) {
        true => 4,
        false => 1,
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

/// See `gather::gather_product`, of which this is the other way: the same sums in the same order.
#[cube(launch_unchecked)]
pub(crate) fn gather_direct<N: Size, M: Size>(
    source: &[Vector<f32, N>],
    weight: &[Vector<f32, M>],
    out: &mut [Vector<f32, M>],
    g: &Gather,
    #[comptime] tile: Direct,
) {
    let width = N::value();
    let wide = M::value();
    let (rows, fours) = comptime!((tile.rows as usize, tile.columns as usize / 4));
    let unit = ABSOLUTE_POS as u32;
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
    let per_picture = g.count_y * g.count_x;
    let mut picture = row0 / per_picture;
    let pixel = row0 - picture * per_picture;
    let mut jy = pixel / g.count_x;
    let mut jx = pixel - jy * g.count_x;
    #[unroll]
    for n in 0..rows {
        let y = jy as i32 * g.stride_y + g.offset_y;
        let x = jx as i32 * g.stride_x + g.offset_x;
        base[n] = (picture * g.source_y) as i32 * g.source_x as i32 + y * g.source_x as i32 + x;
        // Rows behind the last are far outside, so that nothing of theirs is read.
        base_y[n] = select(row0 + n as u32 >= g.rows, -1000000000i32, y);
        base_x[n] = x;
        let out_y = g.first_y + jy * g.step_y;
        let out_x = g.first_x + jx * g.step_x;
        to[n] = ((picture * g.out_y + out_y) * g.out_x + out_x) * g.columns + column0;
        jx += 1u32;
        let line_ends = jx == g.count_x;
        jx = select(line_ends, 0u32, jx);
        jy = select(line_ends, jy + 1u32, jy);
        let picture_ends = jy == g.count_y;
        jy = select(picture_ends, 0u32, jy);
        picture = select(picture_ends, picture + 1u32, picture);
    }

    let mut sums = Array::<Four>::new(comptime!(rows * fours));
    #[unroll]
    for n in 0..comptime!(rows * fours) {
        sums[n] = Four::new(0.0f32);
    }

    let deep = g.channels / width as u32;
    for tap_y in 0..g.taps_y {
        let apart_y = tap_y as i32 * g.source_step_y;
        let line = (g.tap0_y + tap_y * g.tap_step_y) * g.kernel_x + g.tap0_x;
        for tap_x in 0..g.taps_x {
            let apart_x = tap_x as i32 * g.source_step_x;
            let apart = apart_y * g.source_x as i32 + apart_x;
            let mut from = Array::<u32>::new(rows);
            let mut inside = Array::<bool>::new(rows);
            #[unroll]
            for n in 0..rows {
                let y = base_y[n] + apart_y;
                let x = base_x[n] + apart_x;
                let lies = y >= 0 && y < g.source_y as i32 && x >= 0 && x < g.source_x as i32;
                inside[n] = lies;
                from[n] = select(lies, (base[n] + apart) as u32 * deep, 0u32);
            }
            let mut at = (line + tap_x * g.tap_step_x) * g.channels * g.columns + column0;
            for step in 0..deep {
                let mut values = Array::<Vector<f32, N>>::new(rows);
                #[unroll]
                for n in 0..rows {
                    let value = source[(from[n] + step) as usize];
                    values[n] = select(inside[n], value, Vector::<f32, N>::new(0.0f32));
                }
                #[unroll]
                for lane in 0..comptime!(width) {
                    #[unroll]
                    for c in 0..fours {
                        let ahead = c as u32 * 4;
                        let four = four_at::<M>(
                            weight,
                            at + ahead,
                            column0 + ahead,
                            g.columns,
                            comptime!(tile.whole),
                        );
                        #[unroll]
                        for n in 0..rows {
                            let value = Four::new(values[n].extract(lane));
                            sums[comptime!(n * fours + c)] += value * four;
                        }
                    }
                    at += g.columns;
                }
            }
        }
    }

    #[unroll]
    for n in 0..rows {
        if row0 + (n as u32) < g.rows {
            #[unroll]
            for c in 0..fours {
                let ahead = c as u32 * 4;
                let sum = sums[comptime!(n * fours + c)];
                if comptime!(wide == 4) {
                    if column0 + ahead < g.columns {
                        out[((to[n] + ahead) / 4) as usize] = Vector::cast_from(sum);
                    }
                } else {
                    #[unroll]
                    for lane in 0..4u32 {
                        if column0 + ahead + lane < g.columns {
                            out[(to[n] + ahead + lane) as usize] =
                                Vector::new(sum.extract(lane as usize));
                        }
                    }
                }
            }
        }
    }
}
