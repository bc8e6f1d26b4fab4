//! Implicit GEMM: a convolution forward and its input gradient as a matrix product. Rows are pixels of the result, columns
//! its channels, the sum runs over taps and channels of the source, whose unfolding exists only in shared memory.

mod kernel;
mod load;
#[cfg(not(target_family = "wasm"))]
mod matrices;
mod phases;

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::ops::permute;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use self::kernel::implicit_gemm;
use self::load::Variant;
#[cfg(not(target_family = "wasm"))]
use self::matrices::implicit_gemm_by_matrices;
use self::phases::{PhasesLaunch, launch_axes};
use super::axis::Axis;
use super::cut::{Cut, Target};
use super::launch::MAX_WORKGROUPS;
use super::split_k::sum_of_splits;
use super::tensors::{empty, empty_f32, storage};
use super::tile::load_width;
use crate::shape::ConvShape;

/// Workgroups that keep a GPU busy: with fewer, the sum is split.
const BUSY: usize = 256;
/// Steps of the sum in a split, at least.
const SPLIT_DEPTH: usize = 64;

/// The axes of a weight `[out, in, height, width]` in the order that a product takes: its columns last.
const FORWARD: [usize; 4] = [2, 3, 1, 0];
const INPUT_GRADIENT: [usize; 4] = [2, 3, 0, 1];

/// Whether a weight lies in memory in that order already.
fn in_order(shape: &ConvShape, axes: [usize; 4]) -> bool {
    let [height, width] = shape.kernel;
    let dims = [shape.outputs, shape.inputs, height, width];
    let long = axes.into_iter().filter(|&axis| dims[axis] > 1);
    long.is_sorted()
}

fn product<const N: usize>(numbers: [usize; N]) -> usize {
    numbers.iter().product()
}

/// The source or the result of a product.
struct FeatureMap {
    size: [usize; 2],
    channels: usize,
}

/// How a convolution forward or its input gradient is launched: all output phases at once, after the weight has been
/// permuted where its columns are not last, and before the splits are added where the sum is split.
pub(super) struct GemmPlan {
    pub cut: Cut,
    /// Splits of the sum that are computed concurrently and added by a second kernel, in order.
    pub splits: usize,
    batch: usize,
    source: FeatureMap,
    out: FeatureMap,
    kernel: [usize; 2],
    /// The axes of the weight in the order that the kernel takes.
    weight_axes: [usize; 4],
    /// Whether the weight has to be copied into that order.
    permutes: bool,
    /// The output phases along height and along width.
    phases: [Vec<Axis>; 2],
    /// Workgroups of a phase and a split: along rows, columns, and rows again where they are too many for one dimension.
    workgroups: [u32; 3],
    /// Steps of the longest sum.
    depth: usize,
}

impl GemmPlan {
    /// `[batch, height, width, in]` to `[batch, height', width', out]`.
    pub fn forward(shape: &ConvShape, target: Target) -> Self {
        let phases = [0, 1].map(|axis| vec![Axis::forward(shape, axis)]);
        let [input, output] = Self::feature_maps(shape);
        Self::between(input, output, shape, phases, FORWARD, target)
    }

    /// The input gradient, likewise.
    pub fn input_gradient(shape: &ConvShape, target: Target) -> Self {
        let phases = [0, 1].map(|axis| Axis::output_phases(shape, axis));
        let [input, output] = Self::feature_maps(shape);
        Self::between(output, input, shape, phases, INPUT_GRADIENT, target)
    }

    fn feature_maps(shape: &ConvShape) -> [FeatureMap; 2] {
        let map = |size, channels| FeatureMap { size, channels };
        [
            map(shape.size, shape.inputs),
            map(shape.out_size(), shape.outputs),
        ]
    }

    fn between(
        source: FeatureMap,
        out: FeatureMap,
        shape: &ConvShape,
        phases: [Vec<Axis>; 2],
        weight_axes: [usize; 4],
        target: Target,
    ) -> Self {
        let all = product(phases.each_ref().map(Vec::len));
        let summing = product(phases.each_ref().map(|axes| {
            let has_taps = |axis: &&Axis| axis.taps > 0;
            axes.iter().filter(has_taps).count()
        }));
        // The most of any phase: pixels, and taps.
        let most = |of: fn(&Axis) -> usize| {
            let along = |axes: &Vec<Axis>| axes.iter().map(of).max().unwrap_or(0);
            along(&phases[0]) * along(&phases[1])
        };
        let rows = shape.batch * most(|axis| axis.count);
        let depth = source.channels * most(|axis| axis.taps);
        let cut = target.gemm(rows, out.channels, depth);
        let tile = cut.staging();
        let along_rows = rows.div_ceil(tile.group_rows() as usize);
        let x = along_rows.min(MAX_WORKGROUPS);
        let workgroups = [
            x,
            out.channels.div_ceil(tile.group_columns() as usize),
            along_rows.div_ceil(x),
        ];
        let mut splits = 1;
        // Where phases meet no tap, their zeros would be written once more for each split.
        if summing == all {
            let workgroups = all * product(workgroups);
            splits = (BUSY / workgroups.max(1)).clamp(1, (depth / SPLIT_DEPTH).max(1));
        }
        Self {
            cut,
            splits,
            batch: shape.batch,
            source,
            out,
            kernel: shape.kernel,
            weight_axes,
            permutes: !in_order(shape, weight_axes),
            phases,
            workgroups: workgroups.map(|count| count as u32),
            depth,
        }
    }

    /// Values of the result.
    fn len(&self) -> usize {
        self.batch * product(self.out.size) * self.out.channels
    }

    /// Workgroups of the launch along each dimension.
    pub fn workgroups(&self) -> [u32; 3] {
        let [x, y, z] = self.workgroups;
        let phases = product(self.phases.each_ref().map(Vec::len));
        [x, y, z * (phases * self.splits) as u32]
    }

    /// Kernels launched.
    pub fn dispatches(&self) -> usize {
        1 + usize::from(self.permutes) + usize::from(self.splits > 1)
    }

    /// Values that the kernels load and store.
    pub fn traffic(&self) -> usize {
        let weight = self.source.channels * self.out.channels * product(self.kernel);
        let mut values = if self.permutes { 2 * weight } else { 0 };
        if self.splits > 1 {
            // Each is written by its workgroups, in addition to the values counted below, and read by the second kernel.
            values += 2 * self.splits * self.len();
        }
        let [phases_y, phases_x] = &self.phases;
        for y in phases_y {
            for x in phases_x {
                let rows = self.batch * y.count * x.count;
                let depth = y.taps * x.taps * self.source.channels;
                let inside = y.inside(self.source.size[0]) * x.inside(self.source.size[1]);
                let loaded = self.batch * inside * self.source.channels;
                let along_rows = rows.div_ceil(self.cut.staging().group_rows() as usize);
                values += loaded * self.workgroups[1] as usize;
                values += along_rows * depth * self.out.channels;
                values += rows * self.out.channels;
            }
        }
        values
    }

    /// Computes the product of a source, channels last, and a weight `[out, in, height, width]`.
    pub fn run(&self, source: CubeTensor, weight: CubeTensor) -> CubeTensor {
        let source = into_contiguous(source);
        let weight = into_contiguous(permute(weight, &self.weight_axes));
        let [height, width] = self.out.size;
        let dims = [self.batch, height, width, self.out.channels];
        if self.splits == 1 {
            let out = empty(&source, dims.to_vec());
            self.launch(source, weight, &out);
            return out;
        }
        let dtype = source.dtype;
        let partial = empty_f32(&source, vec![self.splits, self.len(), 1]);
        self.launch(source, weight, &partial);
        sum_of_splits(partial, dims, dtype)
    }

    fn launch(&self, source: CubeTensor, weight: CubeTensor, out: &CubeTensor) {
        let [x, y, z] = self.workgroups();
        let depth = self.cut.staging().depth as usize;
        // Shorter sums than the longest have fewer splits; the others of theirs are zero.
        let split_depth = self.depth.div_ceil(self.splits).next_multiple_of(depth);
        let [phases_y, phases_x] =
            [0, 1].map(|n| launch_axes(&self.phases[n], self.out.size[n], self.source.size[n]));
        let phases = PhasesLaunch::new(
            self.batch as u32,
            phases_y,
            phases_x,
            self.out.channels as u32,
            self.source.channels as u32,
            self.kernel[1] as u32,
            split_depth as u32,
            self.len() as u32,
        );
        let client = source.client.clone();
        let [stored, stored_out] = [&source, out].map(storage);
        let count = CubeCount::Static(x, y, z);
        let widths = [self.source.channels, self.out.channels].map(load_width);
        let variant = Variant {
            one_tap: self.source.channels.is_multiple_of(depth),
            split: self.splits > 1,
        };
        #[expect(
            unsafe_code,
            reason = "the kernel checks its bounds itself, once a vector"
        )]
        // SAFETY: loads are behind `inside`, `k < depth` and `column < columns`, stores behind
        // `row < rows` and `column < columns`; the buffers have the lengths that these imply.
        unsafe {
            match self.cut {
                Cut::Registers(tile) => implicit_gemm::launch_unchecked(
                    &client,
                    count,
                    tile.workgroup(),
                    widths[0],
                    widths[1],
                    source.into_buffer_arg(),
                    weight.into_buffer_arg(),
                    out.clone().into_buffer_arg(),
                    phases,
                    tile,
                    variant,
                    stored,
                    stored_out,
                ),
                #[cfg(not(target_family = "wasm"))]
                Cut::Matrices(tile, operand) => implicit_gemm_by_matrices::launch_unchecked(
                    &client,
                    count,
                    tile.workgroup(),
                    widths[0],
                    widths[1],
                    source.into_buffer_arg(),
                    weight.into_buffer_arg(),
                    out.clone().into_buffer_arg(),
                    phases,
                    tile,
                    variant,
                    stored,
                    operand.element(),
                    stored_out,
                ),
            }
        }
    }
}
