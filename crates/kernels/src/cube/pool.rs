//! Max-pool on a GPU, and its gradient without stored places: the first tap that equals the output has won.

use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::{BLOCK, blocks, element, empty};
use crate::choices::{Choice, bytes};
use crate::cpu::PoolShape;

/// The shape, without batch and window.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Places {
    size_y: u32,
    size_x: u32,
    out_y: u32,
    out_x: u32,
    channels: u32,
    stride: u32,
    padding: u32,
    /// Values that the launch writes.
    len: u32,
}

/// Whether `value` is not a number, by its bits: a shader's compiler may take comparisons for granted.
#[cube]
fn is_nan(value: f32) -> bool {
    (u32::reinterpret(value) & 0x7fff_ffffu32) > 0x7f80_0000u32
}

#[cube(launch_unchecked)]
fn max_of_window<E: Float>(
    x: &[E],
    out: &mut [E],
    p: &Places,
    #[comptime] kernel: u32,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let pixel = at / p.channels;
    let channel = at - pixel * p.channels;
    let line = pixel / p.out_x;
    let picture = line / p.out_y;
    let y0 = (line - picture * p.out_y) * p.stride;
    let x0 = (pixel - line * p.out_x) * p.stride;
    // WGSL has no way to write infinity.
    let mut best = 0.0f32;
    let mut begun = false;
    #[unroll]
    for tap in 0..comptime!(kernel * kernel) {
        let y = y0 + comptime!(tap / kernel);
        let column = x0 + comptime!(tap % kernel);
        let inside = y >= p.padding
            && y < p.size_y + p.padding
            && column >= p.padding
            && column < p.size_x + p.padding;
        if inside {
            let from = (picture * p.size_y + y - p.padding) * p.size_x + column - p.padding;
            let value = f32::cast_from(x[(from * p.channels + channel) as usize]);
            // A NaN wins, as in PyTorch, and is not beaten.
            if !begun || is_nan(value) || (value > best && !is_nan(best)) {
                best = value;
            }
            begun = true;
        }
    }
    out[at as usize] = E::cast_from(best);
}

/// A value of the input takes the gradients of the windows that it has won.
#[allow(
    clippy::manual_is_multiple_of,
    reason = "a kernel has the remainder only"
)]
#[cube(launch_unchecked)]
fn gradients_won<E: Float>(
    x: &[E],
    output: &[E],
    grad: &[E],
    input: &mut [E],
    p: &Places,
    #[comptime] kernel: u32,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let pixel = at / p.channels;
    let channel = at - pixel * p.channels;
    let line = pixel / p.size_x;
    let picture = line / p.size_y;
    let y = line - picture * p.size_y + p.padding;
    let column = pixel - line * p.size_x + p.padding;
    let value = f32::cast_from(x[at as usize]);
    let mut sum = 0.0f32;
    // Windows in the order of the output: the last taps meet the first windows.
    for back in 0..comptime!(kernel * kernel) {
        let tap = comptime!(kernel * kernel - 1) - back;
        let i = tap / kernel;
        let j = tap % kernel;
        let meets =
            y >= i && column >= j && (y - i) % p.stride == 0 && (column - j) % p.stride == 0;
        if meets {
            let out_y = (y - i) / p.stride;
            let out_x = (column - j) / p.stride;
            if out_y < p.out_y && out_x < p.out_x {
                let to = ((picture * p.out_y + out_y) * p.out_x + out_x) * p.channels + channel;
                let most = f32::cast_from(output[to as usize]);
                let mut won = wins(value, most);
                for before in 0..tap {
                    let before_y = out_y * p.stride + before / kernel;
                    let before_x = out_x * p.stride + before % kernel;
                    let inside = before_y >= p.padding
                        && before_y < p.size_y + p.padding
                        && before_x >= p.padding
                        && before_x < p.size_x + p.padding;
                    if won && inside {
                        let from = (picture * p.size_y + before_y - p.padding) * p.size_x
                            + before_x
                            - p.padding;
                        let before = x[(from * p.channels + channel) as usize];
                        won = !wins(f32::cast_from(before), most);
                    }
                }
                if won {
                    sum += f32::cast_from(grad[to as usize]);
                }
            }
        }
    }
    input[at as usize] = E::cast_from(sum);
}

/// Whether a window whose output is `most` could have taken it from `value`.
#[cube]
fn wins(value: f32, most: f32) -> bool {
    value == most || is_nan(value)
}

fn places(shape: &PoolShape, len: usize) -> PlacesLaunch {
    let [out_y, out_x] = shape.out_size();
    PlacesLaunch::new(
        shape.size[0] as u32,
        shape.size[1] as u32,
        out_y as u32,
        out_x as u32,
        shape.channels as u32,
        shape.stride as u32,
        shape.padding as u32,
        len as u32,
    )
}

/// What the launches of [`pool`] and of [`pool_grad`] cost. How far the gradient looks for a window's winner depends
/// on the values.
pub(crate) fn choices(shape: &PoolShape) -> [Choice; 2] {
    let [height, width] = shape.out_size();
    let planes = shape.batch * shape.channels;
    let (input, output) = (
        planes * shape.size[0] * shape.size[1],
        planes * height * width,
    );
    let inside = |axis: usize, count: usize| {
        let tap_inside = |at: usize| at >= shape.padding && at < shape.size[axis] + shape.padding;
        let taps =
            |pixel| (0..shape.kernel).filter(move |tap| tap_inside(pixel * shape.stride + tap));
        (0..count).map(|pixel| taps(pixel).count()).sum::<usize>()
    };
    let loads = planes * inside(0, height) * inside(1, width);
    let choice = |len: usize, values: Option<usize>, minimum: usize| Choice {
        tile: String::new(),
        cubes: len.div_ceil(BLOCK as usize),
        parts: 1,
        dispatches: 1,
        bytes: values.map(bytes),
        minimum: bytes(minimum),
        multiply_adds: 0,
    };
    [
        choice(output, Some(loads + output), input + output),
        choice(input, None, 2 * input + 2 * output),
    ]
}

/// See [`crate::ops::Kernels::pool`].
pub(crate) fn pool(x: CubeTensor, shape: &PoolShape) -> CubeTensor {
    let x = into_contiguous(x);
    let [height, width] = shape.out_size();
    let len = shape.batch * height * width * shape.channels;
    let out = empty(&x, vec![shape.batch, height, width, shape.channels]);
    let (client, element) = (x.client.clone(), element(&x));
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: reads are behind `inside`, writes behind `at < len`.
    unsafe {
        max_of_window::launch_unchecked(
            &client,
            blocks(len),
            CubeDim::new_1d(BLOCK),
            x.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            places(shape, len),
            shape.kernel as u32,
            element,
        );
    }
    out
}

/// See [`crate::ops::Kernels::pool_grad`].
pub(crate) fn pool_grad(
    x: CubeTensor,
    output: CubeTensor,
    grad: CubeTensor,
    shape: &PoolShape,
) -> CubeTensor {
    let [x, output, grad] = [x, output, grad].map(into_contiguous);
    let [height, width] = shape.size;
    let len = shape.batch * height * width * shape.channels;
    let input = empty(&x, vec![shape.batch, height, width, shape.channels]);
    let (client, element) = (x.client.clone(), element(&x));
    #[expect(unsafe_code, reason = "the kernel checks every place itself")]
    // SAFETY: reads are behind `inside` and the output's size, writes behind `at < len`.
    unsafe {
        gradients_won::launch_unchecked(
            &client,
            blocks(len),
            CubeDim::new_1d(BLOCK),
            x.into_buffer_arg(),
            output.into_buffer_arg(),
            grad.into_buffer_arg(),
            input.clone().into_buffer_arg(),
            places(shape, len),
            shape.kernel as u32,
            element,
        );
    }
    input
}
