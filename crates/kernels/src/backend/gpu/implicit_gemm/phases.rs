//! The output phases of an implicit GEMM, as its kernel gets them. The input gradient of a strided convolution has a phase for
//! each remainder of a pixel's place by the stride, whose pixels meet the same taps; one launch computes all phases, one
//! after the other along the workgroups' last dimension. All other products have one phase.

use cubecl::prelude::*;

use crate::backend::gpu::axis::Axis;

/// An [`Axis`] of a phase, with the size of the result and of the source along it.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct PhaseAxis {
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

/// A product: each phase along `y` with each along `x`.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Phases {
    batch: u32,
    y: Sequence<PhaseAxis>,
    x: Sequence<PhaseAxis>,
    columns: u32,
    channels: u32,
    kernel_x: u32,
    /// Steps of the sum that a workgroup takes: all, or those of its split.
    split_depth: u32,
    /// Values of the result, and of each split.
    len: u32,
}

/// Which pixels of the result meet which pixels of the source, through which taps, in one phase.
///
/// Row r of the product is the result's pixel `first + step * j` of image n, along both axes; tap number i of the sum
/// is the kernel's `tap0 + i * tap_step`, and lies on the source's pixel `j * stride + offset + i * source_step`.
#[derive(CubeType)]
pub(crate) struct Phase {
    pub(super) rows: u32,
    pub(super) y: PhaseAxis,
    pub(super) x: PhaseAxis,
    pub(super) columns: u32,
    pub(super) channels: u32,
    pub(super) kernel_x: u32,
    pub(super) split_depth: u32,
    pub(super) len: u32,
}

/// The axes as a launch takes them; `out` and `source` are the sizes of the result and of the source along them.
pub(super) fn launch_axes(axes: &[Axis], out: usize, source: usize) -> SequenceArg<PhaseAxis> {
    let launch = |axis: &Axis| {
        PhaseAxisLaunch::new(
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
    axes.iter().map(launch).collect()
}

/// The axis of the phase with that number. Steps and strides are the same in all.
#[cube]
fn selected(axes: &Sequence<PhaseAxis>, number: u32) -> PhaseAxis {
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
    PhaseAxis {
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

/// This workgroup's phase, and its place along the last dimension among the workgroups of that phase.
#[cube]
pub(super) fn phase_of_workgroup(p: &Phases) -> (Phase, u32) {
    let wide = p.x.len();
    let phases = comptime!((p.y.len() * wide) as u32);
    let workgroups = CUBE_COUNT_Z / phases;
    let number = CUBE_POS_Z / workgroups;
    let y = selected(&p.y, number / wide as u32);
    let x = selected(&p.x, number % wide as u32);
    let phase = Phase {
        rows: p.batch * y.count * x.count,
        y,
        x,
        columns: p.columns,
        channels: p.channels,
        kernel_x: p.kernel_x,
        split_depth: p.split_depth,
        len: p.len,
    };
    (phase, CUBE_POS_Z - number * workgroups)
}
