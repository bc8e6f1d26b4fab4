//! Behind a backbone on a GPU: the mean over pixels and the logarithm of softmax, in one launch each, and their gradients.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::launch::{INVOCATIONS, MAX_WORKGROUPS, linear_launch};
use super::reduce::{largest_of_group, sum_of_group};
use super::tensors::empty;
use super::tile::load_width;

/// The mean of the pixels of each image, a vector of channels an invocation.
#[cube(launch_unchecked)]
fn mean_of_pixels<N: Size>(
    x: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    len: u32,
    across: u32,
    pixels: u32,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= len {
        terminate!();
    }
    let image = at / across;
    let mut from = image * pixels * across + at - image * across;
    let mut sum = Vector::<f32, N>::new(0.0f32);
    for _ in 0..pixels {
        sum += x[from as usize];
        from += across;
    }
    out[at as usize] = sum / Vector::new(f32::cast_from(pixels));
}

/// Each pixel's share of the gradient of its image.
#[cube(launch_unchecked)]
fn share_of_pixels<N: Size>(
    grad: &[Vector<f32, N>],
    out: &mut [Vector<f32, N>],
    len: u32,
    across: u32,
    pixels: u32,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= len {
        terminate!();
    }
    let pixel = at / across;
    let from = pixel / pixels * across + at - pixel * across;
    out[at as usize] = grad[from as usize] / Vector::new(f32::cast_from(pixels));
}

/// The values of a row, from `begin` to before `end`, of which a workgroup's invocations take every 256th.
#[derive(CubeType)]
struct Row {
    first: u32,
    begin: u32,
    end: u32,
}

/// Workgroups behind the last row have no values.
#[cube]
fn row_of_group(rows: u32, columns: u32) -> Row {
    let row = CUBE_POS as u32;
    let begin = row * columns;
    Row {
        first: begin + UNIT_POS,
        begin,
        end: select(row < rows, begin + columns, 0u32),
    }
}

/// `x - max - ln(sum of exp(x - max))` of each row.
#[cube(launch_unchecked)]
fn log_softmax_of_rows(x: &[f32], out: &mut [f32], rows: u32, columns: u32) {
    let row = row_of_group(rows, columns);
    // An invocation without a value must not change the largest.
    let begin = u32::min(row.begin, (rows - 1) * columns);
    let mut largest = x[begin as usize];
    let mut at = row.first;
    while at < row.end {
        largest = f32::max(largest, x[at as usize]);
        at += INVOCATIONS;
    }
    let largest = largest_of_group(largest);
    let mut sum = 0.0f32;
    let mut at = row.first;
    while at < row.end {
        sum += f32::exp(x[at as usize] - largest);
        at += INVOCATIONS;
    }
    let log = f32::ln(sum_of_group(sum));
    let mut at = row.first;
    while at < row.end {
        out[at as usize] = x[at as usize] - largest - log;
        at += INVOCATIONS;
    }
}

/// `grad - exp(output) * (sum of grad)` of each row.
#[cube(launch_unchecked)]
fn log_softmax_gradient(output: &[f32], grad: &[f32], out: &mut [f32], rows: u32, columns: u32) {
    let row = row_of_group(rows, columns);
    let mut sum = 0.0f32;
    let mut at = row.first;
    while at < row.end {
        sum += grad[at as usize];
        at += INVOCATIONS;
    }
    let sum = sum_of_group(sum);
    let mut at = row.first;
    while at < row.end {
        out[at as usize] = grad[at as usize] - f32::exp(output[at as usize]) * sum;
        at += INVOCATIONS;
    }
}

/// See [`crate::ops::Kernels::mean_of_pixels`].
pub(crate) fn mean(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    let [batch, height, width, channels] = x.meta.shape().dims();
    let out = empty(&x, vec![batch, channels]);
    let width_of_loads = load_width(channels);
    let across = channels / width_of_loads;
    let (count, size) = linear_launch(batch * across);
    let client = x.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: invocations past the last vector return; an image has `height * width` pixels.
    unsafe {
        mean_of_pixels::launch_unchecked(
            &client,
            count,
            size,
            width_of_loads,
            x.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            (batch * across) as u32,
            across as u32,
            (height * width) as u32,
        );
    }
    out
}

/// See [`crate::ops::Kernels::mean_of_pixels_grad`].
pub(crate) fn mean_grad(grad: CubeTensor, [height, width]: [usize; 2]) -> CubeTensor {
    let grad = into_contiguous(grad);
    let [batch, channels] = grad.meta.shape().dims();
    let out = empty(&grad, vec![batch, height, width, channels]);
    let width_of_loads = load_width(channels);
    let across = channels / width_of_loads;
    let len = batch * height * width * across;
    let (count, size) = linear_launch(len);
    let client = grad.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: as in `mean`.
    unsafe {
        share_of_pixels::launch_unchecked(
            &client,
            count,
            size,
            width_of_loads,
            grad.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            len as u32,
            across as u32,
            (height * width) as u32,
        );
    }
    out
}

/// A workgroup a row, in two dimensions where one does not hold them.
fn of_rows(rows: usize) -> (CubeCount, CubeDim) {
    let x = rows.clamp(1, MAX_WORKGROUPS);
    let count = CubeCount::Static(x as u32, rows.div_ceil(x) as u32, 1);
    (count, CubeDim::new_1d(INVOCATIONS))
}

/// See [`crate::ops::Kernels::log_softmax`].
pub(crate) fn log_softmax(x: CubeTensor) -> CubeTensor {
    let x = into_contiguous(x);
    let [rows, columns] = x.meta.shape().dims();
    let out = empty(&x, vec![rows, columns]);
    let (count, size) = of_rows(rows);
    let client = x.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: values stay between the begin and the end of a row, of which workgroups past the last have none.
    unsafe {
        log_softmax_of_rows::launch_unchecked(
            &client,
            count,
            size,
            x.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            rows as u32,
            columns as u32,
        );
    }
    out
}

/// See [`crate::ops::Kernels::log_softmax_grad`].
pub(crate) fn log_softmax_grad(output: CubeTensor, grad: CubeTensor) -> CubeTensor {
    let (output, grad) = (into_contiguous(output), into_contiguous(grad));
    let [rows, columns] = output.meta.shape().dims();
    let out = empty(&output, vec![rows, columns]);
    let (count, size) = of_rows(rows);
    let client = output.client.clone();
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: as in `log_softmax`.
    unsafe {
        log_softmax_gradient::launch_unchecked(
            &client,
            count,
            size,
            output.into_buffer_arg(),
            grad.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            rows as u32,
            columns as u32,
        );
    }
    out
}
