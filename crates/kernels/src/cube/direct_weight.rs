//! The convolution's gradient by the weight without shared memory, for adapters that are programs: a unit adds a tile of
//! one tap's gradient over lines of pixels. Lines are cut to what the tap reaches, so that no border is asked for.

use std::fmt;

use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::axis::Axis;
use super::direct::{Direct, four_at};
use super::empty;
use super::parts::{sum_in_order, sum_of_parts};
use super::tile::Four;
use crate::choices::{Choice, bytes};
use crate::cpu::ConvShape;

/// Units that keep the threads of a processor busy: with fewer, the sum is cut into parts.
const BUSY: usize = 512;
/// Pixels that a part has at least.
const PART: usize = 128;
/// Pixels of a line where pictures have no lines.
const LINE: usize = 128;

/// The convolution's shape, and how its lines of pixels are parted. Pairs are height, width.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Lines {
    lines: u32,
    part: u32,
    pixels: u32,
    /// Tiles along a tap's channels and along columns.
    blocks: u32,
    across: u32,
    taps: u32,
    columns: u32,
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

/// Adds the pixel's products to the tile.
#[cube]
fn add_pixel<N: Size, M: Size>(
    x: &[Vector<f32, N>],
    grad: &[Vector<f32, M>],
    sums: &mut Array<Four>,
    from: u32,
    channel0: u32,
    channels: u32,
    at: u32,
    column0: u32,
    columns: u32,
    #[comptime] tile: WeightTile,
) {
    let width = N::value();
    let fours = comptime!(tile.of.columns as usize / 4);
    let loads = comptime!(tile.of.rows as usize / width);
    let mut values = Array::<Vector<f32, N>>::new(loads);
    #[unroll]
    for load in 0..loads {
        let place = (from / width as u32 + load as u32) as usize;
        if comptime!(tile.whole_rows) {
            values[load] = x[place];
        } else {
            let mut value = Vector::<f32, N>::new(0.0f32);
            if channel0 + ((load * width) as u32) < channels {
                value = x[place];
            }
            values[load] = value;
        }
    }
    #[unroll]
    for c in 0..fours {
        let ahead = c as u32 * 4;
        let whole = comptime!(tile.of.whole);
        let four = four_at::<M>(grad, at + ahead, column0 + ahead, columns, whole);
        #[unroll]
        for load in 0..loads {
            #[unroll]
            for lane in 0..comptime!(width) {
                let value = Four::new(values[load].extract(lane));
                sums[comptime!((load * width + lane) * fours + c)] += value * four;
            }
        }
    }
}

#[cube(launch_unchecked)]
fn line_sums<N: Size, M: Size>(
    x: &[Vector<f32, N>],
    grad: &[Vector<f32, M>],
    partial: &mut [Vector<f32, M>],
    s: &Lines,
    #[comptime] tile: WeightTile,
) {
    let wide = M::value();
    let (rows, fours) = comptime!((tile.of.rows as usize, tile.of.columns as usize / 4));
    let unit = ABSOLUTE_POS as u32;
    let of_columns = unit / s.across;
    let column0 = (unit - of_columns * s.across) * comptime!(tile.of.columns);
    let of_channels = of_columns / s.blocks;
    let channel0 = (of_columns - of_channels * s.blocks) * comptime!(tile.of.rows);
    let part = of_channels / s.taps;
    let tap = of_channels - part * s.taps;
    let begin = part * s.part;
    if begin >= s.lines {
        terminate!();
    }
    let end = u32::min(begin + s.part, s.lines);
    let tap_y = tap / s.kernel_x;
    let tap_x = tap - tap_y * s.kernel_x;

    // Which pixels of a line the tap meets.
    let apart_x = (tap_x * s.dilation_x) as i32 - s.padding_x as i32;
    let apart_y = (tap_y * s.dilation_y) as i32 - s.padding_y as i32;
    let stride = s.stride_x as i32;
    let before = select(apart_x < 0, (stride - 1 - apart_x) / stride, 0i32);
    let room = s.size_x as i32 - apart_x;
    let behind = select(room > 0, (room + stride - 1) / stride, 0i32);
    let first = before as u32;
    let most = u32::min(behind as u32, s.out_x);
    let ahead = s.stride_x * s.channels;

    let mut sums = Array::<Four>::new(comptime!(rows * fours));
    #[unroll]
    for n in 0..comptime!(rows * fours) {
        sums[n] = Four::new(0.0f32);
    }
    for line in begin..end {
        let picture = line / s.out_y;
        let y = ((line - picture * s.out_y) * s.stride_y) as i32 + apart_y;
        let inside = y >= 0 && y < s.size_y as i32;
        // Without lines of its own, the last line is shorter.
        let last = u32::min(most, s.pixels - line * s.out_x);
        let last = select(inside, last, first);
        let start = (first * s.stride_x) as i32 + apart_x;
        let pixel = (picture * s.size_y) as i32 * s.size_x as i32 + y * s.size_x as i32 + start;
        let mut from = select(inside, pixel as u32 * s.channels + channel0, 0u32);
        let mut at = (line * s.out_x + first) * s.columns + column0;
        let mut place = first;
        // Sums are kept in registers over several pixels, which is cheaper than over one.
        while place + comptime!(tile.pixels) <= last {
            #[unroll]
            for n in 0..comptime!(tile.pixels) {
                add_pixel::<N, M>(
                    x,
                    grad,
                    &mut sums,
                    from + n * ahead,
                    channel0,
                    s.channels,
                    at + n * s.columns,
                    column0,
                    s.columns,
                    tile,
                );
            }
            from += comptime!(tile.pixels) * ahead;
            at += comptime!(tile.pixels) * s.columns;
            place += comptime!(tile.pixels);
        }
        if comptime!(tile.pixels > 1) {
            while place < last {
                add_pixel::<N, M>(
                    x, grad, &mut sums, from, channel0, s.channels, at, column0, s.columns, tile,
                );
                from += ahead;
                at += s.columns;
                place += 1u32;
            }
        }
    }

    #[unroll]
    for n in 0..rows {
        let channel = channel0 + n as u32;
        if channel < s.channels {
            let row = (part * s.taps + tap) * s.channels + channel;
            #[unroll]
            for c in 0..fours {
                let sum = sums[comptime!(n * fours + c)];
                let column = column0 + c as u32 * 4;
                let at = row * s.columns + column;
                if comptime!(wide == 4) {
                    if column < s.columns {
                        partial[(at / 4) as usize] = Vector::cast_from(sum);
                    }
                } else {
                    #[unroll]
                    for lane in 0..4u32 {
                        if column + lane < s.columns {
                            partial[(at + lane) as usize] = Vector::new(sum.extract(lane as usize));
                        }
                    }
                }
            }
        }
    }
}

/// What a unit computes of a tap: channels x columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct WeightTile {
    of: Direct,
    /// Whether a tap's channels are a multiple of the tile's.
    whole_rows: bool,
    /// Pixels between two looks at the line's end.
    pixels: u32,
}

impl WeightTile {
    /// The rule.
    fn of(channels: usize, columns: usize, fours: bool, line: usize) -> Self {
        let rows = match channels {
            8.. => 8,
            _ if fours => 4,
            _ => channels,
        };
        let wide = match columns {
            ..=4 => 4,
            5..=8 => 8,
            _ => 16,
        };
        Self {
            of: Direct {
                rows: rows as u32,
                columns: wide as u32,
                whole: columns.is_multiple_of(wide),
            },
            whole_rows: channels.is_multiple_of(rows),
            pixels: if line >= 8 { 2 } else { 1 },
        }
    }
}

impl fmt::Display for WeightTile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.of.fmt(f)
    }
}

/// The launch: how the sum over lines is parted and the result is cut.
pub(crate) struct Plan {
    /// With inputs and outputs exchanged where it is turned.
    shape: ConvShape,
    /// Whether rows are the outputs and columns the inputs: one tap that meets every pixel needs no more to be in the
    /// weight's order.
    turned: bool,
    /// Lines over all pictures, and pixels of each.
    lines: [usize; 2],
    pixels: usize,
    taps: usize,
    tile: WeightTile,
    /// Tiles along a tap's channels, and along columns.
    blocks: usize,
    across: usize,
    /// Lines of a part, and parts.
    part: usize,
    parts: usize,
}

impl Plan {
    /// The rule.
    pub fn of(shape: &ConvShape) -> Self {
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
        let taps = shape.kernel[0] * shape.kernel[1];
        // One tap that meets every pixel knows no lines: they are cut where it suits.
        let line = if turned { LINE.min(pixels) } else { width };
        let lines = pixels.div_ceil(line);
        let tile = WeightTile::of(shape.inputs, shape.outputs, by_fours(&shape), line);
        let blocks = shape.inputs.div_ceil(tile.of.rows as usize);
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
        let inside =
            [0, 1].map(|axis| Axis::forward(&self.shape, axis).inside(self.shape.size[axis]));
        // Pairs of a pixel and a tap that meet.
        let pairs = self.shape.batch * inside[0] * inside[1];
        let len = self.shape.weight_len();
        let of_sum = match self.is_whole() {
            true => len,
            // Parts are written, read and added.
            false => 2 * self.parts * len + len,
        };
        let values =
            pairs * (self.shape.inputs * self.across + self.shape.outputs * self.blocks) + of_sum;
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

/// Whether loads take four channels.
fn by_fours(shape: &ConvShape) -> bool {
    shape.inputs.is_multiple_of(4)
}

/// See [`crate::ops::Kernels::conv_grad_weight`].
pub(crate) fn conv_grad_weight(x: CubeTensor, grad: CubeTensor, shape: &ConvShape) -> CubeTensor {
    let plan = Plan::of(shape);
    let (outputs, inputs) = (shape.outputs, shape.inputs);
    let shape = &plan.shape;
    let (x, grad) = match plan.turned {
        true => (into_contiguous(grad), into_contiguous(x)),
        false => (into_contiguous(x), into_contiguous(grad)),
    };
    let ([lines, line], rows) = (plan.lines, plan.taps * shape.inputs);
    let partial = match plan.is_whole() {
        true => empty(&x, vec![outputs, inputs, 1, 1]),
        false => empty(&x, vec![plan.parts, rows, shape.outputs]),
    };
    let [height, _] = shape.out_size();
    // A picture without lines of its own is one line behind the other, from one picture to the next.
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
        shape.outputs as u32,
        shape.inputs as u32,
        size_y as u32,
        size_x as u32,
        out_y as u32,
        out_x as u32,
        shape.kernel[1] as u32,
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
            if by_fours(shape) { 4 } else { 1 },
            if shape.outputs.is_multiple_of(4) {
                4
            } else {
                1
            },
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
