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
use super::gather::{Form, GatherLaunch, gather_product};
use super::parts::sum_in_order;
use super::tile::Tile;
use super::{element, empty, empty_f32, winograd};
use crate::choices::{Choice, bytes};
use crate::cpu::ConvShape;

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

impl Phase {
    fn cubes(&self) -> usize {
        self.cubes.map(|count| count as usize).iter().product()
    }
}

/// Cubes that keep a GPU busy: with fewer, the sum is cut into parts.
const CUBES: usize = 256;
/// Steps of the sum that a part has at least.
const PART: usize = 64;

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

/// The same convolution over the values of lines in place of pixels, for pictures of few channels: a loop less.
fn by_values(shape: &ConvShape) -> Option<ConvShape> {
    let values = |[down, across]: [usize; 2]| [down, across * shape.inputs];
    (shape.inputs < 4 && shape.dilation[1] == 1).then(|| ConvShape {
        size: values(shape.size),
        inputs: 1,
        kernel: values(shape.kernel),
        stride: values(shape.stride),
        padding: values(shape.padding),
        ..*shape
    })
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
    /// Parts of the sum that are computed side by side and added in a second pass, in order.
    parts: usize,
}

impl Plan {
    /// `[batch, height, width, in]` to `[batch, height', width', out]`.
    pub fn forward(shape: &ConvShape, adapter: Adapter) -> Self {
        let reorders = !in_order(shape, FORWARD);
        let shape = match adapter {
            Adapter::Software(_) => by_values(shape).unwrap_or(*shape),
            Adapter::Hardware => *shape,
        };
        let shape = &shape;
        let plan = Self {
            adapter,
            batch: shape.batch,
            out_size: shape.out_size(),
            source_size: shape.size,
            columns: shape.outputs,
            channels: shape.inputs,
            kernel: shape.kernel,
            reorders,
            phases: Vec::new(),
            parts: 1,
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
            parts: 1,
        };
        plan.with([0, 1].map(|axis| Axis::backward(shape, axis)))
    }

    fn with(mut self, [down, across]: [Vec<Axis>; 2]) -> Self {
        for y in down {
            for &x in &across {
                let rows = self.batch * y.count * x.count;
                let (cut, cubes) = match self.adapter {
                    Adapter::Hardware => {
                        let depth = y.taps * x.taps * self.channels;
                        let tile = Tile::of(rows, self.columns, depth);
                        let cubes = (rows as u32).div_ceil(tile.cube_rows());
                        let cubes_x = cubes.min(65_535);
                        let cubes_y = (self.columns as u32).div_ceil(tile.cube_columns());
                        (
                            Cut::Staged(tile),
                            [cubes_x, cubes_y, cubes.div_ceil(cubes_x)],
                        )
                    }
                    Adapter::Software(program) => {
                        let tile = Direct::of(rows, self.columns, 1, program);
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
        if self.adapter == Adapter::Hardware {
            let cubes: usize = self.phases.iter().map(Phase::cubes).sum();
            let depths = self.phases.iter().map(|phase| self.depth(phase));
            let deepest = depths.max().unwrap_or(0);
            self.parts = (CUBES / cubes.max(1)).clamp(1, (deepest / PART).max(1));
        }
        self
    }

    /// Steps of a phase's sum.
    fn depth(&self, phase: &Phase) -> usize {
        phase.y.taps * phase.x.taps * self.channels
    }

    /// Values of the result.
    fn len(&self) -> usize {
        self.batch * self.out_size[0] * self.out_size[1] * self.columns
    }

    /// Cubes of every launch along each dimension.
    #[cfg(test)]
    pub fn launches(&self) -> Vec<[u32; 3]> {
        let parts = self.parts as u32;
        let cubes = self.phases.iter().map(|phase| phase.cubes);
        cubes.map(|[x, y, z]| [x, y, z * parts]).collect()
    }

    /// What the launches cost; the least traffic and the work are for the caller to say.
    pub fn choice(&self) -> Choice {
        let weight = self.channels * self.columns * self.kernel[0] * self.kernel[1];
        let mut cubes = 0;
        let mut values = if self.reorders { 2 * weight } else { 0 };
        if self.parts > 1 {
            // Each is written by its cubes, above all values counted below, and read by the second pass.
            values += 2 * self.parts * self.len();
        }
        for phase in &self.phases {
            let columns = phase.cubes[1] as usize;
            cubes += self.parts * phase.cubes();
            let inside = phase.y.inside(self.source_size[0]) * phase.x.inside(self.source_size[1]);
            let depth = self.depth(phase);
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
            parts: self.parts,
            dispatches: usize::from(self.reorders)
                + self.phases.len()
                + usize::from(self.parts > 1),
            bytes: Some(bytes(values)),
            minimum: 0,
            multiply_adds: 0,
        }
    }

    /// The product: through parts where there are several.
    fn run(&self, source: &CubeTensor, weight: &CubeTensor) -> CubeTensor {
        let [height, width] = self.out_size;
        let dims = [self.batch, height, width, self.columns];
        if self.parts == 1 {
            let out = empty(source, dims.to_vec());
            self.launch(source, weight, &out);
            return out;
        }
        let partial = empty_f32(source, vec![self.parts, self.len(), 1]);
        self.launch(source, weight, &partial);
        sum_in_order(partial, dims, source.dtype)
    }

    fn launch(&self, source: &CubeTensor, weight: &CubeTensor, out: &CubeTensor) {
        let fours = self.channels.is_multiple_of(4) && self.columns.is_multiple_of(4);
        for phase in &self.phases {
            let Phase {
                y, x, rows, cut, ..
            } = phase;
            let [cubes_x, cubes_y, cubes_z] = phase.cubes;
            let depth = self.depth(phase);
            let deep = match cut {
                Cut::Staged(tile) => tile.depth as usize,
                Cut::Direct(_) => 1,
            };
            let part = depth.div_ceil(self.parts).next_multiple_of(deep);
            let form = Form {
                one_tap: self.channels.is_multiple_of(deep),
                parted: self.parts > 1,
            };
            let cubes_z = if form.parted {
                self.parts as u32
            } else {
                cubes_z
            };
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
                part as u32,
                self.len() as u32,
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
                        CubeCount::Static(cubes_x, cubes_y, cubes_z),
                        tile.cube(),
                        if fours { 4 } else { 1 },
                        source.clone().into_buffer_arg(),
                        weight.clone().into_buffer_arg(),
                        out.clone().into_buffer_arg(),
                        gather,
                        tile,
                        form,
                        element(source),
                        element(out),
                    ),
                    Cut::Direct(tile) => gather_direct::launch_unchecked(
                        &source.client,
                        CubeCount::Static(cubes_x, cubes_y, cubes_z),
                        Direct::cube(),
                        width(self.columns),
                        source.clone().into_buffer_arg(),
                        weight.clone().into_buffer_arg(),
                        out.clone().into_buffer_arg(),
                        gather,
                        tile,
                        self.channels == 1,
                    ),
                }
            }
        }
    }
}

/// See [`crate::ops::Kernels::conv`].
pub(crate) fn conv(x: CubeTensor, weight: CubeTensor, shape: &ConvShape) -> CubeTensor {
    let adapter = Adapter::of(&x);
    if let Some(plan) = winograd::Plan::forward(shape, adapter) {
        return plan.run(x, weight);
    }
    let x = into_contiguous(x);
    let plan = Plan::forward(shape, adapter);
    let weight = match plan.reorders && plan.adapter.is_software() {
        true => ordered(weight, shape, true),
        false => into_contiguous(permute(weight, &FORWARD)),
    };
    plan.run(&x, &weight)
}

/// See [`crate::ops::Kernels::conv_grad_input`].
pub(crate) fn conv_grad_input(
    grad: CubeTensor,
    weight: CubeTensor,
    shape: &ConvShape,
) -> CubeTensor {
    let adapter = Adapter::of(&grad);
    if let Some(plan) = winograd::Plan::backward(shape, adapter) {
        return plan.run(grad, weight);
    }
    let grad = into_contiguous(grad);
    let plan = Plan::backward(shape, adapter);
    let weight = match plan.reorders && plan.adapter.is_software() {
        true => ordered(weight, shape, false),
        false => into_contiguous(permute(weight, &BACKWARD)),
    };
    plan.run(&grad, &weight)
}
