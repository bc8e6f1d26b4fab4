//! What an invocation loads of the input and of the output's gradient while it stages a tile of them in shared memory.

use cubecl::prelude::*;

use crate::backend::gpu::tile::{Staged, Tile, load_columns};

/// The convolution's shape, and how the sum over its pixels is split.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Reduction {
    pub(super) rows: u32,
    pub(super) columns: u32,
    pub(super) pixels: u32,
    pub(super) split_pixels: u32,
    channels: u32,
    size_y: u32,
    size_x: u32,
    pub(super) out_y: u32,
    pub(super) out_x: u32,
    kernel_x: u32,
    stride_y: u32,
    stride_x: u32,
    padding_y: u32,
    padding_x: u32,
    dilation_y: u32,
    dilation_x: u32,
}

/// Where an output pixel lies: its image, and its place in it.
#[derive(CubeType, Clone, Copy)]
pub(super) struct Pixel {
    pub(super) image: u32,
    pub(super) y: u32,
    pub(super) x: u32,
}

/// `value / by`, both below 2^20, where a division of integers would take ten times as long. `inverse` is `1 / by`; the
/// half that is added more than covers its rounding.
#[cube]
fn quotient(value: u32, inverse: f32) -> u32 {
    u32::cast_from((f32::cast_from(value) + 0.5f32) * inverse)
}

/// The pixel that comes `by` after another, in the order of rows and images.
#[cube]
pub(super) fn ahead(s: &Reduction, from: &Pixel, by: u32, inverse_y: f32, inverse_x: f32) -> Pixel {
    let x = from.x + by;
    let lines = quotient(x, inverse_x);
    let y = from.y + lines;
    let images = quotient(y, inverse_y);
    Pixel {
        image: from.image + images,
        y: y - images * s.out_y,
        x: x - lines * s.out_x,
    }
}

/// The input under tap and channel `row` for an output pixel; zero outside the image.
#[cube]
fn input_at<E: Float, S: Float, N: Size>(
    x: &[Vector<E, N>],
    s: &Reduction,
    row: u32,
    pixel: &Pixel,
) -> Vector<S, N> {
    let tap = row / s.channels;
    let channel = row - tap * s.channels;
    let i = tap / s.kernel_x;
    let j = tap - i * s.kernel_x;
    let y = pixel.y * s.stride_y + i * s.dilation_y;
    let column = pixel.x * s.stride_x + j * s.dilation_x;
    let mut value = Vector::<S, N>::new(S::new(0.0));
    let inside = y >= s.padding_y
        && y < s.size_y + s.padding_y
        && column >= s.padding_x
        && column < s.size_x + s.padding_x;
    if inside && row < s.rows {
        let line = pixel.image * s.size_y + y - s.padding_y;
        let from = line * s.size_x + column - s.padding_x;
        let at = (from * s.channels + channel) / N::value() as u32;
        value = Vector::cast_from(x[at as usize]);
    }
    value
}

/// Loads what an invocation stages of the input next: vectors of rows from `row` on, for the pixels from `at` on, which is
/// number `pixel0`.
#[cube]
pub(super) fn load_input<E: Float, S: Float, N: Size>(
    x: &[Vector<E, N>],
    s: &Reduction,
    next: &mut Array<Staged<S>>,
    at: &Pixel,
    pixel0: u32,
    end: u32,
    invocation: u32,
    row: u32,
    inverse_y: f32,
    inverse_x: f32,
    #[comptime] tile: Tile,
) {
    let width = N::value();
    let (slots, vectors_wide) = comptime!((tile.staged_each().0, tile.group_rows() / 4));
    #[unroll]
    for slot in 0..slots {
        let after = (invocation + slot as u32 * comptime!(tile.invocations())) / vectors_wide;
        let mut vector = Staged::<S>::new(S::new(0.0));
        if pixel0 + after < end {
            let pixel = ahead(s, at, after, inverse_y, inverse_x);
            if comptime!(width == 4) {
                vector = Vector::cast_from(input_at::<E, S, N>(x, s, row, &pixel));
            } else {
                #[unroll]
                for lane in 0..4u32 {
                    let value = input_at::<E, S, N>(x, s, row + lane, &pixel);
                    vector.insert(lane as usize, value.extract(0usize));
                }
            }
        }
        next[slot] = vector;
    }
}

/// Loads what an invocation stages of the output's gradient next.
#[cube]
pub(super) fn load_gradient<E: Float, S: Float, M: Size>(
    grad: &[Vector<E, M>],
    s: &Reduction,
    next: &mut Array<Staged<S>>,
    pixel0: u32,
    end: u32,
    invocation: u32,
    column0: u32,
    #[comptime] tile: Tile,
) {
    let (slots, vectors_wide) = comptime!((tile.staged_each().1, tile.group_columns() / 4));
    #[unroll]
    for slot in 0..slots {
        let place = invocation + slot as u32 * comptime!(tile.invocations());
        let pixel = pixel0 + place / vectors_wide;
        let column = column0 + place % vectors_wide * 4;
        let mut vector = Staged::<S>::new(S::new(0.0));
        if pixel < end {
            vector = load_columns::<E, S, M>(grad, pixel * s.columns + column, column, s.columns);
        }
        next[slot] = vector;
    }
}
