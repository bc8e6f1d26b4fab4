//! Reductions over the invocations of a workgroup by halves, so that they have one order.

use cubecl::prelude::*;

use super::launch::INVOCATIONS;

/// The sum, for all of them.
#[cube]
pub(super) fn sum_of_group(value: f32) -> f32 {
    let mut sums = Shared::<[f32]>::new_slice(comptime!(INVOCATIONS as usize));
    sums[UNIT_POS as usize] = value;
    sync_cube();
    #[unroll]
    for level in 1..comptime!(INVOCATIONS.ilog2() + 1) {
        let half = comptime!(INVOCATIONS >> level);
        if UNIT_POS < half {
            let other = sums[(UNIT_POS + half) as usize];
            sums[UNIT_POS as usize] += other;
        }
        sync_cube();
    }
    sums[0]
}

/// The largest, for all of them.
#[cube]
pub(super) fn largest_of_group(value: f32) -> f32 {
    let mut all = Shared::<[f32]>::new_slice(comptime!(INVOCATIONS as usize));
    all[UNIT_POS as usize] = value;
    sync_cube();
    #[unroll]
    for level in 1..comptime!(INVOCATIONS.ilog2() + 1) {
        let half = comptime!(INVOCATIONS >> level);
        if UNIT_POS < half {
            let other = all[(UNIT_POS + half) as usize];
            all[UNIT_POS as usize] = f32::max(all[UNIT_POS as usize], other);
        }
        sync_cube();
    }
    all[0]
}
