//! How height and width of a convolution's result meet those of its source.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use crate::shape::ConvShape;

/// How height or width of the result meets the source, in one output phase: tap `tap0 + i * tap_step` of the result's pixel
/// `first + j * step` lies on the source's pixel `j * stride + offset + i * source_step`.
#[derive(Clone, Copy)]
pub(crate) struct Axis {
    /// Pixels of the result.
    pub count: usize,
    /// The first of them.
    pub first: usize,
    /// From one to the next.
    pub step: usize,
    /// From the source's pixel under one to that under the next.
    pub stride: i32,
    /// The source's pixel under the first tap of the first pixel; may lie outside.
    pub offset: i32,
    /// From the source's pixel under one tap to that under the next.
    pub source_step: i32,
    /// Taps that a pixel meets.
    pub taps: usize,
    /// The first of them.
    pub tap0: usize,
    /// From one to the next.
    pub tap_step: usize,
}

impl Axis {
    /// The convolution itself.
    pub fn forward(shape: &ConvShape, axis: usize) -> Self {
        Self {
            count: shape.out_size()[axis],
            first: 0,
            step: 1,
            stride: shape.stride[axis] as i32,
            offset: -(shape.padding[axis] as i32),
            source_step: shape.dilation[axis] as i32,
            taps: shape.kernel[axis],
            tap0: 0,
            tap_step: 1,
        }
    }

    /// The output phases of the input gradient. A phase has the input's pixels `first`, `first + stride`, ..., which meet every
    /// `tap_step`-th tap. Phases with the most taps come first, so that nothing waits for the longest sums at the end.
    pub fn output_phases(shape: &ConvShape, axis: usize) -> Vec<Self> {
        let stride = shape.stride[axis];
        let between = |&step: &usize| (step * shape.dilation[axis]).is_multiple_of(stride);
        let tap_step = (1..=stride).find(between).unwrap_or(stride);
        let reach = |first: usize, tap: usize| {
            (first + shape.padding[axis]) as i32 - (tap * shape.dilation[axis]) as i32
        };
        let phase = |first: usize| {
            let meets = |tap: &usize| reach(first, *tap).rem_euclid(stride as i32) == 0;
            let taps: Vec<usize> = (0..shape.kernel[axis]).filter(meets).collect();
            let tap0 = taps.first().copied().unwrap_or(0);
            Self {
                count: (shape.size[axis] - first).div_ceil(stride),
                first,
                step: stride,
                stride: 1,
                offset: reach(first, tap0).div_euclid(stride as i32),
                source_step: -((tap_step * shape.dilation[axis] / stride) as i32),
                taps: taps.len(),
                tap0,
                tap_step,
            }
        };
        let mut phases: Vec<Self> = (0..stride.min(shape.size[axis])).map(phase).collect();
        phases.sort_by_key(|phase| Reverse(phase.taps));
        phases
    }

    /// Pairs of a pixel of the result and a tap that lie on the source, which has `source` pixels.
    pub fn inside(&self, source: usize) -> usize {
        let lies = |pixel: usize, tap: usize| {
            let at = pixel as i32 * self.stride + self.offset + tap as i32 * self.source_step;
            (0..source as i32).contains(&at)
        };
        let taps = |pixel| (0..self.taps).filter(|&tap| lies(pixel, tap)).count();
        (0..self.count).map(taps).sum()
    }

    /// Pixels of the source that any tap lies on.
    pub fn touched(&self, source: usize) -> usize {
        let at = |pixel: usize, tap: usize| {
            pixel as i32 * self.stride + self.offset + tap as i32 * self.source_step
        };
        let pixels = |tap| (0..self.count).map(move |pixel| at(pixel, tap));
        let touched: BTreeSet<i32> = (0..self.taps).flat_map(pixels).collect();
        touched.range(0..source as i32).count()
    }
}
