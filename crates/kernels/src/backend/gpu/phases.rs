//! What the kernels of a gathered product are told of its shape. An input gradient has a phase for each place between
//! two strides, whose pixels meet the same taps; one launch computes them all, one behind the other along its cubes' last
//! dimension.

use cubecl::prelude::*;

use super::axis::Axis;

/// An axis of a phase, as [`Axis`] has it, with the pixels of the result and of the source along it.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Along {
    pub(super) count: u32,
    pub(super) first: u32,
    pub(super) step: u32,
    pub(super) stride: i32,
    pub(super) offset: i32,
    pub(super) source_step: i32,
    pub(super) taps: u32,
    pub(super) tap0: u32,
    pub(super) tap_step: u32,
    pub(super) out: u32,
    pub(super) source: u32,
}

/// A product: each phase of `down` with each of `across`.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Phases {
    batch: u32,
    down: Sequence<Along>,
    across: Sequence<Along>,
    columns: u32,
    channels: u32,
    kernel_x: u32,
    /// Steps of the sum that a cube takes: all, or those of its part.
    part: u32,
    /// Values of the result, which each part has.
    len: u32,
}

/// Which pixels of the result meet which pixels of the source, through which taps, in one phase.
///
/// Row r of the product is the result's pixel `first + step * j` of image n, in both directions; tap number i of the sum
/// is the kernel's `tap0 + i * tap_step`, and lies on the source's pixel `j * stride + offset + i * source_step`.
#[derive(CubeType)]
pub(crate) struct Gather {
    pub(super) rows: u32,
    pub(super) down: Along,
    pub(super) across: Along,
    pub(super) columns: u32,
    pub(super) channels: u32,
    pub(super) kernel_x: u32,
    pub(super) part: u32,
    pub(super) len: u32,
}

/// The axes as a launch takes them. Their steps are the same in all.
pub(super) fn launched(axes: &[Axis], out: usize, source: usize) -> SequenceArg<Along> {
    let launched = |axis: &Axis| {
        AlongLaunch::new(
            axis.count as u32,
            axis.first as u32,
            axis.step as u32,
            axis.stride,
            axis.offset,
            axis.source_step,
            axis.taps as u32,
            axis.tap0 as u32,
            axis.tap_step as u32,
            out as u32,
            source as u32,
        )
    };
    axes.iter().map(launched).collect()
}

/// An axis's phase of that number.
#[cube]
fn chosen(axes: &Sequence<Along>, number: u32) -> Along {
    let one = &axes[0];
    let mut count = one.count;
    let mut first = one.first;
    let mut offset = one.offset;
    let mut taps = one.taps;
    let mut tap0 = one.tap0;
    #[unroll]
    for n in 1..axes.len() {
        let other = &axes[n];
        let it = number == n as u32;
        count = select(it, other.count, count);
        first = select(it, other.first, first);
        offset = select(it, other.offset, offset);
        taps = select(it, other.taps, taps);
        tap0 = select(it, other.tap0, tap0);
    }
    Along {
        count,
        first,
        step: one.step,
        stride: one.stride,
        offset,
        source_step: one.source_step,
        taps,
        tap0,
        tap_step: one.tap_step,
        out: one.out,
        source: one.source,
    }
}

/// This cube's phase, and the cube's place along the last dimension among those of its phase.
#[cube]
pub(super) fn phase_of_cube(p: &Phases) -> (Gather, u32) {
    let wide = p.across.len();
    let phases = comptime!((p.down.len() * wide) as u32);
    let cubes = CUBE_COUNT_Z / phases;
    let phase = CUBE_POS_Z / cubes;
    let down = chosen(&p.down, phase / wide as u32);
    let across = chosen(&p.across, phase % wide as u32);
    let gather = Gather {
        rows: p.batch * down.count * across.count,
        down,
        across,
        columns: p.columns,
        channels: p.channels,
        kernel_x: p.kernel_x,
        part: p.part,
        len: p.len,
    };
    (gather, CUBE_POS_Z - phase * cubes)
}
