//! The kernel of a weight gradient: `im2col(x)^T x grad`, with tiles of both in shared memory.

use cubecl::prelude::*;

use super::load::{Pixel, Reduction, ahead, load_gradient, load_input};
use crate::backend::gpu::tile::{Tile, Vec4, stage, store_columns};

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
            load_input::<E, f32, N>(
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
            load_gradient::<E, f32, M>(
                grad,
                s,
                &mut next_b,
                pixel0,
                end,
                invocation,
                column0,
                tile,
            );
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
            stage::<f32>(
                &mut a,
                &next_a,
                invocation,
                slots_a,
                staged_a,
                invocations,
                1u32,
                0u32,
            );
            stage::<f32>(
                &mut b,
                &next_b,
                invocation,
                slots_b,
                staged_b,
                invocations,
                1u32,
                0u32,
            );
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
