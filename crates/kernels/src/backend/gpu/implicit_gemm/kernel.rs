//! The kernel of an implicit GEMM: `im2col(source) x weight` with tiles of both in shared memory, where the unfolded source
//! is never written to global memory.

use cubecl::prelude::*;

use super::phases::{Phase, Phases, phase_of_workgroup};
use crate::backend::gpu::tile::{Tile, Vec4, load_columns, stage, store_columns};

/// What is known of a launch when its shader is compiled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Variant {
    /// Whether all steps that are staged at once lie under one tap: then a tap is found by counting, else by dividing.
    pub one_tap: bool,
    /// Whether the sum is split; the splits are written one after the other in f32.
    pub split: bool,
}

/// The source under a tap, from `channel` on, for a row whose first tap lies on `(y, x)` of the image that begins at pixel
/// `base`; zero outside the image.
#[cube]
fn source_at<E: Float, N: Size>(
    source: &[Vector<E, N>],
    p: &Phase,
    base: u32,
    y: i32,
    x: i32,
    tap_y: u32,
    tap_x: u32,
    channel: u32,
) -> Vector<f32, N> {
    let y = y + tap_y as i32 * p.y.source_step;
    let x = x + tap_x as i32 * p.x.source_step;
    let mut value = Vector::<f32, N>::new(0.0f32);
    if y >= 0 && y < p.y.source as i32 && x >= 0 && x < p.x.source as i32 {
        let pixel = base + y as u32 * p.x.source + x as u32;
        let at = (pixel * p.channels + channel) / N::value() as u32;
        value = Vector::cast_from(source[at as usize]);
    }
    value
}

/// The source under step `k` of the sum; zero past the last.
#[cube]
fn source_at_step<E: Float, N: Size>(
    source: &[Vector<E, N>],
    p: &Phase,
    base: u32,
    y: i32,
    x: i32,
    k: u32,
) -> Vector<f32, N> {
    let tap = k / p.channels;
    let channel = k - tap * p.channels;
    let tap_y = tap / p.x.taps;
    let tap_x = tap - tap_y * p.x.taps;
    let mut value = Vector::<f32, N>::new(0.0f32);
    if tap < p.y.taps * p.x.taps {
        value = source_at::<E, N>(source, p, base, y, x, tap_y, tap_x, channel);
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

/// Loads what an invocation stages of the source next: vectors of the rows whose places `base`, `base_y` and `base_x` hold,
/// from step `k0` on, which is `channel` of the tap.
#[cube]
fn load_source<E: Float, N: Size>(
    source: &[Vector<E, N>],
    p: &Phase,
    next: &mut Array<Vec4>,
    base: &Array<u32>,
    base_y: &Array<i32>,
    base_x: &Array<i32>,
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
        let (from, y, x) = (base[slot], base_y[slot], base_x[slot]);
        let mut vector = Vec4::new(0.0f32);
        if comptime!(width == 4 && variant.one_tap) {
            let value = source_at::<E, N>(source, p, from, y, x, tap_y, tap_x, channel + ahead);
            vector = Vec4::cast_from(value);
        } else if comptime!(width == 4) {
            vector = Vec4::cast_from(source_at_step::<E, N>(source, p, from, y, x, k0 + ahead));
        } else {
            #[unroll]
            for lane in 0..4u32 {
                let value = source_at_step::<E, N>(source, p, from, y, x, k0 + ahead + lane);
                vector.insert(lane as usize, value.extract(0usize));
            }
        }
        next[slot] = vector;
    }
}

/// Loads what an invocation stages of the weight next.
#[cube]
fn load_weight<E: Float, M: Size>(
    weight: &[Vector<E, M>],
    p: &Phase,
    next: &mut Array<Vec4>,
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
        let mut vector = Vec4::new(0.0f32);
        if k0 + ahead < end {
            let row = if comptime!(variant.one_tap) {
                weight_row(p, tap_y, tap_x, channel + ahead)
            } else {
                let tap = (k0 + ahead) / p.channels;
                let tap_y = tap / p.x.taps;
                let channel = k0 + ahead - tap * p.channels;
                weight_row(p, tap_y, tap - tap_y * p.x.taps, channel)
            };
            vector = load_columns::<E, M>(weight, row * p.columns + column, column, p.columns);
        }
        next[slot] = vector;
    }
}

/// The product. Double-buffered: while one tile's steps are multiplied, the next tile is loaded into registers. Loads are
/// `N` channels of the source wide, and `M` columns of the weight and of the result. The source and the weight are stored as
/// `E`, the result as `O`.
#[cube(launch_unchecked)]
pub(crate) fn implicit_gemm<E: Float, O: Float, N: Size, M: Size>(
    source: &[Vector<E, N>],
    weight: &[Vector<E, M>],
    out: &mut [Vector<O, M>],
    phases: &Phases,
    #[comptime] tile: Tile,
    #[comptime] variant: Variant,
    #[define(E)] _element: ElemType,
    #[define(O)] _element_out: ElemType,
) {
    let (tile_rows, tile_columns) = comptime!((tile.rows as usize, tile.columns as usize / 4));
    let group_rows = comptime!(tile.group_rows());
    let group_columns = comptime!(tile.group_columns());
    let (group_y, group_x) = comptime!((tile.group_y, tile.group_x));
    let invocations = comptime!(tile.invocations());
    // An invocation always stages vectors of the same rows.
    let (staged_a, staged_b) = comptime!(tile.staged());
    let (slots_a, slots_b) = comptime!(tile.staged_each());
    let mut a = Shared::<[Vec4]>::new_slice(comptime!(staged_a as usize));
    let mut b = Shared::<[Vec4]>::new_slice(comptime!(staged_b as usize));

    let (p, z) = phase_of_workgroup(phases);
    let invocation = UNIT_POS_Y * group_x + UNIT_POS_X;
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
    let column0 = CUBE_POS_Y * group_columns;
    let per_image = p.y.count * p.x.count;

    let mut base = Array::<u32>::new(slots_a);
    let mut base_y = Array::<i32>::new(slots_a);
    let mut base_x = Array::<i32>::new(slots_a);
    let vectors_deep = comptime!(tile.depth / 4);
    #[unroll]
    for slot in 0..slots_a {
        let row = row0 + (invocation + slot as u32 * invocations) / vectors_deep;
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

    let mut sums = Array::<Vec4>::new(comptime!(tile_rows * tile_columns));
    #[unroll]
    for n in 0..comptime!(tile_rows * tile_columns) {
        sums[n] = Vec4::new(0.0f32);
    }

    let tap = k0 / p.channels;
    let mut channel = k0 - tap * p.channels;
    let mut tap_y = tap / p.x.taps;
    let mut tap_x = tap - tap_y * p.x.taps;
    let mut next_a = Array::<Vec4>::new(slots_a);
    let mut next_b = Array::<Vec4>::new(slots_b);
    let mut staged = false;
    while k0 < end || staged {
        let more = k0 < end;
        if more {
            load_source::<E, N>(
                source,
                &p,
                &mut next_a,
                &base,
                &base_y,
                &base_x,
                invocation,
                k0,
                tap_y,
                tap_x,
                channel,
                tile,
                variant,
            );
            load_weight::<E, M>(
                weight,
                &p,
                &mut next_b,
                column0,
                invocation,
                k0,
                end,
                tap_y,
                tap_x,
                channel,
                tile,
                variant,
            );
        }
        if staged {
            #[unroll]
            for step in 0..vectors_deep {
                let mut from_a = Array::<Vec4>::new(tile_rows);
                #[unroll]
                for n in 0..tile_rows {
                    let row = UNIT_POS_Y + n as u32 * group_y;
                    from_a[n] = a[(row * vectors_deep + step) as usize];
                }
                #[unroll]
                for lane in 0..4u32 {
                    #[unroll]
                    for c in 0..tile_columns {
                        let staged_row = (step * 4 + lane) * comptime!(group_columns / 4);
                        let from_b = b[(staged_row + UNIT_POS_X + c as u32 * group_x) as usize];
                        #[unroll]
                        for n in 0..tile_rows {
                            let value = Vec4::new(from_a[n].extract(lane as usize));
                            let at = comptime!(n * tile_columns + c);
                            sums[at] += value * from_b;
                        }
                    }
                }
            }
        }
        sync_cube();

        if more {
            stage(&mut a, &next_a, invocation, slots_a, staged_a, invocations);
            stage(&mut b, &next_b, invocation, slots_b, staged_b, invocations);
        }
        sync_cube();

        staged = more;
        k0 += comptime!(tile.depth);
        if comptime!(variant.one_tap) {
            channel += comptime!(tile.depth);
            if channel == p.channels {
                channel = 0u32;
                tap_x += 1u32;
                if tap_x == p.x.taps {
                    tap_x = 0u32;
                    tap_y += 1u32;
                }
            }
        }
    }

    #[unroll]
    for n in 0..tile_rows {
        let row = row0 + UNIT_POS_Y + n as u32 * group_y;
        if row < p.rows {
            let image = row / per_image;
            let pixel = row - image * per_image;
            let jy = pixel / p.x.count;
            let jx = pixel - jy * p.x.count;
            let y = p.y.first + jy * p.y.step;
            let x = p.x.first + jx * p.x.step;
            let at = split_at + ((image * p.y.out + y) * p.x.out + x) * p.columns;
            #[unroll]
            for c in 0..tile_columns {
                let column = column0 + (UNIT_POS_X + c as u32 * group_x) * 4;
                let sum = sums[comptime!(n * tile_columns + c)];
                store_columns::<O, M>(out, sum, at + column, column, p.columns);
            }
        }
    }
}
