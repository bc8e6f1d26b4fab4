//! The product that a convolution forward and its gradient by the input are: rows are pixels, columns are channels of the
//! result, the sum runs over taps and channels of the source; nothing is unfolded in memory.

use cubecl::prelude::*;

use super::tile::{Four, Tile, columns_at, stage};

/// Which pixels of the result meet which pixels of the source, through which taps. Pairs are height, width.
///
/// Row r of the product is the result's pixel `first + step * (jy, jx)` of picture n; tap number (ii, jj)
/// of the sum is the kernel's `(tap0 + ii * tap_step, ..)`, and lies on the source's pixel
/// `(jy, jx) * stride + offset + (ii, jj) * source_step`.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Gather {
    pub(super) rows: u32,
    pub(super) count_y: u32,
    pub(super) count_x: u32,
    pub(super) first_y: u32,
    pub(super) first_x: u32,
    pub(super) step_y: u32,
    pub(super) step_x: u32,
    pub(super) out_y: u32,
    pub(super) out_x: u32,
    pub(super) columns: u32,
    pub(super) source_y: u32,
    pub(super) source_x: u32,
    pub(super) channels: u32,
    pub(super) stride_y: i32,
    pub(super) stride_x: i32,
    pub(super) offset_y: i32,
    pub(super) offset_x: i32,
    pub(super) source_step_y: i32,
    pub(super) source_step_x: i32,
    pub(super) taps_y: u32,
    pub(super) taps_x: u32,
    pub(super) tap0_y: u32,
    pub(super) tap0_x: u32,
    pub(super) tap_step_y: u32,
    pub(super) tap_step_x: u32,
    pub(super) kernel_x: u32,
    /// Steps of the sum that a cube takes: all, or those of its part.
    pub(super) part: u32,
    /// Values of the result, which each part has.
    pub(super) len: u32,
}

/// What a launch knows of its shape before it is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Form {
    /// Whether the steps that are staged at once lie under one tap: then a tap is found by counting, else by dividing.
    pub one_tap: bool,
    /// Whether the sum is in parts, which are written one behind the other in f32.
    pub parted: bool,
}

/// The source under a tap, `channel` on, for a row that begins at `(y, x)` of the picture behind `base` pixels; zero
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
    let y = y + tap_y as i32 * g.source_step_y;
    let x = x + tap_x as i32 * g.source_step_x;
    let mut value = Vector::<f32, N>::new(0.0f32);
    if y >= 0 && y < g.source_y as i32 && x >= 0 && x < g.source_x as i32 {
        let pixel = base + y as u32 * g.source_x + x as u32;
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
    let tap_y = tap / g.taps_x;
    let tap_x = tap - tap_y * g.taps_x;
    let mut value = Vector::<f32, N>::new(0.0f32);
    if tap < g.taps_y * g.taps_x {
        value = source_at::<E, N>(source, g, base, y, x, tap_y, tap_x, channel);
    }
    value
}

/// Rows of the weight in front of that of a tap and a channel.
#[cube]
pub(super) fn weight_row(g: &Gather, tap_y: u32, tap_x: u32, channel: u32) -> u32 {
    let y = g.tap0_y + tap_y * g.tap_step_y;
    let x = g.tap0_x + tap_x * g.tap_step_x;
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
fn load_weight<E: Float, N: Size>(
    weight: &[Vector<E, N>],
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
                let tap_y = tap / g.taps_x;
                let channel = k0 + ahead - tap * g.channels;
                weight_row(g, tap_y, tap - tap_y * g.taps_x, channel)
            };
            four = columns_at::<E, N>(weight, row * g.columns + column, column, g.columns);
        }
        next[slot] = four;
    }
}

/// While a tile's steps are multiplied, the next ones are on their way from memory.
#[cube(launch_unchecked)]
pub(crate) fn gather_product<E: Float, O: Float, N: Size>(
    source: &[Vector<E, N>],
    weight: &[Vector<E, N>],
    out: &mut [Vector<O, N>],
    g: &Gather,
    #[comptime] tile: Tile,
    #[comptime] form: Form,
    #[define(E)] _element: ElemType,
    #[define(O)] _element_out: ElemType,
) {
    let width = N::value();
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

    let unit = UNIT_POS_Y * units_x + UNIT_POS_X;
    let mut row0 = CUBE_POS_X * cube_rows;
    let mut k0 = 0u32;
    let mut end = g.taps_y * g.taps_x * g.channels;
    let mut behind = 0u32;
    if comptime!(form.parted) {
        k0 = CUBE_POS_Z * g.part;
        end = u32::min(end, k0 + g.part);
        behind = CUBE_POS_Z * g.len;
    } else {
        row0 += CUBE_POS_Z * CUBE_COUNT_X * cube_rows;
    }
    let column0 = CUBE_POS_Y * cube_columns;
    let per_picture = g.count_y * g.count_x;

    let mut base = Array::<u32>::new(fours_a);
    let mut base_y = Array::<i32>::new(fours_a);
    let mut base_x = Array::<i32>::new(fours_a);
    let fours_deep = comptime!(tile.depth / 4);
    #[unroll]
    for slot in 0..fours_a {
        let row = row0 + (unit + slot as u32 * units) / fours_deep;
        let picture = row / per_picture;
        let pixel = row - picture * per_picture;
        let y = pixel / g.count_x;
        let x = pixel - y * g.count_x;
        base[slot] = picture * g.source_y * g.source_x;
        base_y[slot] = y as i32 * g.stride_y + g.offset_y;
        base_x[slot] = x as i32 * g.stride_x + g.offset_x;
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
    let mut tap_y = tap / g.taps_x;
    let mut tap_x = tap - tap_y * g.taps_x;
    let mut next_a = Array::<Four>::new(fours_a);
    let mut next_b = Array::<Four>::new(fours_b);
    let mut staged = false;
    while k0 < end || staged {
        let more = k0 < end;
        if more {
            load_source::<E, N>(
                source,
                g,
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
            load_weight::<E, N>(
                weight,
                g,
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
                if tap_x == g.taps_x {
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
            let picture = row / per_picture;
            let pixel = row - picture * per_picture;
            let jy = pixel / g.count_x;
            let jx = pixel - jy * g.count_x;
            let y = g.first_y + jy * g.step_y;
            let x = g.first_x + jx * g.step_x;
            let at = behind + ((picture * g.out_y + y) * g.out_x + x) * g.columns;
            #[unroll]
            for c in 0..tile_columns {
                let column = column0 + (UNIT_POS_X + c as u32 * units_x) * 4;
                let sum = sums[comptime!(n * tile_columns + c)];
                if comptime!(width == 4) {
                    if column < g.columns {
                        out[((at + column) / 4) as usize] = Vector::cast_from(sum);
                    }
                } else {
                    #[unroll]
                    for lane in 0..4u32 {
                        if column + lane < g.columns {
                            out[(at + column + lane) as usize] =
                                Vector::new(O::cast_from(sum.extract(lane as usize)));
                        }
                    }
                }
            }
        }
    }
}
