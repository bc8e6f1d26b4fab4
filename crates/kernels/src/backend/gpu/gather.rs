//! The product that a convolution forward and its input gradient are: rows are pixels, columns are channels of the
//! result, the sum runs over taps and channels of the source; nothing is unfolded in memory.

use cubecl::prelude::*;

use super::phases::{Gather, Phases, phase_of_cube};
use super::tile::{Four, Tile, columns_at, put_four, stage};

/// What a launch knows of its shape before it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    /// Whether the steps that are staged at once lie under one tap: then a tap is found by counting, else by dividing.
    pub one_tap: bool,
    /// Whether the sum is in parts, which are written one behind the other in f32.
    pub parted: bool,
}

/// The source under a tap, `channel` on, for a row that begins at `(y, x)` of the image behind `base` pixels; zero
/// outside.
#[cube]
fn source_at<E: Float, N: Size>(
    source: &[Vector<E, N>],
    g: &Gather,
    base: u32,
    y: i32,
    x: i32,
    tap_y: u32,
    tap_x: u32,
    channel: u32,
) -> Vector<f32, N> {
    let y = y + tap_y as i32 * g.down.source_step;
    let x = x + tap_x as i32 * g.across.source_step;
    let mut value = Vector::<f32, N>::new(0.0f32);
    if y >= 0 && y < g.down.source as i32 && x >= 0 && x < g.across.source as i32 {
        let pixel = base + y as u32 * g.across.source + x as u32;
        let at = (pixel * g.channels + channel) / N::value() as u32;
        value = Vector::cast_from(source[at as usize]);
    }
    value
}

/// The source under step `k` of the sum; zero behind the last.
#[cube]
fn source_at_step<E: Float, N: Size>(
    source: &[Vector<E, N>],
    g: &Gather,
    base: u32,
    y: i32,
    x: i32,
    k: u32,
) -> Vector<f32, N> {
    let tap = k / g.channels;
    let channel = k - tap * g.channels;
    let tap_y = tap / g.across.taps;
    let tap_x = tap - tap_y * g.across.taps;
    let mut value = Vector::<f32, N>::new(0.0f32);
    if tap < g.down.taps * g.across.taps {
        value = source_at::<E, N>(source, g, base, y, x, tap_y, tap_x, channel);
    }
    value
}

/// Rows of the weight in front of that of a tap and a channel.
#[cube]
pub(super) fn weight_row(g: &Gather, tap_y: u32, tap_x: u32, channel: u32) -> u32 {
    let y = g.down.tap0 + tap_y * g.down.tap_step;
    let x = g.across.tap0 + tap_x * g.across.tap_step;
    (y * g.kernel_x + x) * g.channels + channel
}

/// What a unit stages of the source next: fours of the rows whose places `base`, `base_y` and `base_x` hold, from step `k0`
/// on, which is `channel` of the tap.
#[cube]
fn load_source<E: Float, N: Size>(
    source: &[Vector<E, N>],
    g: &Gather,
    next: &mut Array<Four>,
    base: &Array<u32>,
    base_y: &Array<i32>,
    base_x: &Array<i32>,
    unit: u32,
    k0: u32,
    tap_y: u32,
    tap_x: u32,
    channel: u32,
    #[comptime] tile: Tile,
    #[comptime] form: Form,
) {
    let width = N::value();
    let (fours, fours_deep) = comptime!((tile.fours_of_unit().0, tile.depth / 4));
    #[unroll]
    for slot in 0..fours {
        let place = unit + slot as u32 * comptime!(tile.units());
        let ahead = place % fours_deep * 4;
        let (from, y, x) = (base[slot], base_y[slot], base_x[slot]);
        let mut four = Four::new(0.0f32);
        if comptime!(width == 4 && form.one_tap) {
            let value = source_at::<E, N>(source, g, from, y, x, tap_y, tap_x, channel + ahead);
            four = Four::cast_from(value);
        } else if comptime!(width == 4) {
            four = Four::cast_from(source_at_step::<E, N>(source, g, from, y, x, k0 + ahead));
        } else {
            #[unroll]
            for lane in 0..4u32 {
                let value = source_at_step::<E, N>(source, g, from, y, x, k0 + ahead + lane);
                four.insert(lane as usize, value.extract(0usize));
            }
        }
        next[slot] = four;
    }
}

/// What a unit stages of the weight next.
#[cube]
fn load_weight<E: Float, M: Size>(
    weight: &[Vector<E, M>],
    g: &Gather,
    next: &mut Array<Four>,
    column0: u32,
    unit: u32,
    k0: u32,
    end: u32,
    tap_y: u32,
    tap_x: u32,
    channel: u32,
    #[comptime] tile: Tile,
    #[comptime] form: Form,
) {
    let (fours, fours_wide) = comptime!((tile.fours_of_unit().1, tile.cube_columns() / 4));
    #[unroll]
    for slot in 0..fours {
        let place = unit + slot as u32 * comptime!(tile.units());
        let ahead = place / fours_wide;
        let column = column0 + place % fours_wide * 4;
        let mut four = Four::new(0.0f32);
        if k0 + ahead < end {
            let row = if comptime!(form.one_tap) {
                weight_row(g, tap_y, tap_x, channel + ahead)
            } else {
                let tap = (k0 + ahead) / g.channels;
                let tap_y = tap / g.across.taps;
                let channel = k0 + ahead - tap * g.channels;
                weight_row(g, tap_y, tap - tap_y * g.across.taps, channel)
            };
            four = columns_at::<E, M>(weight, row * g.columns + column, column, g.columns);
        }
        next[slot] = four;
    }
}

/// While a tile's steps are multiplied, the next ones are on their way from memory. Loads are `N` channels of the source wide,
/// and `M` columns.
#[cube(launch_unchecked)]
pub(crate) fn gather_product<E: Float, O: Float, N: Size, M: Size>(
    source: &[Vector<E, N>],
    weight: &[Vector<E, M>],
    out: &mut [Vector<O, M>],
    phases: &Phases,
    #[comptime] tile: Tile,
    #[comptime] form: Form,
    #[define(E)] _element: ElemType,
    #[define(O)] _element_out: ElemType,
) {
    let (tile_rows, tile_columns) = comptime!((tile.rows as usize, tile.columns as usize / 4));
    let cube_rows = comptime!(tile.cube_rows());
    let cube_columns = comptime!(tile.cube_columns());
    let (units_y, units_x) = comptime!((tile.units_y, tile.units_x));
    let units = comptime!(tile.units());
    // Each unit stages as many fours of both operands as it has to, always of the same rows.
    let (staged_a, staged_b) = comptime!(tile.staged());
    let (fours_a, fours_b) = comptime!(tile.fours_of_unit());
    let mut a = Shared::<[Four]>::new_slice(comptime!(staged_a as usize));
    let mut b = Shared::<[Four]>::new_slice(comptime!(staged_b as usize));

    let (g, turn) = phase_of_cube(phases);
    let unit = UNIT_POS_Y * units_x + UNIT_POS_X;
    let mut row0 = CUBE_POS_X * cube_rows;
    let mut k0 = 0u32;
    let mut end = g.down.taps * g.across.taps * g.channels;
    let mut behind = 0u32;
    if comptime!(form.parted) {
        k0 = turn * g.part;
        end = u32::min(end, k0 + g.part);
        behind = turn * g.len;
    } else {
        row0 += turn * CUBE_COUNT_X * cube_rows;
    }
    let column0 = CUBE_POS_Y * cube_columns;
    let per_image = g.down.count * g.across.count;

    let mut base = Array::<u32>::new(fours_a);
    let mut base_y = Array::<i32>::new(fours_a);
    let mut base_x = Array::<i32>::new(fours_a);
    let fours_deep = comptime!(tile.depth / 4);
    #[unroll]
    for slot in 0..fours_a {
        let row = row0 + (unit + slot as u32 * units) / fours_deep;
        let image = row / per_image;
        let pixel = row - image * per_image;
        let y = pixel / g.across.count;
        let x = pixel - y * g.across.count;
        base[slot] = image * g.down.source * g.across.source;
        base_y[slot] = y as i32 * g.down.stride + g.down.offset;
        base_x[slot] = x as i32 * g.across.stride + g.across.offset;
        if row >= g.rows {
            // Far outside, so that nothing is read.
            base_y[slot] = -1000000000i32;
        }
    }

    let mut sums = Array::<Four>::new(comptime!(tile_rows * tile_columns));
    #[unroll]
    for n in 0..comptime!(tile_rows * tile_columns) {
        sums[n] = Four::new(0.0f32);
    }

    let tap = k0 / g.channels;
    let mut channel = k0 - tap * g.channels;
    let mut tap_y = tap / g.across.taps;
    let mut tap_x = tap - tap_y * g.across.taps;
    let mut next_a = Array::<Four>::new(fours_a);
    let mut next_b = Array::<Four>::new(fours_b);
    let mut staged = false;
    while k0 < end || staged {
        let more = k0 < end;
        if more {
            load_source::<E, N>(
                source,
                &g,
                &mut next_a,
                &base,
                &base_y,
                &base_x,
                unit,
                k0,
                tap_y,
                tap_x,
                channel,
                tile,
                form,
            );
            load_weight::<E, M>(
                weight,
                &g,
                &mut next_b,
                column0,
                unit,
                k0,
                end,
                tap_y,
                tap_x,
                channel,
                tile,
                form,
            );
        }
        if staged {
            #[unroll]
            for four in 0..fours_deep {
                let mut from_a = Array::<Four>::new(tile_rows);
                #[unroll]
                for n in 0..tile_rows {
                    let row = UNIT_POS_Y + n as u32 * units_y;
                    from_a[n] = a[(row * fours_deep + four) as usize];
                }
                #[unroll]
                for lane in 0..4u32 {
                    #[unroll]
                    for c in 0..tile_columns {
                        let line = (four * 4 + lane) * comptime!(cube_columns / 4);
                        let from_b = b[(line + UNIT_POS_X + c as u32 * units_x) as usize];
                        #[unroll]
                        for n in 0..tile_rows {
                            let value = Four::new(from_a[n].extract(lane as usize));
                            let at = comptime!(n * tile_columns + c);
                            sums[at] += value * from_b;
                        }
                    }
                }
            }
        }
        sync_cube();

        if more {
            stage(&mut a, &next_a, unit, fours_a, staged_a, units);
            stage(&mut b, &next_b, unit, fours_b, staged_b, units);
        }
        sync_cube();

        staged = more;
        k0 += comptime!(tile.depth);
        if comptime!(form.one_tap) {
            channel += comptime!(tile.depth);
            if channel == g.channels {
                channel = 0u32;
                tap_x += 1u32;
                if tap_x == g.across.taps {
                    tap_x = 0u32;
                    tap_y += 1u32;
                }
            }
        }
    }

    #[unroll]
    for n in 0..tile_rows {
        let row = row0 + UNIT_POS_Y + n as u32 * units_y;
        if row < g.rows {
            let image = row / per_image;
            let pixel = row - image * per_image;
            let jy = pixel / g.across.count;
            let jx = pixel - jy * g.across.count;
            let y = g.down.first + jy * g.down.step;
            let x = g.across.first + jx * g.across.step;
            let at = behind + ((image * g.down.out + y) * g.across.out + x) * g.columns;
            #[unroll]
            for c in 0..tile_columns {
                let column = column0 + (UNIT_POS_X + c as u32 * units_x) * 4;
                let sum = sums[comptime!(n * tile_columns + c)];
                put_four::<O, M>(out, sum, at + column, column, g.columns);
            }
        }
    }
}
