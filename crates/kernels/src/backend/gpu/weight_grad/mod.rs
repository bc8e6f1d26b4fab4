//! The weight gradient of a convolution: a reduction over all pixels of all images. Rows are taps and channels of the input,
//! columns channels of the output. Splits of the sum are computed concurrently and added by a second kernel, in order.

mod kernel;
mod load;
#[cfg(not(target_family = "wasm"))]
mod matrices;

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use self::kernel::weight_gradient;
use self::load::ReductionLaunch;
#[cfg(not(target_family = "wasm"))]
use self::matrices::weight_gradient_by_matrices;
use super::axis::Axis;
use super::cut::{Cut, Target};
use super::split_k::weight_of_splits;
use super::tensors::{empty_f32, storage};
use super::tile::load_width;
use crate::shape::ConvShape;

/// Workgroups that keep a GPU busy: with fewer, the sum is split.
const BUSY: usize = 512;
/// Pixels of a split, at least.
const SPLIT_PIXELS: usize = 256;

/// How a weight gradient is launched.
pub(super) struct WeightGradPlan {
    pub cut: Cut,
    shape: ConvShape,
    rows: usize,
    columns: usize,
    pixels: usize,
    /// Along rows, columns and splits.
    workgroups: [usize; 3],
    /// Pixels of a split.
    split_pixels: usize,
}

impl WeightGradPlan {
    /// By the rules for `target`.
    pub fn of(shape: &ConvShape, target: Target) -> Self {
        let [height, width] = shape.out_size();
        let rows = shape.kernel[0] * shape.kernel[1] * shape.inputs;
        let columns = shape.outputs;
        let pixels = shape.batch * height * width;
        let cut = target.weight_gradient(rows, columns);
        let tile = cut.staging();
        let along_rows = rows.div_ceil(tile.group_rows() as usize);
        let along_columns = columns.div_ceil(tile.group_columns() as usize);
        let most = pixels.div_ceil(SPLIT_PIXELS);
        let splits = (BUSY / (along_rows * along_columns)).clamp(1, most);
        let split_pixels = pixels
            .div_ceil(splits)
            .next_multiple_of(tile.depth as usize);
        Self {
            cut,
            shape: *shape,
            rows,
            columns,
            pixels,
            workgroups: [along_rows, along_columns, pixels.div_ceil(split_pixels)],
            split_pixels,
        }
    }

    /// Splits of the sum.
    pub fn splits(&self) -> usize {
        self.workgroups[2]
    }

    /// Workgroups of the launch along each dimension.
    pub fn workgroups(&self) -> [u32; 3] {
        self.workgroups.map(|count| count as u32)
    }

    /// Kernels launched: the splits, and their sum.
    pub fn dispatches(&self) -> usize {
        2
    }

    /// Values that the kernels load and store.
    pub fn traffic(&self) -> usize {
        let shape = &self.shape;
        let [along_rows, along_columns, splits] = self.workgroups;
        let inside = [0, 1].map(|axis| Axis::forward(shape, axis).inside(shape.size[axis]));
        let len = self.rows * self.columns;
        shape.batch * inside[0] * inside[1] * shape.inputs * along_columns
            + self.pixels * self.columns * along_rows
            // Splits are written, read and added.
            + 2 * splits * len
            + len
    }

    /// Computes the gradient of a weight, `[out, in, height, width]`, from the convolution's input and the output's gradient.
    pub fn run(&self, x: CubeTensor, grad: CubeTensor) -> CubeTensor {
        let (x, grad) = (into_contiguous(x), into_contiguous(grad));
        let shape = &self.shape;
        let [x_count, y_count, z_count] = self.workgroups();
        let [out_y, out_x] = shape.out_size();
        // In f32, whatever the operands are stored in: so is the weight itself.
        let partial = empty_f32(&x, vec![self.splits(), self.rows, self.columns]);
        let stored = storage(&x);
        let reduction = ReductionLaunch::new(
            self.rows as u32,
            self.columns as u32,
            self.pixels as u32,
            self.split_pixels as u32,
            shape.inputs as u32,
            shape.size[0] as u32,
            shape.size[1] as u32,
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
        let client = x.client.clone();
        let count = CubeCount::Static(x_count, y_count, z_count);
        let widths = [shape.inputs, self.columns].map(load_width);
        #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
        // SAFETY: loads are behind `inside`, `row < rows`, `pixel < end` and `column < columns`, stores behind the
        // same bounds; the buffers have the lengths that these imply.
        unsafe {
            match self.cut {
                Cut::Registers(tile) => weight_gradient::launch_unchecked(
                    &client,
                    count,
                    tile.workgroup(),
                    widths[0],
                    widths[1],
                    x.into_buffer_arg(),
                    grad.into_buffer_arg(),
                    partial.clone().into_buffer_arg(),
                    reduction,
                    tile,
                    stored,
                ),
                #[cfg(not(target_family = "wasm"))]
                Cut::Matrices(tile, operand) => weight_gradient_by_matrices::launch_unchecked(
                    &client,
                    count,
                    tile.workgroup(),
                    widths[0],
                    widths[1],
                    x.into_buffer_arg(),
                    grad.into_buffer_arg(),
                    partial.clone().into_buffer_arg(),
                    reduction,
                    tile,
                    stored,
                    operand.element(),
                ),
            }
        }
        weight_of_splits(partial, shape)
    }
}
