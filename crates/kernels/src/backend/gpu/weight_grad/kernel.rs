//! The kernel of a weight gradient: `im2col(x)^T x grad`, with tiles of both in shared memory.

use cubecl::prelude::*;

use crate::backend::gpu::tile::{Tile, Vec4, load_columns, stage, store_columns};

/// The convolution's shape, and how the sum over its pixels is split.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Reduction {
    rows: u32,
    columns: u32,
    pixels: u32,
    split_pixels: u32,
    channels: u32,
    size_y: u32,
    size_x: u32,
    out_y: u32,
    out_x: u32,
    kernel_x: u32,
    stride_y: u32,
    stride_x: u32,
    padding_y: u32,
    padding_x: u32,
    dilation_y: u32,
    dilation_x: u32,
}

/// Where an output pixel lies: its image, and its place in it.
#[derive(CubeType, Clone, Copy)]
struct Pixel {
    image: u32,
    y: u32,
    x: u32,
}

/// `value / by`, both below 2^20, where a division of integers would take ten times as long. `inverse` is `1 / by`; the
/// half that is added more than covers its rounding.
#[cube]
fn quotient(value: u32, inverse: f32) -> u32 {
    u32::cast_from((f32::cast_from(value) + 0.5f32) * inverse)
}

/// The pixel that comes `by` after another, in the order of rows and images.
#[cube]
fn ahead(s: &Reduction, from: &Pixel, by: u32, inverse_y: f32, inverse_x: f32) -> Pixel {
    let x = from.x + by;
    let lines = quotient(x, inverse_x);
    let y = from.y + lines;
    let images = quotient(y, inverse_y);
    Pixel {
        image: from.image + images,
        y: y - images * s.out_y,
        x: x - lines * s.out_x,
    }
}

/// The input under tap and channel `row` for an output pixel; zero outside the image.
#[cube]
fn input_at<E: Float, N: Size>(
    x: &[Vector<E, N>],
    s: &Reduction,
    row: u32,
    pixel: &Pixel,
) -> Vector<f32, N> {
    let tap = row / s.channels;
    let channel = row - tap * s.channels;
    let i = tap / s.kernel_x;
    let j = tap - i * s.kernel_x;
    let y = pixel.y * s.stride_y + i * s.dilation_y;
    let column = pixel.x * s.stride_x + j * s.dilation_x;
    let mut value = Vector::<f32, N>::new(0.0f32);
    let inside = y >= s.padding_y
        && y < s.size_y + s.padding_y
        && column >= s.padding_x
        && column < s.size_x + s.padding_x;
    if inside && row < s.rows {
        let line = pixel.image * s.size_y + y - s.padding_y;
        let from = line * s.size_x + column - s.padding_x;
        let at = (from * s.channels + channel) / N::value() as u32;
        value = Vector::cast_from(x[at as usize]);
    }
    value
}

/// Loads what an invocation stages of the input next: vectors of rows from `row` on, for the pixels from `at` on, which is
/// number `pixel0`.
#[cube]
fn load_input<E: Float, N: Size>(
    x: &[Vector<E, N>],
    s: &Reduction,
    next: &mut Array<Vec4>,
    at: &Pixel,
    pixel0: u32,
    end: u32,
    invocation: u32,
    row: u32,
    inverse_y: f32,
    inverse_x: f32,
    #[comptime] tile: Tile,
) {
    let width = N::value();
    let (slots, vectors_wide) = comptime!((tile.staged_each().0, tile.group_rows() / 4));
    #[unroll]
    for slot in 0..slots {
        let after = (invocation + slot as u32 * comptime!(tile.invocations())) / vectors_wide;
        let mut vector = Vec4::new(0.0f32);
        if pixel0 + after < end {
            let pixel = ahead(s, at, after, inverse_y, inverse_x);
            if comptime!(width == 4) {
                vector = Vec4::cast_from(input_at::<E, N>(x, s, row, &pixel));
            } else {
                #[unroll]
                for lane in 0..4u32 {
                    let value = input_at::<E, N>(x, s, row + lane, &pixel);
                    vector.insert(lane as usize, value.extract(0usize));
                }
            }
        }
        next[slot] = vector;
    }
}

/// Loads what an invocation stages of the output's gradient next.
#[cube]
fn load_gradient<E: Float, M: Size>(
    grad: &[Vector<E, M>],
    s: &Reduction,
    next: &mut Array<Vec4>,
    pixel0: u32,
    end: u32,
    invocation: u32,
    column0: u32,
    #[comptime] tile: Tile,
) {
    let (slots, vectors_wide) = comptime!((tile.staged_each().1, tile.group_columns() / 4));
    #[unroll]
    for slot in 0..slots {
        let place = invocation + slot as u32 * comptime!(tile.invocations());
        let pixel = pixel0 + place / vectors_wide;
        let column = column0 + place % vectors_wide * 4;
        let mut vector = Vec4::new(0.0f32);
        if pixel < end {
            vector = load_columns::<E, M>(grad, pixel * s.columns + column, column, s.columns);
        }
        next[slot] = vector;
    }
}

/// The splits of the sum. Double-buffered: while one tile's pixels are multiplied, the next tile is loaded into registers.
/// Loads are `N` channels of the input wide, and `M` of the gradient.
#[cube(launch_unchecked)]
pub(crate) fn weight_gradient<E: Float, N: Size, M: Size>(
    x: &[Vector<E, N>],
    grad: &[Vector<E, M>],
    partial: &mut [Vector<f32, M>],
    s: &Reduction,
    #[comptime] tile: Tile,
    #[define(E)] _element: ElemType,
) {
    let tile_rows = comptime!(tile.rows as usize / 4);
    let tile_columns = comptime!(tile.columns as usize / 4);
    let group_rows = comptime!(tile.group_rows());
    let group_columns = comptime!(tile.group_columns());
    let (group_y, group_x) = comptime!((tile.group_y, tile.group_x));
    let invocations = comptime!(tile.invocations());
    let (staged_a, staged_b) = comptime!(tile.staged());
    let (slots_a, slots_b) = comptime!(tile.staged_each());
    let mut a = Shared::<[Vec4]>::new_slice(comptime!(staged_a as usize));
    let mut b = Shared::<[Vec4]>::new_slice(comptime!(staged_b as usize));

    let invocation = UNIT_POS_Y * group_x + UNIT_POS_X;
    let row0 = CUBE_POS_X * group_rows;
    let column0 = CUBE_POS_Y * group_columns;
    let begin = CUBE_POS_Z * s.split_pixels;
    let end = u32::min(begin + s.split_pixels, s.pixels);
    // A workgroup's invocations are a multiple of the vectors along its rows, so an invocation stages the same rows of all
    // pixels.
    let row = row0 + invocation % comptime!(group_rows / 4) * 4;
    let inverse_y = 1.0f32 / f32::cast_from(s.out_y);
    let inverse_x = 1.0f32 / f32::cast_from(s.out_x);

    let mut sums = Array::<Vec4>::new(comptime!(4 * tile_rows * tile_columns));
    #[unroll]
    for n in 0..comptime!(4 * tile_rows * tile_columns) {
        sums[n] = Vec4::new(0.0f32);
    }

    let line = begin / s.out_x;
    let mut image = line / s.out_y;
    let mut y = line - image * s.out_y;
    let mut column = begin - line * s.out_x;
    let mut pixel0 = begin;
    let mut next_a = Array::<Vec4>::new(slots_a);
    let mut next_b = Array::<Vec4>::new(slots_b);
    let mut staged = false;
    while pixel0 < end || staged {
        let more = pixel0 < end;
        if more {
            let now = Pixel {
                image,
                y,
                x: column,
            };
            load_input::<E, N>(
                x,
                s,
                &mut next_a,
                &now,
                pixel0,
                end,
                invocation,
                row,
                inverse_y,
                inverse_x,
                tile,
            );
            load_gradient::<E, M>(grad, s, &mut next_b, pixel0, end, invocation, column0, tile);
            let next = ahead(s, &now, comptime!(tile.depth), inverse_y, inverse_x);
            image = next.image;
            y = next.y;
            column = next.x;
        }
        if staged {
            #[unroll]
            for step in 0..comptime!(tile.depth) {
                let line_a = step * comptime!(group_rows / 4);
                let line_b = step * comptime!(group_columns / 4);
                let mut from_b = Array::<Vec4>::new(tile_columns);
                #[unroll]
                for c in 0..tile_columns {
                    from_b[c] = b[(line_b + UNIT_POS_X + c as u32 * group_x) as usize];
                }
                #[unroll]
                for r in 0..tile_rows {
                    let from_a = a[(line_a + UNIT_POS_Y + r as u32 * group_y) as usize];
                    #[unroll]
                    for c in 0..tile_columns {
                        #[unroll]
                        for lane in 0..4usize {
                            let at = comptime!((r * 4 + lane) * tile_columns + c);
                            let value = Vec4::new(from_a.extract(lane));
                            sums[at] += value * from_b[c];
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
        pixel0 += comptime!(tile.depth);
    }

    #[unroll]
    for r in 0..tile_rows {
        #[unroll]
        for lane in 0..4u32 {
            let row = row0 + (UNIT_POS_Y + r as u32 * group_y) * 4 + lane;
            if row < s.rows {
                #[unroll]
                for c in 0..tile_columns {
                    let column = column0 + (UNIT_POS_X + c as u32 * group_x) * 4;
                    let sum = sums[comptime!((r * 4 + lane as usize) * tile_columns + c)];
                    let at = (CUBE_POS_Z * s.rows + row) * s.columns + column;
                    store_columns::<f32, M>(partial, sum, at, column, s.columns);
                }
            }
        }
    }
}
