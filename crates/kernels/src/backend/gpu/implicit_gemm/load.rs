//! What an invocation loads of both operands while it stages a tile of them in shared memory.

use cubecl::prelude::*;

use super::phases::Phase;
use crate::backend::gpu::tile::{Staged, Tile, load_columns};

/// What is known of a launch when its shader is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    /// Whether all steps that are staged at once lie under one tap: then a tap is found by counting, else by dividing.
    pub one_tap: bool,
    /// Whether the sum is split; the splits are written one after the other in f32.
    pub split: bool,
}

/// The part of a product that a workgroup computes: its first row, and the steps of the sum from `k0` to `end`. What it
/// writes lies `split_at` values after the result's place.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Part {
    pub row0: u32,
    pub k0: u32,
    pub end: u32,
    pub split_at: u32,
}

/// This workgroup's part; `z` is its place among those of its phase along the last dimension.
#[cube]
pub(super) fn part_of_workgroup(
    p: &Phase,
    z: u32,
    #[comptime] tile: Tile,
    #[comptime] variant: Variant,
) -> Part {
    let group_rows = comptime!(tile.group_rows());
    let mut row0 = CUBE_POS_X * group_rows;
    let mut k0 = 0u32;
    let mut end = p.y.taps * p.x.taps * p.channels;
    let mut split_at = 0u32;
    if comptime!(variant.split) {
        k0 = z * p.split_depth;
        end = u32::min(end, k0 + p.split_depth);
        split_at = z * p.len;
    } else {
        row0 += z * CUBE_COUNT_X * group_rows;
    }
    Part {
        row0,
        k0,
        end,
        split_at,
    }
}

/// The rows that an invocation stages, always the same: where their images begin, and the place of each row's first tap.
#[derive(CubeType)]
pub(super) struct Rows {
    base: Array<u32>,
    y: Array<i32>,
    x: Array<i32>,
}

/// The rows that this invocation stages of a workgroup that begins at `row0`.
#[cube]
pub(super) fn rows_of_invocation(
    p: &Phase,
    row0: u32,
    invocation: u32,
    #[comptime] tile: Tile,
) -> Rows {
    let (slots, vectors_deep) = comptime!((tile.staged_each().0, tile.depth / 4));
    let per_image = p.y.count * p.x.count;
    let mut base = Array::<u32>::new(slots);
    let mut base_y = Array::<i32>::new(slots);
    let mut base_x = Array::<i32>::new(slots);
    #[unroll]
    for slot in 0..slots {
        let place = invocation + slot as u32 * comptime!(tile.invocations());
        let row = row0 + place / vectors_deep;
        let image = row / per_image;
        let pixel = row - image * per_image;
        let y = pixel / p.x.count;
        let x = pixel - y * p.x.count;
        base[slot] = image * p.y.source * p.x.source;
        base_y[slot] = y as i32 * p.y.stride + p.y.offset;
        base_x[slot] = x as i32 * p.x.stride + p.x.offset;
        if row >= p.rows {
            // Far outside the image, so that nothing is read.
            base_y[slot] = -1000000000i32;
        }
    }
    Rows {
        base,
        y: base_y,
        x: base_x,
    }
}

/// The place in memory of a row of the result, which is one of its pixels.
#[cube]
pub(super) fn place_of_row(p: &Phase, row: u32) -> u32 {
    let per_image = p.y.count * p.x.count;
    let image = row / per_image;
    let pixel = row - image * per_image;
    let jy = pixel / p.x.count;
    let jx = pixel - jy * p.x.count;
    let y = p.y.first + jy * p.y.step;
    let x = p.x.first + jx * p.x.step;
    ((image * p.y.out + y) * p.x.out + x) * p.columns
}

/// The source under a tap, from `channel` on, for a row whose first tap lies on `(y, x)` of the image that begins at pixel
/// `base`; zero outside the image.
#[cube]
fn source_at<E: Float, S: Float, N: Size>(
    source: &[Vector<E, N>],
    p: &Phase,
    base: u32,
    y: i32,
    x: i32,
    tap_y: u32,
    tap_x: u32,
    channel: u32,
) -> Vector<S, N> {
    let y = y + tap_y as i32 * p.y.source_step;
    let x = x + tap_x as i32 * p.x.source_step;
    let mut value = Vector::<S, N>::new(S::new(0.0));
    if y >= 0 && y < p.y.source as i32 && x >= 0 && x < p.x.source as i32 {
        let pixel = base + y as u32 * p.x.source + x as u32;
        let at = (pixel * p.channels + channel) / N::value() as u32;
        value = Vector::cast_from(source[at as usize]);
    }
    value
}

/// The source under step `k` of the sum; zero past the last.
#[cube]
fn source_at_step<E: Float, S: Float, N: Size>(
    source: &[Vector<E, N>],
    p: &Phase,
    base: u32,
    y: i32,
    x: i32,
    k: u32,
) -> Vector<S, N> {
    let tap = k / p.channels;
    let channel = k - tap * p.channels;
    let tap_y = tap / p.x.taps;
    let tap_x = tap - tap_y * p.x.taps;
    let mut value = Vector::<S, N>::new(S::new(0.0));
    if tap < p.y.taps * p.x.taps {
        value = source_at::<E, S, N>(source, p, base, y, x, tap_y, tap_x, channel);
    }
    value
}

/// The weight's row for a tap and a channel.
#[cube]
fn weight_row(p: &Phase, tap_y: u32, tap_x: u32, channel: u32) -> u32 {
    let y = p.y.tap0 + tap_y * p.y.tap_step;
    let x = p.x.tap0 + tap_x * p.x.tap_step;
    (y * p.kernel_x + x) * p.channels + channel
}

/// Loads what an invocation stages of the source next: vectors of its rows,
/// from step `k0` on, which is `channel` of the tap.
#[cube]
pub(super) fn load_source<E: Float, S: Float, N: Size>(
    source: &[Vector<E, N>],
    p: &Phase,
    next: &mut Array<Staged<S>>,
    rows: &Rows,
    invocation: u32,
    k0: u32,
    tap_y: u32,
    tap_x: u32,
    channel: u32,
    #[comptime] tile: Tile,
    #[comptime] variant: Variant,
) {
    let width = N::value();
    let (slots, vectors_deep) = comptime!((tile.staged_each().0, tile.depth / 4));
    #[unroll]
    for slot in 0..slots {
        let place = invocation + slot as u32 * comptime!(tile.invocations());
        let ahead = place % vectors_deep * 4;
        let (from, y, x) = (rows.base[slot], rows.y[slot], rows.x[slot]);
        let mut vector = Staged::<S>::new(S::new(0.0));
        if comptime!(width == 4 && variant.one_tap) {
            let value = source_at::<E, S, N>(source, p, from, y, x, tap_y, tap_x, channel + ahead);
            vector = Vector::cast_from(value);
        } else if comptime!(width == 4) {
            vector =
                Vector::cast_from(source_at_step::<E, S, N>(source, p, from, y, x, k0 + ahead));
        } else {
            #[unroll]
            for lane in 0..4u32 {
                let value = source_at_step::<E, S, N>(source, p, from, y, x, k0 + ahead + lane);
                vector.insert(lane as usize, value.extract(0usize));
            }
        }
        next[slot] = vector;
    }
}

/// Loads what an invocation stages of the weight next.
#[cube]
pub(super) fn load_weight<E: Float, S: Float, M: Size>(
    weight: &[Vector<E, M>],
    p: &Phase,
    next: &mut Array<Staged<S>>,
    column0: u32,
    invocation: u32,
    k0: u32,
    end: u32,
    tap_y: u32,
    tap_x: u32,
    channel: u32,
    #[comptime] tile: Tile,
    #[comptime] variant: Variant,
) {
    let (slots, vectors_wide) = comptime!((tile.staged_each().1, tile.group_columns() / 4));
    #[unroll]
    for slot in 0..slots {
        let place = invocation + slot as u32 * comptime!(tile.invocations());
        let ahead = place / vectors_wide;
        let column = column0 + place % vectors_wide * 4;
        let mut vector = Staged::<S>::new(S::new(0.0));
        if k0 + ahead < end {
            let row = if comptime!(variant.one_tap) {
                weight_row(p, tap_y, tap_x, channel + ahead)
            } else {
                let tap = (k0 + ahead) / p.channels;
                let tap_y = tap / p.x.taps;
                let channel = k0 + ahead - tap * p.channels;
                weight_row(p, tap_y, tap - tap_y * p.x.taps, channel)
            };
            vector = load_columns::<E, S, M>(weight, row * p.columns + column, column, p.columns);
        }
        next[slot] = vector;
    }
}
