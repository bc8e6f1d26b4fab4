//! The product that a convolution's weight gradient is: rows are taps and channels of the input, columns are channels of
//! the output, the sum runs over all pixels of all images.

use cubecl::prelude::*;

use super::tile::{Four, Tile, columns_at, put_four, stage};

/// The convolution's shape, and how its pixels are parted. Pairs are height, width.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Sum {
    rows: u32,
    columns: u32,
    pixels: u32,
    part: u32,
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

/// Where an output pixel lies: its image, and its place there.
#[derive(CubeType, Clone, Copy)]
struct Pixel {
    image: u32,
    y: u32,
    x: u32,
}

/// `value / by` for less than 2^20 of both, where a division of integers would take ten times as long; `inverse` is
/// `1 / by`, whose rounding half a step more than covers.
#[cube]
fn quotient(value: u32, inverse: f32) -> u32 {
    u32::cast_from((f32::cast_from(value) + 0.5f32) * inverse)
}

/// The pixel that lies `by` behind one in the order of lines and images.
#[cube]
fn ahead(s: &Sum, from: &Pixel, by: u32, inverse_y: f32, inverse_x: f32) -> Pixel {
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
fn input_at<E: Float, N: Size>(
    x: &[Vector<E, N>],
    s: &Sum,
    row: u32,
    pixel: &Pixel,
) -> Vector<f32, N> {
    let tap = row / s.channels;
    let channel = row - tap * s.channels;
    let i = tap / s.kernel_x;
    let j = tap - i * s.kernel_x;
    let y = pixel.y * s.stride_y + i * s.dilation_y;
    let column = pixel.x * s.stride_x + j * s.dilation_x;
    let mut value = Vector::<f32, N>::new(0.0f32);
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

/// What a unit stages of the input next: fours of rows from `row` on, from the pixels behind `at`, which is number `pixel0`.
#[cube]
fn load_input<E: Float, N: Size>(
    x: &[Vector<E, N>],
    s: &Sum,
    next: &mut Array<Four>,
    at: &Pixel,
    pixel0: u32,
    end: u32,
    unit: u32,
    row: u32,
    inverse_y: f32,
    inverse_x: f32,
    #[comptime] tile: Tile,
) {
    let width = N::value();
    let (fours, fours_wide) = comptime!((tile.fours_of_unit().0, tile.cube_rows() / 4));
    #[unroll]
    for slot in 0..fours {
        let behind = (unit + slot as u32 * comptime!(tile.units())) / fours_wide;
        let mut four = Four::new(0.0f32);
        if pixel0 + behind < end {
            let pixel = ahead(s, at, behind, inverse_y, inverse_x);
            if comptime!(width == 4) {
                four = Four::cast_from(input_at::<E, N>(x, s, row, &pixel));
            } else {
                #[unroll]
                for lane in 0..4u32 {
                    let value = input_at::<E, N>(x, s, row + lane, &pixel);
                    four.insert(lane as usize, value.extract(0usize));
                }
            }
        }
        next[slot] = four;
    }
}

/// What a unit stages of the gradient next.
#[cube]
fn load_gradient<E: Float, M: Size>(
    grad: &[Vector<E, M>],
    s: &Sum,
    next: &mut Array<Four>,
    pixel0: u32,
    end: u32,
    unit: u32,
    column0: u32,
    #[comptime] tile: Tile,
) {
    let (fours, fours_wide) = comptime!((tile.fours_of_unit().1, tile.cube_columns() / 4));
    #[unroll]
    for slot in 0..fours {
        let place = unit + slot as u32 * comptime!(tile.units());
        let pixel = pixel0 + place / fours_wide;
        let column = column0 + place % fours_wide * 4;
        let mut four = Four::new(0.0f32);
        if pixel < end {
            four = columns_at::<E, M>(grad, pixel * s.columns + column, column, s.columns);
        }
        next[slot] = four;
    }
}

/// While a tile's pixels are multiplied, the next ones are on their way from memory. Loads are `N` channels of the
/// input wide, and `M` of the gradient.
#[cube(launch_unchecked)]
pub(crate) fn partial_sums<E: Float, N: Size, M: Size>(
    x: &[Vector<E, N>],
    grad: &[Vector<E, M>],
    partial: &mut [Vector<f32, M>],
    s: &Sum,
    #[comptime] tile: Tile,
    #[define(E)] _element: ElemType,
) {
    let tile_rows = comptime!(tile.rows as usize / 4);
    let tile_columns = comptime!(tile.columns as usize / 4);
    let cube_rows = comptime!(tile.cube_rows());
    let cube_columns = comptime!(tile.cube_columns());
    let (units_y, units_x) = comptime!((tile.units_y, tile.units_x));
    let units = comptime!(tile.units());
    let (staged_a, staged_b) = comptime!(tile.staged());
    let (fours_a, fours_b) = comptime!(tile.fours_of_unit());
    let mut a = Shared::<[Four]>::new_slice(comptime!(staged_a as usize));
    let mut b = Shared::<[Four]>::new_slice(comptime!(staged_b as usize));

    let unit = UNIT_POS_Y * units_x + UNIT_POS_X;
    let row0 = CUBE_POS_X * cube_rows;
    let column0 = CUBE_POS_Y * cube_columns;
    let begin = CUBE_POS_Z * s.part;
    let end = u32::min(begin + s.part, s.pixels);
    // A cube's units are a multiple of its rows' fours, so a unit stages the same rows of every pixel.
    let row = row0 + unit % comptime!(cube_rows / 4) * 4;
    let inverse_y = 1.0f32 / f32::cast_from(s.out_y);
    let inverse_x = 1.0f32 / f32::cast_from(s.out_x);

    let mut sums = Array::<Four>::new(comptime!(4 * tile_rows * tile_columns));
    #[unroll]
    for n in 0..comptime!(4 * tile_rows * tile_columns) {
        sums[n] = Four::new(0.0f32);
    }

    let line = begin / s.out_x;
    let mut image = line / s.out_y;
    let mut y = line - image * s.out_y;
    let mut column = begin - line * s.out_x;
    let mut pixel0 = begin;
    let mut next_a = Array::<Four>::new(fours_a);
    let mut next_b = Array::<Four>::new(fours_b);
    let mut staged = false;
    while pixel0 < end || staged {
        let more = pixel0 < end;
        if more {
            let now = Pixel {
                image,
                y,
                x: column,
            };
            load_input::<E, N>(
                x,
                s,
                &mut next_a,
                &now,
                pixel0,
                end,
                unit,
                row,
                inverse_y,
                inverse_x,
                tile,
            );
            load_gradient::<E, M>(grad, s, &mut next_b, pixel0, end, unit, column0, tile);
            let next = ahead(s, &now, comptime!(tile.depth), inverse_y, inverse_x);
            image = next.image;
            y = next.y;
            column = next.x;
        }
        if staged {
            #[unroll]
            for step in 0..comptime!(tile.depth) {
                let line_a = step * comptime!(cube_rows / 4);
                let line_b = step * comptime!(cube_columns / 4);
                let mut from_b = Array::<Four>::new(tile_columns);
                #[unroll]
                for c in 0..tile_columns {
                    from_b[c] = b[(line_b + UNIT_POS_X + c as u32 * units_x) as usize];
                }
                #[unroll]
                for r in 0..tile_rows {
                    let from_a = a[(line_a + UNIT_POS_Y + r as u32 * units_y) as usize];
                    #[unroll]
                    for c in 0..tile_columns {
                        #[unroll]
                        for lane in 0..4usize {
                            let at = comptime!((r * 4 + lane) * tile_columns + c);
                            let value = Four::new(from_a.extract(lane));
                            sums[at] += value * from_b[c];
                        }
                    }
                }
            }
        }
        sync_cube();

        if more {
            stage(&mut a, &next_a, unit, fours_a, staged_a, units);
            stage(&mut b, &next_b, unit, fours_b, staged_b, units);
        }
        sync_cube();

        staged = more;
        pixel0 += comptime!(tile.depth);
    }

    #[unroll]
    for r in 0..tile_rows {
        #[unroll]
        for lane in 0..4u32 {
            let row = row0 + (UNIT_POS_Y + r as u32 * units_y) * 4 + lane;
            if row < s.rows {
                #[unroll]
                for c in 0..tile_columns {
                    let column = column0 + (UNIT_POS_X + c as u32 * units_x) * 4;
                    let sum = sums[comptime!((r * 4 + lane as usize) * tile_columns + c)];
                    let at = (CUBE_POS_Z * s.rows + row) * s.columns + column;
                    put_four::<f32, M>(partial, sum, at, column, s.columns);
                }
            }
        }
    }
}
