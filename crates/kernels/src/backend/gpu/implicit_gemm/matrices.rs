//! The kernel of an implicit GEMM by matrix instructions: as `kernel.rs`, with operands that are rounded while they are staged.

use cubecl::prelude::*;

use super::load::{
    Variant, load_source, load_weight, part_of_workgroup, place_of_row, rows_of_invocation,
};
use super::phases::{Phases, phase_of_workgroup};
use crate::backend::gpu::matrix::product::{multiply, room_for_sums, spread, taken, turns, zeros};
use crate::backend::gpu::matrix::tile::{MatrixTile, PADDING};
use crate::backend::gpu::tile::{Staged, stage, store_columns};

/// The product. Double-buffered as [`super::kernel::implicit_gemm`] is, whose operands and result it takes; both operands
/// are staged as `S`, sums are f32.
#[cube(launch_unchecked)]
pub(crate) fn implicit_gemm_by_matrices<E: Float, S: Float, O: Float, N: Size, M: Size>(
    source: &[Vector<E, N>],
    weight: &[Vector<E, M>],
    out: &mut [Vector<O, M>],
    phases: &Phases,
    #[comptime] by: MatrixTile,
    #[comptime] variant: Variant,
    #[define(E)] _element: ElemType,
    #[define(S)] _element_staged: ElemType,
    #[define(O)] _element_out: ElemType,
) {
    let tile = comptime!(by.staging);
    let invocations = comptime!(tile.invocations());
    let (staged_a, staged_b) = comptime!(tile.staged());
    let (slots_a, slots_b) = comptime!(tile.staged_each());
    let (vectors_deep, vectors_wide) = comptime!((tile.depth / 4, tile.group_columns() / 4));
    let (padded_a, padded_b) = comptime!({
        let [left, right] = by.staged(false);
        (left as usize, right as usize)
    });
    let mut a = Shared::<[Staged<S>]>::new_slice(padded_a);
    let mut b = Shared::<[Staged<S>]>::new_slice(padded_b);
    let mut bounce = room_for_sums(by);

    let (p, z) = phase_of_workgroup(phases);
    let invocation = UNIT_POS_Y * comptime!(by.fragment.plane) + UNIT_POS_X;
    let part = part_of_workgroup(&p, z, tile, variant);
    let end = part.end;
    let mut k0 = part.k0;
    let column0 = CUBE_POS_Y * comptime!(tile.group_columns());
    let rows = rows_of_invocation(&p, part.row0, invocation, tile);
    let sums = zeros(by);

    let tap = k0 / p.channels;
    let mut channel = k0 - tap * p.channels;
    let mut tap_y = tap / p.x.taps;
    let mut tap_x = tap - tap_y * p.x.taps;
    let mut next_a = Array::<Staged<S>>::new(slots_a);
    let mut next_b = Array::<Staged<S>>::new(slots_b);
    let mut staged = false;
    while k0 < end || staged {
        let more = k0 < end;
        if more {
            load_source::<E, S, N>(
                source,
                &p,
                &mut next_a,
                &rows,
                invocation,
                k0,
                tap_y,
                tap_x,
                channel,
                tile,
                variant,
            );
            load_weight::<E, S, M>(
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
            multiply::<S>(&a, &b, &sums, by, false);
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
                vectors_deep,
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
                let (row, column) = (part.row0 + it.row, column0 + it.column);
                if it.vector < vectors && row < p.rows {
                    let at = part.split_at + place_of_row(&p, row);
                    let sum = bounce[(UNIT_POS_Y * vectors + it.vector) as usize];
                    store_columns::<O, M>(out, sum, at + column, column, p.columns);
                }
            }
        }
    }
}
