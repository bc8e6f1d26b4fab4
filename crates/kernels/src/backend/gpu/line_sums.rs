//! The product that a convolution's weight gradient is, without shared memory, for adapters that are programs: a unit
//! adds a tile of one tap's gradient over lines of pixels. Lines are cut to what the tap reaches, so that no border is asked
//! for; where images have few channels, a unit takes a row of taps as one, and asks.

use std::fmt;

use cubecl::prelude::*;

use super::adapter::Program;
use super::direct::{Direct, four_at};
use super::tile::{Four, put_four, width};
use crate::shape::ConvShape;

/// The convolution's shape, and how its lines of pixels are parted. Pairs are height, width.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Lines {
    lines: u32,
    part: u32,
    pixels: u32,
    /// Tiles along a tap's rows and along columns.
    blocks: u32,
    across: u32,
    /// Taps, or rows of taps where those are taken as one, and the rows of each.
    taps: u32,
    rows: u32,
    columns: u32,
    channels: u32,
    size_y: u32,
    size_x: u32,
    out_y: u32,
    out_x: u32,
    taps_x: u32,
    stride_y: u32,
    stride_x: u32,
    padding_y: u32,
    padding_x: u32,
    dilation_y: u32,
    dilation_x: u32,
}

/// What a unit computes of a tap: rows x columns. Rows are neighbours in memory: channels of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WeightTile {
    pub of: Direct,
    /// Whether a tap's rows are a multiple of the tile's.
    pub whole_rows: bool,
    /// Whether the rows are those of all taps across, which may reach over the line's ends.
    pub joined: bool,
}

impl fmt::Display for WeightTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt(f)
    }
}

impl WeightTile {
    /// Rows of a tile that joins taps, at most.
    const JOINED: usize = 24;

    /// The rule: the largest tile that the program runs well.
    pub fn of(shape: &ConvShape, program: Program) -> Self {
        let row = shape.kernel[1] * shape.inputs;
        let joined = shape.inputs < 4
            && shape.kernel[1] > 1
            && shape.dilation[1] == 1
            && row <= Self::JOINED;
        let rows = match shape.inputs {
            _ if joined => row,
            16.. => program.rows(),
            8.. => 8,
            4.. if width(shape.inputs) == 4 => 4,
            few => few,
        };
        let wide = match shape.outputs {
            ..=4 => 4,
            5..=8 => 8,
            _ if joined && row <= 12 => 16,
            _ if joined => 8,
            _ => program.rows(),
        };
        Self {
            of: Direct {
                rows: rows as u32,
                columns: wide as u32,
                whole: shape.outputs.is_multiple_of(wide),
            },
            whole_rows: joined || shape.inputs.is_multiple_of(rows),
            joined,
        }
    }
}

/// What a unit multiplies of the input, from `offset` on in the line that begins at `line_at` and has `len` values.
#[cube]
fn load_rows<N: Size>(
    x: &[Vector<f32, N>],
    values: &mut Array<Vector<f32, N>>,
    line_at: u32,
    offset: i32,
    len: u32,
    row0: u32,
    rows: u32,
    #[comptime] tile: WeightTile,
) {
    let width = N::value();
    #[unroll]
    for load in 0..comptime!(tile.of.rows as usize / width) {
        let zero = Vector::<f32, N>::new(0.0f32);
        let ahead = load as u32 * width as u32;
        if comptime!(tile.joined) {
            // In front of the line is far behind it, too.
            let place = (offset + ahead as i32) as u32;
            let lies = place < len;
            let value = x[(line_at + select(lies, place, 0u32)) as usize];
            values[load] = select(lies, value, zero);
        } else {
            let place = ((line_at + offset as u32) / width as u32 + load as u32) as usize;
            if comptime!(tile.whole_rows) {
                values[load] = x[place];
            } else {
                let mut value = zero;
                if row0 + ahead < rows {
                    value = x[place];
                }
                values[load] = value;
            }
        }
    }
}

/// Adds a pixel's products to the tile.
#[cube]
fn add_products<N: Size, M: Size>(
    grad: &[Vector<f32, M>],
    sums: &mut Array<Four>,
    values: &Array<Vector<f32, N>>,
    at: u32,
    column0: u32,
    columns: u32,
    #[comptime] tile: WeightTile,
) {
    let width = N::value();
    let fours = comptime!(tile.of.columns as usize / 4);
    #[unroll]
    for c in 0..fours {
        let ahead = c as u32 * 4;
        let whole = comptime!(tile.of.whole);
        let four = four_at::<M>(grad, at + ahead, column0 + ahead, columns, whole);
        #[unroll]
        for load in 0..comptime!(tile.of.rows as usize / width) {
            #[unroll]
            for lane in 0..comptime!(width) {
                let value = Four::new(values[load].extract(lane));
                sums[comptime!((load * width + lane) * fours + c)] += value * four;
            }
        }
    }
}

#[cube(launch_unchecked)]
pub(crate) fn line_sums<N: Size, M: Size>(
    x: &[Vector<f32, N>],
    grad: &[Vector<f32, M>],
    partial: &mut [Vector<f32, M>],
    s: &Lines,
    #[comptime] tile: WeightTile,
) {
    let (rows, fours) = comptime!((tile.of.rows as usize, tile.of.columns as usize / 4));
    let width = N::value();
    let loads = comptime!(rows / width);
    let unit = ABSOLUTE_POS as u32;
    let of_columns = unit / s.across;
    let column0 = (unit - of_columns * s.across) * comptime!(tile.of.columns);
    let of_rows = of_columns / s.blocks;
    let row0 = (of_columns - of_rows * s.blocks) * comptime!(tile.of.rows);
    let part = of_rows / s.taps;
    let tap = of_rows - part * s.taps;
    let begin = part * s.part;
    if begin >= s.lines {
        terminate!();
    }
    let end = u32::min(begin + s.part, s.lines);
    let tap_y = tap / s.taps_x;
    let tap_x = tap - tap_y * s.taps_x;

    // Which pixels of a line the tap meets.
    let apart_x = (tap_x * s.dilation_x) as i32 - s.padding_x as i32;
    let apart_y = (tap_y * s.dilation_y) as i32 - s.padding_y as i32;
    let mut first = 0u32;
    let mut most = s.out_x;
    if comptime!(!tile.joined) {
        let stride = s.stride_x as i32;
        let before = select(apart_x < 0, (stride - 1 - apart_x) / stride, 0i32);
        let room = s.size_x as i32 - apart_x;
        let behind = select(room > 0, (room + stride - 1) / stride, 0i32);
        first = before as u32;
        most = u32::min(behind as u32, s.out_x);
    }
    let start = (first * s.stride_x) as i32 + apart_x;
    let start = start * s.channels as i32 + row0 as i32;
    let ahead = (s.stride_x * s.channels) as i32;
    let len = s.size_x * s.channels;

    let mut sums = Array::<Four>::new(comptime!(rows * fours));
    #[unroll]
    for n in 0..comptime!(rows * fours) {
        sums[n] = Four::new(0.0f32);
    }
    for line in begin..end {
        let image = line / s.out_y;
        let y = ((line - image * s.out_y) * s.stride_y) as i32 + apart_y;
        let inside = y >= 0 && y < s.size_y as i32;
        // Without lines of its own, the last line is shorter.
        let last = u32::min(most, s.pixels - line * s.out_x);
        let last = select(inside, last, first);
        let line_at = select(inside, (image * s.size_y + y as u32) * len, 0u32);
        let mut offset = start;
        let mut at = (line * s.out_x + first) * s.columns + column0;
        // A pixel at a time: a longer loop is slower, see `Program`.
        for _ in first..last {
            let mut values = Array::<Vector<f32, N>>::new(loads);
            load_rows::<N>(x, &mut values, line_at, offset, len, row0, s.rows, tile);
            add_products::<N, M>(grad, &mut sums, &values, at, column0, s.columns, tile);
            offset += ahead;
            at += s.columns;
        }
    }

    #[unroll]
    for n in 0..rows {
        let row = row0 + n as u32;
        if row < s.rows {
            let row = (part * s.taps + tap) * s.rows + row;
            #[unroll]
            for c in 0..fours {
                let sum = sums[comptime!(n * fours + c)];
                let column = column0 + c as u32 * 4;
                let at = row * s.columns + column;
                put_four::<f32, M>(partial, sum, at, column, s.columns);
            }
        }
    }
}
