//! The kernel of an implicit GEMM: `im2col(source) x weight` with tiles of both in shared memory, where the unfolded source
//! is never written to global memory.

use cubecl::prelude::*;

use super::load::{
    Variant, load_source, load_weight, part_of_workgroup, place_of_row, rows_of_invocation,
};
use super::phases::{Phases, phase_of_workgroup};
use crate::backend::gpu::tile::{Tile, Vec4, stage, store_columns};

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
    let part = part_of_workgroup(&p, z, tile, variant);
    let (row0, end) = (part.row0, part.end);
    let mut k0 = part.k0;
    let column0 = CUBE_POS_Y * group_columns;
    let rows = rows_of_invocation(&p, row0, invocation, tile);
    let vectors_deep = comptime!(tile.depth / 4);

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
            load_source::<E, f32, N>(
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
            load_weight::<E, f32, M>(
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
            let at = part.split_at + place_of_row(&p, row);
            #[unroll]
            for c in 0..tile_columns {
                let column = column0 + (UNIT_POS_X + c as u32 * group_x) * 4;
                let sum = sums[comptime!(n * tile_columns + c)];
                store_columns::<O, M>(out, sum, at + column, column, p.columns);
            }
        }
    }
}
