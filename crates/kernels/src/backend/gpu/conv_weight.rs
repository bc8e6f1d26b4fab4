//! The convolution's weight gradient on a GPU: rows are taps and channels of the input, columns are
//! channels of the output, the sum runs over all pixels of all images. Parts of that sum are computed side by
//! side and added in a second pass, in order.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::adapter::Adapter;
use super::axis::Axis;
use super::direct_weight;
use super::parts::sum_of_parts;
use super::pixel_sums::{SumLaunch, partial_sums};
use super::tile::{Tile, width};
use super::{element, empty_f32, winograd};
use crate::choices::{Choice, bytes};
use crate::shape::ConvShape;

/// Cubes that keep a GPU busy: with fewer, the sum is cut into parts.
const CUBES: usize = 512;
/// Pixels that a part has at least.
const PART: usize = 256;

/// The launch: how the sum over pixels is parted and the result is cut.
pub(crate) struct Plan {
    shape: ConvShape,
    rows: usize,
    columns: usize,
    pixels: usize,
    tile: Tile,
    /// Along rows, columns and parts.
    cubes: [usize; 3],
    /// Pixels of a part.
    part: usize,
}

impl Plan {
    /// The rule.
    pub fn of(shape: &ConvShape) -> Self {
        let [height, width] = shape.out_size();
        let rows = shape.kernel[0] * shape.kernel[1] * shape.inputs;
        let columns = shape.outputs;
        let pixels = shape.batch * height * width;
        let tile = Tile::of_pixels(rows, columns);
        let cubes_x = rows.div_ceil(tile.cube_rows() as usize);
        let cubes_y = columns.div_ceil(tile.cube_columns() as usize);
        let wanted = (CUBES / (cubes_x * cubes_y)).clamp(1, pixels.div_ceil(PART));
        let part = pixels
            .div_ceil(wanted)
            .next_multiple_of(tile.depth as usize);
        Self {
            shape: *shape,
            rows,
            columns,
            pixels,
            tile,
            cubes: [cubes_x, cubes_y, pixels.div_ceil(part)],
            part,
        }
    }

    /// Cubes of the launch along each dimension.
    #[cfg(test)]
    pub fn launches(&self) -> [u32; 3] {
        self.cubes.map(|count| count as u32)
    }

    /// What the launches cost; the least traffic and the work are for the caller to say.
    pub fn choice(&self) -> Choice {
        let [along, columns, parts] = self.cubes;
        let inside =
            [0, 1].map(|axis| Axis::forward(&self.shape, axis).inside(self.shape.size[axis]));
        let len = self.rows * self.columns;
        let values = self.shape.batch * inside[0] * inside[1] * self.shape.inputs * columns
            + self.pixels * self.columns * along
            // Parts are written, read and added.
            + 2 * parts * len
            + len;
        Choice {
            tile: self.tile.to_string(),
            cubes: along * columns * parts,
            parts,
            dispatches: 2,
            bytes: Some(bytes(values)),
            minimum: 0,
            multiply_adds: 0,
        }
    }
}

/// See [`crate::ops::Kernels::conv_grad_weight`].
pub(crate) fn conv_grad_weight(x: CubeTensor, grad: CubeTensor, shape: &ConvShape) -> CubeTensor {
    let adapter = Adapter::of(&x);
    if let Some(plan) = winograd::WeightPlan::of(shape, adapter) {
        return plan.run(x, grad);
    }
    if let Adapter::Software(program) = adapter {
        return direct_weight::conv_grad_weight(x, grad, shape, program);
    }
    let (x, grad) = (into_contiguous(x), into_contiguous(grad));
    let plan = Plan::of(shape);
    let Plan { rows, columns, .. } = plan;
    let [cubes_x, cubes_y, parts] = plan.cubes;
    let [_, kw] = shape.kernel;
    let [out_y, out_x] = shape.out_size();
    // In f32, whatever element the operands are stored in: the weight itself is f32.
    let partial = empty_f32(&x, vec![parts, rows, columns]);
    let element = element(&x);
    let sum = SumLaunch::new(
        rows as u32,
        columns as u32,
        plan.pixels as u32,
        plan.part as u32,
        shape.inputs as u32,
        shape.size[0] as u32,
        shape.size[1] as u32,
        out_y as u32,
        out_x as u32,
        kw as u32,
        shape.stride[0] as u32,
        shape.stride[1] as u32,
        shape.padding[0] as u32,
        shape.padding[1] as u32,
        shape.dilation[0] as u32,
        shape.dilation[1] as u32,
    );
    let client = x.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: reads are behind `inside`, `row < rows`, `pixel < end` and `column < columns`, writes behind the
    // same bounds; the buffers have the lengths that these imply.
    unsafe {
        partial_sums::launch_unchecked(
            &client,
            CubeCount::Static(cubes_x as u32, cubes_y as u32, parts as u32),
            plan.tile.cube(),
            width(shape.inputs),
            width(columns),
            x.into_buffer_arg(),
            grad.into_buffer_arg(),
            partial.clone().into_buffer_arg(),
            sum,
            plan.tile,
            element,
        );
    }
    sum_of_parts(partial, shape)
}
