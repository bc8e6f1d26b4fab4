//! The convolution's gradient by the weight on a GPU: rows are taps and channels of the input, columns are
//! channels of the output, the sum runs over all pixels of all pictures. Parts of that sum are computed side by
//! side and added in a second pass, in order.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::adapter::Adapter;
use super::axis::Axis;
use super::direct_weight;
use super::tile::{Four, Tile, columns_at};
use super::{BLOCK, blocks, element, empty_f32};
use crate::choices::{Choice, bytes};
use crate::cpu::ConvShape;

/// Cubes that keep a GPU busy: with fewer, the sum is cut into parts.
const CUBES: usize = 512;
/// Pixels that a part has at least.
const PART: usize = 256;

/// The convolution's shape, and how its pixels are parted. Pairs are height, width.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Sum {
    rows: u32,
    columns: u32,
    pixels: u32,
    part: u32,
    channels: u32,
    size_y: u32,
    size_x: u32,
    out_y: u32,
    out_x: u32,
    kernel_x: u32,
    stride_y: u32,
    stride_x: u32,
    padding_y: u32,
    padding_x: u32,
    dilation_y: u32,
    dilation_x: u32,
}

/// The input under tap and channel `row` for an output pixel; zero outside the picture.
#[cube]
fn input_at<E: Float, N: Size>(
    x: &[Vector<E, N>],
    s: &Sum,
    row: u32,
    pixel: u32,
) -> Vector<f32, N> {
    let tap = row / s.channels;
    let channel = row - tap * s.channels;
    let i = tap / s.kernel_x;
    let j = tap - i * s.kernel_x;
    let line = pixel / s.out_x;
    let picture = line / s.out_y;
    let y = (line - picture * s.out_y) * s.stride_y + i * s.dilation_y;
    let column = (pixel - line * s.out_x) * s.stride_x + j * s.dilation_x;
    let mut value = Vector::<f32, N>::new(0.0f32);
    let inside = y >= s.padding_y
        && y < s.size_y + s.padding_y
        && column >= s.padding_x
        && column < s.size_x + s.padding_x;
    if inside && row < s.rows {
        let from = (picture * s.size_y + y - s.padding_y) * s.size_x + column - s.padding_x;
        let at = (from * s.channels + channel) / N::value() as u32;
        value = Vector::cast_from(x[at as usize]);
    }
    value
}

#[cube(launch_unchecked)]
fn partial_sums<E: Float, N: Size>(
    x: &[Vector<E, N>],
    grad: &[Vector<E, N>],
    partial: &mut [f32],
    s: &Sum,
    #[comptime] tile: Tile,
    #[define(E)] _element: ElemType,
) {
    let width = N::value();
    let tile_rows = comptime!(tile.rows as usize / 4);
    let tile_columns = comptime!(tile.columns as usize / 4);
    let cube_rows = comptime!(tile.cube_rows());
    let cube_columns = comptime!(tile.cube_columns());
    let (units_y, units_x) = comptime!((tile.units_y, tile.units_x));
    let units = comptime!(tile.units());
    let (staged_a, staged_b) = comptime!(tile.staged());
    let fours_a = comptime!(staged_a.div_ceil(units) as usize);
    let fours_b = comptime!(staged_b.div_ceil(units) as usize);
    let mut a = Shared::<[Four]>::new_slice(comptime!(staged_a as usize));
    let mut b = Shared::<[Four]>::new_slice(comptime!(staged_b as usize));

    let unit = UNIT_POS_Y * units_x + UNIT_POS_X;
    let row0 = CUBE_POS_X * cube_rows;
    let column0 = CUBE_POS_Y * cube_columns;
    let begin = CUBE_POS_Z * s.part;
    let end = u32::min(begin + s.part, s.pixels);

    let mut sums = Array::<Four>::new(comptime!(4 * tile_rows * tile_columns));
    #[unroll]
    for n in 0..comptime!(4 * tile_rows * tile_columns) {
        sums[n] = Four::new(0.0f32);
    }

    let mut pixel0 = begin;
    while pixel0 < end {
        #[unroll]
        for slot in 0..fours_a {
            let place = unit + slot as u32 * units;
            let fours_wide = comptime!(cube_rows / 4);
            let pixel = pixel0 + place / fours_wide;
            let row = row0 + place % fours_wide * 4;
            let mut four = Four::new(0.0f32);
            if pixel < end {
                if comptime!(width == 4) {
                    four = Four::cast_from(input_at::<E, N>(x, s, row, pixel));
                } else {
                    #[unroll]
                    for lane in 0..4u32 {
                        let value = input_at::<E, N>(x, s, row + lane, pixel);
                        four.insert(lane as usize, value.extract(0usize));
                    }
                }
            }
            if place < staged_a {
                a[place as usize] = four;
            }
        }
        #[unroll]
        for slot in 0..fours_b {
            let place = unit + slot as u32 * units;
            let fours_wide = comptime!(cube_columns / 4);
            let pixel = pixel0 + place / fours_wide;
            let column = column0 + place % fours_wide * 4;
            let at = pixel * s.columns + column;
            let mut four = Four::new(0.0f32);
            if pixel < end {
                four = columns_at::<E, N>(grad, at, column, s.columns);
            }
            if place < staged_b {
                b[place as usize] = four;
            }
        }
        sync_cube();

        #[unroll]
        for step in 0..comptime!(tile.depth) {
            let line_a = step * comptime!(cube_rows / 4);
            let line_b = step * comptime!(cube_columns / 4);
            #[unroll]
            for r in 0..tile_rows {
                let from_a = a[(line_a + UNIT_POS_Y + r as u32 * units_y) as usize];
                #[unroll]
                for c in 0..tile_columns {
                    let from_b = b[(line_b + UNIT_POS_X + c as u32 * units_x) as usize];
                    #[unroll]
                    for lane in 0..4usize {
                        let at = comptime!((r * 4 + lane) * tile_columns + c);
                        let value = Four::new(from_a.extract(lane));
                        sums[at] += value * from_b;
                    }
                }
            }
        }
        sync_cube();
        pixel0 += comptime!(tile.depth);
    }

    #[unroll]
    for r in 0..tile_rows {
        #[unroll]
        for lane in 0..4u32 {
            let row = row0 + (UNIT_POS_Y + r as u32 * units_y) * 4 + lane;
            if row < s.rows {
                #[unroll]
                for c in 0..tile_columns {
                    let column = column0 + (UNIT_POS_X + c as u32 * units_x) * 4;
                    let sum = sums[comptime!((r * 4 + lane as usize) * tile_columns + c)];
                    #[unroll]
                    for n in 0..4u32 {
                        if column + n < s.columns {
                            let at = (CUBE_POS_Z * s.rows + row) * s.columns + column + n;
                            partial[at as usize] = sum.extract(n as usize);
                        }
                    }
                }
            }
        }
    }
}

/// Adds the parts in their order, and brings the gradient into the weight's.
#[cube(launch_unchecked)]
fn add_parts(
    partial: &[f32],
    weight: &mut [f32],
    parts: u32,
    columns: u32,
    channels: u32,
    taps: u32,
) {
    let at = ABSOLUTE_POS as u32;
    let rows = channels * taps;
    if at >= rows * columns {
        terminate!();
    }
    let column = at / rows;
    let rest = at - column * rows;
    let channel = rest / taps;
    let row = (rest - channel * taps) * channels + channel;
    let mut sum = 0.0f32;
    for part in 0..parts {
        sum += partial[((part * rows + row) * columns + column) as usize];
    }
    weight[at as usize] = sum;
}

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
        let tile = Tile::of(rows, columns);
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
    if Adapter::of(&x) == Adapter::Software {
        return direct_weight::conv_grad_weight(x, grad, shape);
    }
    let (x, grad) = (into_contiguous(x), into_contiguous(grad));
    let plan = Plan::of(shape);
    let Plan { rows, columns, .. } = plan;
    let [cubes_x, cubes_y, parts] = plan.cubes;
    let [_, kw] = shape.kernel;
    let [height, width] = shape.out_size();
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
        height as u32,
        width as u32,
        kw as u32,
        shape.stride[0] as u32,
        shape.stride[1] as u32,
        shape.padding[0] as u32,
        shape.padding[1] as u32,
        shape.dilation[0] as u32,
        shape.dilation[1] as u32,
    );
    let fours = shape.inputs.is_multiple_of(4) && columns.is_multiple_of(4);
    let client = x.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: reads are behind `inside`, `row < rows`, `pixel < end` and `column < columns`, writes behind the
    // same bounds; the buffers have the lengths that these imply.
    unsafe {
        partial_sums::launch_unchecked(
            &client,
            CubeCount::Static(cubes_x as u32, cubes_y as u32, parts as u32),
            plan.tile.cube(),
            if fours { 4 } else { 1 },
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

/// The second pass: from `[part][tap, in][out]` to the weight's `[out, in, kernel, kernel]`.
pub(super) fn sum_of_parts(partial: CubeTensor, shape: &ConvShape) -> CubeTensor {
    let [kh, kw] = shape.kernel;
    let weight = [shape.outputs, shape.inputs, kh, kw];
    sum(partial, weight, [shape.outputs, shape.inputs, kh * kw])
}

/// The second pass over parts that are in the weight's order.
pub(super) fn sum_in_order(partial: CubeTensor, weight: [usize; 4]) -> CubeTensor {
    sum(partial, weight, [weight.iter().product(), 1, 1])
}

fn sum(
    partial: CubeTensor,
    weight: [usize; 4],
    [columns, channels, taps]: [usize; 3],
) -> CubeTensor {
    let [parts, ..] = partial.meta.shape().dims::<3>();
    let weight = empty_f32(&partial, weight.to_vec());
    let client = partial.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: units behind the weight's length return.
    unsafe {
        add_parts::launch_unchecked(
            &client,
            blocks(columns * channels * taps),
            CubeDim::new_1d(BLOCK),
            partial.into_buffer_arg(),
            weight.clone().into_buffer_arg(),
            parts as u32,
            columns as u32,
            channels as u32,
            taps as u32,
        );
    }
    weight
}
