//! Max-pool on a GPU. The forward pass keeps no indices: the backward pass first finds the pixel that each window's output
//! came from, then every pixel adds the gradients of the few windows around it whose maximum it was. No atomics, so that sums
//! have one order.

use burn::tensor::DType;
use burn_cubecl::kernel::into_contiguous;
use burn_cubecl::tensor::CubeTensor;
use cubecl::prelude::*;

use super::bits::{INFINITY, is_nan, magnitude};
use super::launch::{LaunchCost, LaunchPlan, bytes, linear_launch, linear_workgroups};
use super::tensors::{empty, empty_of, storage};
use super::tile::load_width;
use crate::shape::PoolShape;

/// The shape, without batch and window.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Places {
    size_y: u32,
    size_x: u32,
    out_y: u32,
    out_x: u32,
    /// Vectors of a pixel.
    across: u32,
    /// Vectors that the launch writes.
    len: u32,
}

/// The square window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Window {
    kernel: u32,
    stride: u32,
    padding: u32,
}

/// Windows along an axis that a pixel can be in.
fn windows(kernel: usize, stride: usize) -> usize {
    kernel.div_ceil(stride)
}

/// Where a tap of an output's window lies along an axis. A tap in the padding takes the image's nearest pixel, which is
/// in the window, too, and comes in the same order: it changes neither the largest value nor which of its pixels is first.
#[cube]
fn tap_at(out: u32, #[comptime] tap: u32, size: u32, #[comptime] window: Window) -> u32 {
    let padded = out * comptime!(window.stride) + tap;
    let at = u32::max(padded, comptime!(window.padding)) - comptime!(window.padding);
    u32::min(at, size - 1)
}

/// An output's place: its vector, its pixel along both axes, and its image's first pixel in the input.
#[derive(CubeType)]
struct Output {
    vector: u32,
    y: u32,
    x: u32,
    image: u32,
}

#[cube]
fn output_at(at: u32, p: &Places) -> Output {
    let pixel = at / p.across;
    let line = pixel / p.out_x;
    let image = line / p.out_y;
    Output {
        vector: at - pixel * p.across,
        y: line - image * p.out_y,
        x: pixel - line * p.out_x,
        image: image * p.size_y * p.size_x,
    }
}

#[cube(launch_unchecked)]
fn max_of_window<E: Float, N: Size>(
    x: &[Vector<E, N>],
    out: &mut [Vector<E, N>],
    p: &Places,
    #[comptime] window: Window,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let own = output_at(at, p);
    let from = own.image
        + tap_at(own.y, 0u32, p.size_y, window) * p.size_x
        + tap_at(own.x, 0u32, p.size_x, window);
    let mut best = Vector::<f32, N>::cast_from(x[(from * p.across + own.vector) as usize]);
    // A NaN wins, as in PyTorch; its magnitude is larger than any other.
    let mut most = magnitude::<N>(best);
    #[unroll]
    for tap in 1..comptime!(window.kernel * window.kernel) {
        let (i, j) = comptime!((tap / window.kernel, tap % window.kernel));
        let from = own.image
            + tap_at(own.y, i, p.size_y, window) * p.size_x
            + tap_at(own.x, j, p.size_x, window);
        let value = Vector::<f32, N>::cast_from(x[(from * p.across + own.vector) as usize]);
        best = select_many(value.greater_than(&best), value, best);
        let large = magnitude::<N>(value);
        most = select_many(large.greater_than(&most), large, most);
    }
    let is_nan = most.greater_than(&Vector::new(comptime!(INFINITY)));
    let best = select_many(is_nan, Vector::<f32, N>::reinterpret(most), best);
    out[at as usize] = Vector::cast_from(best);
}

/// The pixel of its image that each output came from: the first of the window that equals it or is a NaN.
#[cube(launch_unchecked)]
fn winners<E: Float, N: Size>(
    x: &[Vector<E, N>],
    output: &[Vector<E, N>],
    winners: &mut [Vector<u32, N>],
    p: &Places,
    #[comptime] window: Window,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let own = output_at(at, p);
    let most = Vector::<f32, N>::cast_from(output[at as usize]);
    let mut winner = Vector::<u32, N>::new(0u32);
    // From the last tap to the first, so that the first one wins.
    #[unroll]
    for back in 1..comptime!(window.kernel * window.kernel + 1) {
        let (i, j) = comptime!({
            let tap = window.kernel * window.kernel - back;
            (tap / window.kernel, tap % window.kernel)
        });
        let pixel =
            tap_at(own.y, i, p.size_y, window) * p.size_x + tap_at(own.x, j, p.size_x, window);
        let from = (own.image + pixel) * p.across + own.vector;
        let value = Vector::<f32, N>::cast_from(x[from as usize]);
        let pixel = Vector::<u32, N>::new(pixel);
        winner = select_many(value.equal(&most), pixel, winner);
        winner = select_many(is_nan::<N>(value), pixel, winner);
    }
    winners[at as usize] = winner;
}

/// A pixel of the input adds the gradients of the windows whose maximum it was, in the order of the output.
#[cube(launch_unchecked)]
fn gradients_of_windows<E: Float, N: Size>(
    winners: &[Vector<u32, N>],
    grad: &[Vector<E, N>],
    input: &mut [Vector<E, N>],
    p: &Places,
    #[comptime] window: Window,
    #[define(E)] _element: ElemType,
) {
    let at = ABSOLUTE_POS as u32;
    if at >= p.len {
        terminate!();
    }
    let side = comptime!(windows(window.kernel as usize, window.stride as usize) as u32);
    let pixel = at / p.across;
    let vector = at - pixel * p.across;
    let line = pixel / p.size_x;
    let image = line / p.size_y;
    let own = Vector::<u32, N>::new(pixel - image * p.size_y * p.size_x);
    // One past the last window along each axis that reaches the pixel.
    let past_y =
        (line - image * p.size_y + comptime!(window.padding)) / comptime!(window.stride) + 1;
    let past_x =
        (pixel - line * p.size_x + comptime!(window.padding)) / comptime!(window.stride) + 1;
    let zero = Vector::<f32, N>::new(0.0f32);
    let mut sum = zero;
    #[unroll]
    for i in 0..side {
        #[unroll]
        for j in 0..side {
            // Windows before the first wrap around and lie past the last.
            let y = past_y + i - side;
            let x = past_x + j - side;
            let inside = y < p.out_y && x < p.out_x;
            let from = ((image * p.out_y + y) * p.out_x + x) * p.across + vector;
            let from = select(inside, from, 0u32) as usize;
            let gradient = Vector::<f32, N>::cast_from(grad[from]);
            let gradient = select_many(winners[from].equal(&own), gradient, zero);
            sum += select(inside, gradient, zero);
        }
    }
    input[at as usize] = Vector::cast_from(sum);
}

fn window(shape: &PoolShape) -> Window {
    Window {
        kernel: shape.kernel as u32,
        stride: shape.stride as u32,
        padding: shape.padding as u32,
    }
}

fn places(shape: &PoolShape, vectors: usize) -> PlacesLaunch {
    let [out_y, out_x] = shape.out_size();
    PlacesLaunch::new(
        shape.size[0] as u32,
        shape.size[1] as u32,
        out_y as u32,
        out_x as u32,
        (shape.channels / load_width(shape.channels)) as u32,
        vectors as u32,
    )
}

/// Values of the input and of the output.
fn lengths(shape: &PoolShape) -> [usize; 2] {
    [shape.size, shape.out_size()]
        .map(|[height, width]| shape.batch * height * width * shape.channels)
}

/// How max-pool is launched forward and backward, and what that costs.
pub fn pool_launches(shape: &PoolShape) -> [LaunchPlan; 2] {
    let [input, output] = lengths(shape);
    let taps = shape.kernel * shape.kernel;
    let windows = windows(shape.kernel, shape.stride).pow(2);
    let workgroups = |len: usize| linear_workgroups(len / load_width(shape.channels));
    let plan = |workgroups, dispatches, traffic, minimum| LaunchPlan {
        cut: None,
        workgroups,
        splits: 1,
        dispatches,
        cost: LaunchCost {
            bytes: bytes(traffic),
            minimum_bytes: bytes(minimum),
            multiply_adds: 0,
        },
    };
    let (search, sums) = ((taps + 2) * output, (2 * windows + 1) * input);
    [
        plan(workgroups(output), 1, (taps + 1) * output, input + output),
        plan(
            workgroups(output) + workgroups(input),
            2,
            search + sums,
            2 * input + 2 * output,
        ),
    ]
}

/// See [`crate::ops::Kernels::pool`].
pub(crate) fn pool(x: CubeTensor, shape: &PoolShape) -> CubeTensor {
    let x = into_contiguous(x);
    let [height, width_out] = shape.out_size();
    let vectors = lengths(shape)[1] / load_width(shape.channels);
    let out = empty(&x, vec![shape.batch, height, width_out, shape.channels]);
    let (client, stored) = (x.client.clone(), storage(&x));
    let (workgroups, size) = linear_launch(vectors);
    #[expect(unsafe_code, reason = "the kernel checks its bounds itself")]
    // SAFETY: loads are clamped to the image, stores behind `at < len`.
    unsafe {
        max_of_window::launch_unchecked(
            &client,
            workgroups,
            size,
            load_width(shape.channels),
            x.into_buffer_arg(),
            out.clone().into_buffer_arg(),
            places(shape, vectors),
            window(shape),
            stored,
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
    let [from, to] = lengths(shape).map(|len| len / load_width(shape.channels));
    let input = empty(&x, x.meta.shape().to_vec());
    let won = empty_of(DType::U32, &x, output.meta.shape().to_vec());
    let (client, stored) = (x.client.clone(), storage(&x));
    let [(workgroups, size), (workgroups_input, size_input)] = [to, from].map(linear_launch);
    #[expect(unsafe_code, reason = "the kernels check their bounds themselves")]
    // SAFETY: loads are clamped to the image or to the output, stores behind `at < len`.
    unsafe {
        winners::launch_unchecked(
            &client,
            workgroups,
            size,
            load_width(shape.channels),
            x.into_buffer_arg(),
            output.into_buffer_arg(),
            won.clone().into_buffer_arg(),
            places(shape, to),
            window(shape),
            stored,
        );
        gradients_of_windows::launch_unchecked(
            &client,
            workgroups_input,
            size_input,
            load_width(shape.channels),
            won.into_buffer_arg(),
            grad.into_buffer_arg(),
            input.clone().into_buffer_arg(),
            places(shape, from),
            window(shape),
            stored,
        );
    }
    input
}
