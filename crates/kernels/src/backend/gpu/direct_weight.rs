//! The convolution's weight gradient for adapters that are programs: how [`line_sums`] is launched.

use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::adapter::Program;
use super::axis::Axis;
use super::direct::Direct;
use super::empty;
use super::line_sums::{LinesLaunch, WeightTile, line_sums};
use super::parts::{sum_in_order, sum_of_parts};
use super::tile::width;
use crate::choices::{Choice, bytes};
use crate::shape::ConvShape;

/// Units that keep the threads of a processor busy: with fewer, the sum is cut into parts.
const BUSY: usize = 512;
/// Pixels that a part has at least.
const PART: usize = 128;
/// Pixels of a line where images have no lines.
const LINE: usize = 128;

/// The launch: how the sum over lines is parted and the result is cut.
pub(crate) struct Plan {
    /// With inputs and outputs exchanged where it is turned.
    shape: ConvShape,
    /// Whether rows are the outputs and columns the inputs: one tap that meets every pixel needs no more to be in the
    /// weight's order.
    turned: bool,
    /// Lines over all images, and pixels of each.
    lines: [usize; 2],
    pixels: usize,
    /// Taps, or rows of taps where those are taken as one, and the rows of each.
    taps: usize,
    rows: usize,
    tile: WeightTile,
    /// Tiles along a tap's rows, and along columns.
    blocks: usize,
    across: usize,
    /// Lines of a part, and parts.
    part: usize,
    parts: usize,
}

impl Plan {
    /// The rule.
    pub fn of(shape: &ConvShape, program: Program) -> Self {
        let turned = flat(shape);
        let shape = match turned {
            true => ConvShape {
                inputs: shape.outputs,
                outputs: shape.inputs,
                ..*shape
            },
            false => *shape,
        };
        let [height, width] = shape.out_size();
        let pixels = shape.batch * height * width;
        // One tap that meets every pixel knows no lines: they are cut where it suits.
        let line = if turned { LINE.min(pixels) } else { width };
        let lines = pixels.div_ceil(line);
        let tile = WeightTile::of(&shape, program);
        let [taps_y, taps_x] = shape.kernel;
        let (taps, rows) = match tile.joined {
            true => (taps_y, taps_x * shape.inputs),
            false => (taps_y * taps_x, shape.inputs),
        };
        let blocks = rows.div_ceil(tile.of.rows as usize);
        let across = shape.outputs.div_ceil(tile.of.columns as usize);
        let wanted = BUSY.div_ceil(taps * blocks * across);
        let wanted = wanted.clamp(1, pixels.div_ceil(PART));
        let part = lines.div_ceil(wanted);
        Self {
            shape,
            turned,
            lines: [lines, line],
            pixels,
            taps,
            rows,
            tile,
            blocks,
            across,
            part,
            parts: lines.div_ceil(part),
        }
    }

    fn units(&self) -> usize {
        self.parts * self.taps * self.blocks * self.across
    }

    /// Whether the parts are one, and that in the weight's order.
    fn is_whole(&self) -> bool {
        self.turned && self.parts == 1
    }

    /// Cubes of the launch along each dimension.
    #[cfg(test)]
    pub fn launches(&self) -> [u32; 3] {
        let [along, again] = Direct::cubes(self.units());
        [along, again, 1]
    }

    /// What the launches cost; the least traffic and the work are for the caller to say.
    pub fn choice(&self) -> Choice {
        let [inside_y, inside_x] =
            [0, 1].map(|axis| Axis::forward(&self.shape, axis).inside(self.shape.size[axis]));
        let across = match self.tile.joined {
            true => self.shape.out_size()[1],
            false => inside_x,
        };
        // Pairs of a pixel and a tap that meet.
        let pairs = self.shape.batch * inside_y * across;
        let len = self.shape.weight_len();
        let of_sum = match self.is_whole() {
            true => len,
            // Parts are written, read and added.
            false => 2 * self.parts * len + len,
        };
        let values = pairs * (self.rows * self.across + self.shape.outputs * self.blocks) + of_sum;
        let [along, again] = Direct::cubes(self.units());
        Choice {
            tile: self.tile.to_string(),
            cubes: along as usize * again as usize,
            parts: self.parts,
            dispatches: if self.is_whole() { 1 } else { 2 },
            bytes: Some(bytes(values)),
            minimum: 0,
            multiply_adds: 0,
        }
    }
}

/// Whether one tap meets every pixel once.
fn flat(shape: &ConvShape) -> bool {
    shape.kernel == [1, 1] && shape.stride == [1, 1] && shape.padding == [0, 0]
}

/// See [`crate::ops::Kernels::conv_grad_weight`].
pub(crate) fn conv_grad_weight(
    x: CubeTensor,
    grad: CubeTensor,
    shape: &ConvShape,
    program: Program,
) -> CubeTensor {
    let plan = Plan::of(shape, program);
    let (outputs, inputs) = (shape.outputs, shape.inputs);
    let shape = &plan.shape;
    let (x, grad) = match plan.turned {
        true => (into_contiguous(grad), into_contiguous(x)),
        false => (into_contiguous(x), into_contiguous(grad)),
    };
    let ([lines, line], rows) = (plan.lines, plan.taps * plan.rows);
    let partial = match plan.is_whole() {
        true => empty(&x, vec![outputs, inputs, 1, 1]),
        false => empty(&x, vec![plan.parts, rows, shape.outputs]),
    };
    let [height, _] = shape.out_size();
    // An image without lines of its own is one line behind the other, from one image to the next.
    let [[size_y, size_x], [out_y, out_x]] = match plan.turned {
        true => [[lines, line], [lines, line]],
        false => [shape.size, [height, line]],
    };
    let launch = LinesLaunch::new(
        lines as u32,
        plan.part as u32,
        plan.pixels as u32,
        plan.blocks as u32,
        plan.across as u32,
        plan.taps as u32,
        plan.rows as u32,
        shape.outputs as u32,
        shape.inputs as u32,
        size_y as u32,
        size_x as u32,
        out_y as u32,
        out_x as u32,
        (plan.taps / shape.kernel[0]) as u32,
        shape.stride[0] as u32,
        shape.stride[1] as u32,
        shape.padding[0] as u32,
        shape.padding[1] as u32,
        shape.dilation[0] as u32,
        shape.dilation[1] as u32,
    );
    let [along, again] = Direct::cubes(plan.units());
    let client = x.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: a line is cut to the pixels that lie on the input, and channels and columns are looked at unless they are
    // a multiple of the tile's; the buffers have the lengths that these imply.
    unsafe {
        line_sums::launch_unchecked(
            &client,
            CubeCount::Static(along, again, 1),
            Direct::cube(),
            width(shape.inputs),
            width(shape.outputs),
            x.into_buffer_arg(),
            grad.into_buffer_arg(),
            partial.clone().into_buffer_arg(),
            launch,
            plan.tile,
        );
    }
    match (plan.is_whole(), plan.turned) {
        (true, _) => partial,
        (false, true) => sum_in_order(partial, [outputs, inputs, 1, 1], DType::F32),
        (false, false) => sum_of_parts(partial, shape),
    }
}
