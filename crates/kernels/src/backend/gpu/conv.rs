//! Convolution forward and its input gradient on a GPU: an implicit matrix product. Rows are pixels,
//! columns are channels of the result, the sum runs over taps and channels of the source; nothing is
//! unfolded in memory.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::adapter::Adapter;
use super::axis::Axis;
use super::direct::{Direct, gather_direct};
use super::direct_order::ordered;
use super::gather::{Form, gather_product};
use super::parts::sum_in_order;
use super::phases::{PhasesLaunch, launched};
use super::tile::{Tile, width};
use super::{element, empty, empty_f32, winograd};
use crate::choices::{Choice, bytes};
use crate::shape::ConvShape;

/// How a product is cut: through shared memory, or without it.
#[derive(Clone, Copy)]
enum Cut {
    Staged(Tile),
    Direct(Direct),
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

/// The same convolution over the values of lines in place of pixels, for images of few channels: a loop less.
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

fn product<const N: usize>(numbers: [usize; N]) -> usize {
    numbers.iter().product()
}

/// One end of a product.
struct FeatureMap {
    size: [usize; 2],
    channels: usize,
}

/// A convolution's input and output.
fn feature_maps(shape: &ConvShape) -> [FeatureMap; 2] {
    let map = |size, channels| FeatureMap { size, channels };
    [
        map(shape.size, shape.inputs),
        map(shape.out_size(), shape.outputs),
    ]
}

/// A gathered product. A gradient has a phase for each place between two strides; one launch computes them all.
pub(crate) struct Plan {
    adapter: Adapter,
    batch: usize,
    source: FeatureMap,
    out: FeatureMap,
    kernel: [usize; 2],
    /// Whether the weight is brought into order first.
    reorders: bool,
    /// The phases along height and along width.
    phases: [Vec<Axis>; 2],
    cut: Cut,
    /// A phase's cubes: along rows, columns, and rows again where they are too many.
    cubes: [u32; 3],
    /// Steps of the longest sum.
    depth: usize,
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
        let phases = [0, 1].map(|axis| vec![Axis::forward(&shape, axis)]);
        let [below, above] = feature_maps(&shape);
        Self::between(below, above, &shape, phases, reorders, adapter)
    }

    /// The input gradient.
    pub fn backward(shape: &ConvShape, adapter: Adapter) -> Self {
        let phases = [0, 1].map(|axis| Axis::backward(shape, axis));
        let [below, above] = feature_maps(shape);
        let reorders = !in_order(shape, BACKWARD);
        Self::between(above, below, shape, phases, reorders, adapter)
    }

    fn between(
        source: FeatureMap,
        out: FeatureMap,
        shape: &ConvShape,
        phases: [Vec<Axis>; 2],
        reorders: bool,
        adapter: Adapter,
    ) -> Self {
        let all = product(phases.each_ref().map(Vec::len));
        let summing = product(phases.each_ref().map(|axes| {
            let meets = |axis: &&Axis| axis.taps > 0;
            axes.iter().filter(meets).count()
        }));
        // The largest phase's, by a pixel; and the longest sum's.
        let most = |of: fn(&Axis) -> usize| {
            let along = |axes: &Vec<Axis>| axes.iter().map(of).max().unwrap_or(0);
            along(&phases[0]) * along(&phases[1])
        };
        let rows = shape.batch * most(|axis| axis.count);
        let depth = source.channels * most(|axis| axis.taps);
        let mut parts = 1;
        let (cut, cubes) = match adapter {
            Adapter::Hardware => {
                let tile = Tile::of(rows, out.channels, depth);
                let along = (rows as u32).div_ceil(tile.cube_rows());
                let x = along.min(65_535);
                let cubes = [
                    x,
                    (out.channels as u32).div_ceil(tile.cube_columns()),
                    along.div_ceil(x),
                ];
                // Where phases meet no tap, their zeros would be written once more for each part.
                if summing == all {
                    let cubes = all * product(cubes.map(|cubes| cubes as usize));
                    parts = (CUBES / cubes.max(1)).clamp(1, (depth / PART).max(1));
                }
                (Cut::Staged(tile), cubes)
            }
            Adapter::Software(program) => {
                let tile = Direct::of(rows, out.channels, summing, program);
                let [along, again] = Direct::cubes(tile.units(rows, out.channels));
                (Cut::Direct(tile), [along, again, 1])
            }
        };
        Self {
            adapter,
            batch: shape.batch,
            source,
            out,
            kernel: shape.kernel,
            reorders,
            phases,
            cut,
            cubes,
            depth,
            parts,
        }
    }

    /// Values of the result.
    fn len(&self) -> usize {
        self.batch * product(self.out.size) * self.out.channels
    }

    /// Each of `down` with each of `across`.
    fn phases(&self) -> impl Iterator<Item = [&Axis; 2]> {
        let [down, across] = &self.phases;
        down.iter()
            .flat_map(move |y| across.iter().map(move |x| [y, x]))
    }

    /// Cubes of the launch along each dimension.
    pub fn launches(&self) -> [u32; 3] {
        let [x, y, z] = self.cubes;
        let phases = product(self.phases.each_ref().map(Vec::len));
        [x, y, z * (phases * self.parts) as u32]
    }

    /// What the launches cost; the least traffic and the work are for the caller to say.
    pub fn choice(&self) -> Choice {
        let weight = self.source.channels * self.out.channels * product(self.kernel);
        let mut values = if self.reorders { 2 * weight } else { 0 };
        if self.parts > 1 {
            // Each is written by its cubes, above all values counted below, and read by the second pass.
            values += 2 * self.parts * self.len();
        }
        for [y, x] in self.phases() {
            let rows = self.batch * y.count * x.count;
            let depth = y.taps * x.taps * self.source.channels;
            let inside = y.inside(self.source.size[0]) * x.inside(self.source.size[1]);
            let left = self.batch * inside * self.source.channels;
            values += rows * self.out.channels;
            values += match self.cut {
                Cut::Staged(tile) => {
                    let rows_of_cubes = rows.div_ceil(tile.cube_rows() as usize);
                    left * self.cubes[1] as usize + rows_of_cubes * depth * self.out.channels
                }
                // Rows load under a tap outside, too, and let the value fall.
                Cut::Direct(tile) => {
                    let blocks = rows.div_ceil(tile.rows as usize);
                    let across = self.out.channels.div_ceil(tile.columns as usize);
                    blocks * depth * (across * tile.rows as usize + self.out.channels)
                }
            };
        }
        Choice {
            tile: match self.cut {
                Cut::Staged(tile) => tile.to_string(),
                Cut::Direct(tile) => tile.to_string(),
            },
            cubes: product(self.launches().map(|cubes| cubes as usize)),
            parts: self.parts,
            dispatches: 1 + usize::from(self.reorders) + usize::from(self.parts > 1),
            bytes: Some(bytes(values)),
            minimum: 0,
            multiply_adds: 0,
        }
    }

    /// The product: through parts where there are several.
    fn run(&self, source: &CubeTensor, weight: &CubeTensor) -> CubeTensor {
        let [height, width] = self.out.size;
        let dims = [self.batch, height, width, self.out.channels];
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
        let [x, y, z] = self.launches();
        let cubes = CubeCount::Static(x, y, z);
        let deep = match self.cut {
            Cut::Staged(tile) => tile.depth as usize,
            Cut::Direct(_) => 1,
        };
        // Shorter sums than the longest have fewer parts; the others of theirs are zero.
        let part = self.depth.div_ceil(self.parts).next_multiple_of(deep);
        let [down, across] =
            [0, 1].map(|n| launched(&self.phases[n], self.out.size[n], self.source.size[n]));
        let phases = PhasesLaunch::new(
            self.batch as u32,
            down,
            across,
            self.out.channels as u32,
            self.source.channels as u32,
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
            match self.cut {
                Cut::Staged(tile) => gather_product::launch_unchecked(
                    &source.client,
                    cubes,
                    tile.cube(),
                    width(self.source.channels),
                    width(self.out.channels),
                    source.clone().into_buffer_arg(),
                    weight.clone().into_buffer_arg(),
                    out.clone().into_buffer_arg(),
                    phases,
                    tile,
                    Form {
                        one_tap: self.source.channels.is_multiple_of(deep),
                        parted: self.parts > 1,
                    },
                    element(source),
                    element(out),
                ),
                Cut::Direct(tile) => gather_direct::launch_unchecked(
                    &source.client,
                    cubes,
                    Direct::cube(),
                    width(self.out.channels),
                    source.clone().into_buffer_arg(),
                    weight.clone().into_buffer_arg(),
                    out.clone().into_buffer_arg(),
                    phases,
                    tile,
                    self.source.channels == 1,
                ),
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
