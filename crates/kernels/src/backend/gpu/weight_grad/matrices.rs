//! The kernel of a weight gradient by matrix instructions: as `kernel.rs`, with operands that are rounded while they are
//! staged. Pixels are the steps of the sum, so that the left operand is staged by steps, as the transpose of a matrix.

use cubecl::prelude::*;

use super::load::{Pixel, Reduction, ahead, load_gradient, load_input};
use crate::backend::gpu::matrix::product::{multiply, room_for_sums, spread, taken, turns, zeros};
use crate::backend::gpu::matrix::tile::{MatrixTile, PADDING};
use crate::backend::gpu::tile::{Staged, stage, store_columns};

/// The splits of the sum, as [`super::kernel::weight_gradient`] computes them; both operands are staged as `S`.
#[cube(launch_unchecked)]
pub(crate) fn weight_gradient_by_matrices<E: Float, S: Float, N: Size, M: Size>(
    x: &[Vector<E, N>],
    grad: &[Vector<E, M>],
    partial: &mut [Vector<f32, M>],
    s: &Reduction,
    #[comptime] by: MatrixTile,
    #[define(E)] _element: ElemType,
    #[define(S)] _element_staged: ElemType,
) {
    let tile = comptime!(by.staging);
    let invocations = comptime!(tile.invocations());
    let (staged_a, staged_b) = comptime!(tile.staged());
    let (slots_a, slots_b) = comptime!(tile.staged_each());
    let (vectors_tall, vectors_wide) = comptime!((tile.group_rows() / 4, tile.group_columns() / 4));
    let (padded_a, padded_b) = comptime!({
        let [left, right] = by.staged(true);
        (left as usize, right as usize)
    });
    let mut a = Shared::<[Staged<S>]>::new_slice(padded_a);
    let mut b = Shared::<[Staged<S>]>::new_slice(padded_b);
    let mut bounce = room_for_sums(by);

    let invocation = UNIT_POS_Y * comptime!(by.fragment.plane) + UNIT_POS_X;
    let row0 = CUBE_POS_X * comptime!(tile.group_rows());
    let column0 = CUBE_POS_Y * comptime!(tile.group_columns());
    let begin = CUBE_POS_Z * s.split_pixels;
    let end = u32::min(begin + s.split_pixels, s.pixels);
    // As in `kernel.rs`, an invocation stages the same rows of all pixels.
    let row = row0 + invocation % vectors_tall * 4;
    let inverse_y = 1.0f32 / f32::cast_from(s.out_y);
    let inverse_x = 1.0f32 / f32::cast_from(s.out_x);
    let sums = zeros(by);

    let line = begin / s.out_x;
    let mut image = line / s.out_y;
    let mut y = line - image * s.out_y;
    let mut column = begin - line * s.out_x;
    let mut pixel0 = begin;
    let mut next_a = Array::<Staged<S>>::new(slots_a);
    let mut next_b = Array::<Staged<S>>::new(slots_b);
    let mut staged = false;
    while pixel0 < end || staged {
        let more = pixel0 < end;
        if more {
            let now = Pixel {
                image,
                y,
                x: column,
            };
            load_input::<E, S, N>(
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
            load_gradient::<E, S, M>(grad, s, &mut next_b, pixel0, end, invocation, column0, tile);
            let next = ahead(s, &now, comptime!(tile.depth), inverse_y, inverse_x);
            image = next.image;
            y = next.y;
            column = next.x;
        }
        if staged {
            multiply::<S>(&a, &b, &sums, by, true);
        }
        sync_cube();

        if more {
            stage::<S>(
                &mut a,
                &next_a,
                invocation,
                slots_a,
                staged_a,
                invocations,
                vectors_tall,
                PADDING,
            );
            stage::<S>(
                &mut b,
                &next_b,
                invocation,
                slots_b,
                staged_b,
                invocations,
                vectors_wide,
                PADDING,
            );
        }
        sync_cube();

        staged = more;
        pixel0 += comptime!(tile.depth);
    }

    let (down, across) = comptime!((by.fragments()[0], by.fragments()[1]));
    let vectors = comptime!(by.fragment_vectors());
    #[unroll]
    for r in 0..down {
        #[unroll]
        for c in 0..across {
            spread(&mut bounce, &sums[comptime!((r * across + c) as usize)], by);
            #[unroll]
            for turn in 0..comptime!(turns(&by)) {
                let it = taken(turn, r, c, by);
                let (row, column) = (row0 + it.row, column0 + it.column);
                if it.vector < vectors && row < s.rows {
                    let at = (CUBE_POS_Z * s.rows + row) * s.columns + column;
                    let sum = bounce[(UNIT_POS_Y * vectors + it.vector) as usize];
                    store_columns::<f32, M>(partial, sum, at, column, s.columns);
                }
            }
        }
    }
}
