//! Convolution forward and its gradient by the input on a GPU: an implicit matrix product. Rows are pixels,
//! columns are channels of the result, the sum runs over taps and channels of the source; nothing is
//! unfolded in memory.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::adapter::Adapter;
use super::axis::Axis;
use super::direct::{Direct, gather_direct, width};
use super::direct_order::ordered;
use super::tile::{Four, Tile, columns_at};
use super::{element, empty};
use crate::choices::{Choice, bytes};
use crate::cpu::ConvShape;

/// Which pixels of the result meet which pixels of the source, through which taps. Pairs are height, width.
///
/// Row r of the product is the result's pixel `first + step * (jy, jx)` of picture n; tap number (ii, jj)
/// of the sum is the kernel's `(tap0 + ii * tap_step, ..)`, and lies on the source's pixel
/// `(jy, jx) * stride + offset + (ii, jj) * source_step`.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Gather {
    pub(super) rows: u32,
    pub(super) count_y: u32,
    pub(super) count_x: u32,
    pub(super) first_y: u32,
    pub(super) first_x: u32,
    pub(super) step_y: u32,
    pub(super) step_x: u32,
    pub(super) out_y: u32,
    pub(super) out_x: u32,
    pub(super) columns: u32,
    pub(super) source_y: u32,
    pub(super) source_x: u32,
    pub(super) channels: u32,
    pub(super) stride_y: i32,
    pub(super) stride_x: i32,
    pub(super) offset_y: i32,
    pub(super) offset_x: i32,
    pub(super) source_step_y: i32,
    pub(super) source_step_x: i32,
    pub(super) taps_y: u32,
    pub(super) taps_x: u32,
    pub(super) tap0_y: u32,
    pub(super) tap0_x: u32,
    pub(super) tap_step_y: u32,
    pub(super) tap_step_x: u32,
    pub(super) kernel_x: u32,
}

/// The source under step `k` of the sum for a row that begins at `(y, x)` of the picture behind `base` pixels; zero
/// outside.
#[cube]
fn source_at<E: Float, N: Size>(
    source: &[Vector<E, N>],
    g: &Gather,
    base: u32,
    y: i32,
    x: i32,
    k: u32,
) -> Vector<f32, N> {
    let tap = k / g.channels;
    let channel = k - tap * g.channels;
    let tap_y = tap / g.taps_x;
    let tap_x = tap - tap_y * g.taps_x;
    let y = y + tap_y as i32 * g.source_step_y;
    let x = x + tap_x as i32 * g.source_step_x;
    let inside = y >= 0 && y < g.source_y as i32 && x >= 0 && x < g.source_x as i32;
    let mut value = Vector::<f32, N>::new(0.0f32);
    if inside && tap < g.taps_y * g.taps_x {
        let pixel = base + y as u32 * g.source_x + x as u32;
        let at = (pixel * g.channels + channel) / N::value() as u32;
        value = Vector::cast_from(source[at as usize]);
    }
    value
}

#[cube(launch_unchecked)]
fn gather_product<E: Float, N: Size>(
    source: &[Vector<E, N>],
    weight: &[Vector<E, N>],
    out: &mut [Vector<E, N>],
    g: &Gather,
    #[comptime] tile: Tile,
    #[define(E)] _element: ElemType,
) {
    let width = N::value();
    let (tile_rows, tile_columns) = comptime!((tile.rows as usize, tile.columns as usize / 4));
    let cube_rows = comptime!(tile.cube_rows());
    let cube_columns = comptime!(tile.cube_columns());
    let (units_y, units_x) = comptime!((tile.units_y, tile.units_x));
    let units = comptime!(tile.units());
    // Each unit stages as many fours of both operands as it has to, always of the same rows.
    let (staged_a, staged_b) = comptime!(tile.staged());
    let fours_a = comptime!(staged_a.div_ceil(units) as usize);
    let fours_b = comptime!(staged_b.div_ceil(units) as usize);
    let mut a = Shared::<[Four]>::new_slice(comptime!(staged_a as usize));
    let mut b = Shared::<[Four]>::new_slice(comptime!(staged_b as usize));

    let unit = UNIT_POS_Y * units_x + UNIT_POS_X;
    let row0 = (CUBE_POS_X + CUBE_POS_Z * CUBE_COUNT_X) * cube_rows;
    let column0 = CUBE_POS_Y * cube_columns;
    let per_picture = g.count_y * g.count_x;
    let depth = g.taps_y * g.taps_x * g.channels;

    let mut base = Array::<u32>::new(fours_a);
    let mut base_y = Array::<i32>::new(fours_a);
    let mut base_x = Array::<i32>::new(fours_a);
    let fours_deep = comptime!(tile.depth / 4);
    #[unroll]
    for slot in 0..fours_a {
        let row = row0 + (unit + slot as u32 * units) / fours_deep;
        let picture = row / per_picture;
        let pixel = row - picture * per_picture;
        let y = pixel / g.count_x;
        let x = pixel - y * g.count_x;
        base[slot] = picture * g.source_y * g.source_x;
        base_y[slot] = y as i32 * g.stride_y + g.offset_y;
        base_x[slot] = x as i32 * g.stride_x + g.offset_x;
        if row >= g.rows {
            // Far outside, so that nothing is read.
            base_y[slot] = -1000000000i32;
        }
    }

    let mut sums = Array::<Four>::new(comptime!(tile_rows * tile_columns));
    #[unroll]
    for n in 0..comptime!(tile_rows * tile_columns) {
        sums[n] = Four::new(0.0f32);
    }

    let mut k0 = 0u32;
    while k0 < depth {
        #[unroll]
        for slot in 0..fours_a {
            let place = unit + slot as u32 * units;
            let k = k0 + place % fours_deep * 4;
            let mut four = Four::new(0.0f32);
            if comptime!(width == 4) {
                let value = source_at::<E, N>(source, g, base[slot], base_y[slot], base_x[slot], k);
                four = Four::cast_from(value);
            } else {
                #[unroll]
                for lane in 0..4u32 {
                    let (y, x) = (base_y[slot], base_x[slot]);
                    let value = source_at::<E, N>(source, g, base[slot], y, x, k + lane);
                    four.insert(lane as usize, value.extract(0usize));
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
            let k = k0 + place / fours_wide;
            let column = column0 + place % fours_wide * 4;
            let tap = k / g.channels;
            let channel = k - tap * g.channels;
            let tap_y = tap / g.taps_x;
            let tap_x = tap - tap_y * g.taps_x;
            let y = g.tap0_y + tap_y * g.tap_step_y;
            let x = g.tap0_x + tap_x * g.tap_step_x;
            let at = ((y * g.kernel_x + x) * g.channels + channel) * g.columns + column;
            let mut four = Four::new(0.0f32);
            if k < depth {
                four = columns_at::<E, N>(weight, at, column, g.columns);
            }
            if place < staged_b {
                b[place as usize] = four;
            }
        }
        sync_cube();

        #[unroll]
        for four in 0..comptime!(tile.depth / 4) {
            let mut from_a = Array::<Four>::new(tile_rows);
            #[unroll]
            for n in 0..tile_rows {
                let row = UNIT_POS_Y + n as u32 * units_y;
                from_a[n] = a[(row * fours_deep + four) as usize];
            }
            #[unroll]
            for lane in 0..4u32 {
                #[unroll]
                for c in 0..tile_columns {
                    let line = (four * 4 + lane) * comptime!(cube_columns / 4);
                    let from_b = b[(line + UNIT_POS_X + c as u32 * units_x) as usize];
                    #[unroll]
                    for n in 0..tile_rows {
                        let value = Four::new(from_a[n].extract(lane as usize));
                        let at = comptime!(n * tile_columns + c);
                        sums[at] += value * from_b;
                    }
                }
            }
        }
        sync_cube();
        k0 += comptime!(tile.depth);
    }

    #[unroll]
    for n in 0..tile_rows {
        let row = row0 + UNIT_POS_Y + n as u32 * units_y;
        if row < g.rows {
            let picture = row / per_picture;
            let pixel = row - picture * per_picture;
            let jy = pixel / g.count_x;
            let jx = pixel - jy * g.count_x;
            let y = g.first_y + jy * g.step_y;
            let x = g.first_x + jx * g.step_x;
            let at = ((picture * g.out_y + y) * g.out_x + x) * g.columns;
            #[unroll]
            for c in 0..tile_columns {
                let column = column0 + (UNIT_POS_X + c as u32 * units_x) * 4;
                let sum = sums[comptime!(n * tile_columns + c)];
                if comptime!(width == 4) {
                    if column < g.columns {
                        out[((at + column) / 4) as usize] = Vector::cast_from(sum);
                    }
                } else {
                    #[unroll]
                    for lane in 0..4u32 {
                        if column + lane < g.columns {
                            out[(at + column + lane) as usize] =
                                Vector::new(E::cast_from(sum.extract(lane as usize)));
                        }
                    }
                }
            }
        }
    }
}

/// How a product is cut: through shared memory, or without it.
#[derive(Clone, Copy)]
enum Cut {
    Staged(Tile),
    Direct(Direct),
}

/// One launch: the pixels that meet the same taps.
struct Phase {
    y: Axis,
    x: Axis,
    rows: usize,
    cut: Cut,
    /// Along rows, columns, and rows again where they are too many.
    cubes: [u32; 3],
}

/// The axes of a weight `[out, in, height, width]` in the order that a product takes: its columns last.
const FORWARD: [usize; 4] = [2, 3, 1, 0];
const BACKWARD: [usize; 4] = [2, 3, 0, 1];

/// Whether a weight lies in memory in that order already.
fn in_order(shape: &ConvShape, axes: [usize; 4]) -> bool {
    let [height, width] = shape.kernel;
    let dims = [shape.outputs, shape.inputs, height, width];
    let long = axes.into_iter().filter(|&axis| dims[axis] > 1);
    long.is_sorted()
}

/// A gathered product: the launches, and what they share. A gradient has one for each place between two strides.
pub(crate) struct Plan {
    adapter: Adapter,
    batch: usize,
    out_size: [usize; 2],
    source_size: [usize; 2],
    columns: usize,
    channels: usize,
    kernel: [usize; 2],
    /// Whether the weight is brought into order first.
    reorders: bool,
    phases: Vec<Phase>,
}

impl Plan {
    /// `[batch, height, width, in]` to `[batch, height', width', out]`.
    pub fn forward(shape: &ConvShape, adapter: Adapter) -> Self {
        let plan = Self {
            adapter,
            batch: shape.batch,
            out_size: shape.out_size(),
            source_size: shape.size,
            columns: shape.outputs,
            channels: shape.inputs,
            kernel: shape.kernel,
            reorders: !in_order(shape, FORWARD),
            phases: Vec::new(),
        };
        plan.with([0, 1].map(|axis| vec![Axis::forward(shape, axis)]))
    }

    /// The gradient by the input.
    pub fn backward(shape: &ConvShape, adapter: Adapter) -> Self {
        let plan = Self {
            adapter,
            batch: shape.batch,
            out_size: shape.size,
            source_size: shape.out_size(),
            columns: shape.inputs,
            channels: shape.outputs,
            kernel: shape.kernel,
            reorders: !in_order(shape, BACKWARD),
            phases: Vec::new(),
        };
        plan.with([0, 1].map(|axis| Axis::backward(shape, axis)))
    }

    fn with(mut self, [down, across]: [Vec<Axis>; 2]) -> Self {
        for y in down {
            for &x in &across {
                let rows = self.batch * y.count * x.count;
                let (cut, cubes) = match self.adapter {
                    Adapter::Hardware => {
                        let tile = Tile::of(rows, self.columns);
                        let cubes = (rows as u32).div_ceil(tile.cube_rows());
                        let cubes_x = cubes.min(65_535);
                        let cubes_y = (self.columns as u32).div_ceil(tile.cube_columns());
                        (
                            Cut::Staged(tile),
                            [cubes_x, cubes_y, cubes.div_ceil(cubes_x)],
                        )
                    }
                    Adapter::Software => {
                        let tile = Direct::of(rows, self.columns);
                        let [along, again] = Direct::cubes(tile.units(rows, self.columns));
                        (Cut::Direct(tile), [along, again, 1])
                    }
                };
                self.phases.push(Phase {
                    y,
                    x,
                    rows,
                    cut,
                    cubes,
                });
            }
        }
        self
    }

    /// Cubes of every launch along each dimension.
    #[cfg(test)]
    pub fn launches(&self) -> Vec<[u32; 3]> {
        self.phases.iter().map(|phase| phase.cubes).collect()
    }

    /// What the launches cost; the least traffic and the work are for the caller to say.
    pub fn choice(&self) -> Choice {
        let weight = self.channels * self.columns * self.kernel[0] * self.kernel[1];
        let mut cubes = 0;
        let mut values = if self.reorders { 2 * weight } else { 0 };
        for phase in &self.phases {
            let [along, columns, again] = phase.cubes.map(|count| count as usize);
            cubes += along * columns * again;
            let inside = phase.y.inside(self.source_size[0]) * phase.x.inside(self.source_size[1]);
            let depth = phase.y.taps * phase.x.taps * self.channels;
            let left = self.batch * inside * self.channels;
            values += phase.rows * self.columns;
            values += match phase.cut {
                Cut::Staged(tile) => {
                    let rows_of_cubes = phase.rows.div_ceil(tile.cube_rows() as usize);
                    left * columns + rows_of_cubes * depth * self.columns
                }
                // Rows load under a tap outside, too, and let the value fall.
                Cut::Direct(tile) => {
                    let blocks = phase.rows.div_ceil(tile.rows as usize);
                    let across = self.columns.div_ceil(tile.columns as usize);
                    blocks * depth * (across * tile.rows as usize + self.columns)
                }
            };
        }
        // Phases differ by a pixel at most, and so have one tile but for the smallest pictures.
        let tile = self.phases.first();
        Choice {
            tile: tile.map_or_else(String::new, |phase| match phase.cut {
                Cut::Staged(tile) => tile.to_string(),
                Cut::Direct(tile) => tile.to_string(),
            }),
            cubes,
            parts: 1,
            dispatches: usize::from(self.reorders) + self.phases.len(),
            bytes: Some(bytes(values)),
            minimum: 0,
            multiply_adds: 0,
        }
    }

    fn launch(&self, source: &CubeTensor, weight: &CubeTensor, out: &CubeTensor) {
        let fours = self.channels.is_multiple_of(4) && self.columns.is_multiple_of(4);
        for Phase {
            y,
            x,
            rows,
            cut,
            cubes: [cubes_x, cubes_y, cubes_z],
        } in &self.phases
        {
            let gather = GatherLaunch::new(
                *rows as u32,
                y.count as u32,
                x.count as u32,
                y.first as u32,
                x.first as u32,
                y.step as u32,
                x.step as u32,
                self.out_size[0] as u32,
                self.out_size[1] as u32,
                self.columns as u32,
                self.source_size[0] as u32,
                self.source_size[1] as u32,
                self.channels as u32,
                y.stride,
                x.stride,
                y.offset,
                x.offset,
                y.source_step,
                x.source_step,
                y.taps as u32,
                x.taps as u32,
                y.tap0 as u32,
                x.tap0 as u32,
                y.tap_step as u32,
                x.tap_step as u32,
                self.kernel[1] as u32,
            );
            #[expect(
                unsafe_code,
                reason = "the kernel checks every place itself, once a four"
            )]
            // SAFETY: reads are behind `inside`, `k < depth` and `column < columns`, writes behind
            // `row < rows` and `column < columns`; the buffers have the lengths that these imply.
            unsafe {
                match *cut {
                    Cut::Staged(tile) => gather_product::launch_unchecked(
                        &source.client,
                        CubeCount::Static(*cubes_x, *cubes_y, *cubes_z),
                        tile.cube(),
                        if fours { 4 } else { 1 },
                        source.clone().into_buffer_arg(),
                        weight.clone().into_buffer_arg(),
                        out.clone().into_buffer_arg(),
                        gather,
                        tile,
                        element(out),
                    ),
                    Cut::Direct(tile) => gather_direct::launch_unchecked(
                        &source.client,
                        CubeCount::Static(*cubes_x, *cubes_y, *cubes_z),
                        Direct::cube(),
                        width(self.channels),
                        width(self.columns),
                        source.clone().into_buffer_arg(),
                        weight.clone().into_buffer_arg(),
                        out.clone().into_buffer_arg(),
                        gather,
                        tile,
                    ),
                }
            }
        }
    }
}

/// See [`crate::ops::Kernels::conv`].
pub(crate) fn conv(x: CubeTensor, weight: CubeTensor, shape: &ConvShape) -> CubeTensor {
    let x = into_contiguous(x);
    let [height, width] = shape.out_size();
    let out = empty(&x, vec![shape.batch, height, width, shape.outputs]);
    let plan = Plan::forward(shape, Adapter::of(&x));
    let weight = match plan.reorders && plan.adapter == Adapter::Software {
        true => ordered(weight, shape, true),
        false => into_contiguous(permute(weight, &FORWARD)),
    };
    plan.launch(&x, &weight, &out);
    out
}

/// See [`crate::ops::Kernels::conv_grad_input`].
pub(crate) fn conv_grad_input(
    grad: CubeTensor,
    weight: CubeTensor,
    shape: &ConvShape,
) -> CubeTensor {
    let grad = into_contiguous(grad);
    let [height, width] = shape.size;
    let out = empty(&grad, vec![shape.batch, height, width, shape.inputs]);
    let plan = Plan::backward(shape, Adapter::of(&grad));
    let weight = match plan.reorders && plan.adapter == Adapter::Software {
        true => ordered(weight, shape, false),
        false => into_contiguous(permute(weight, &BACKWARD)),
    };
    plan.launch(&grad, &weight, &out);
    out
}
