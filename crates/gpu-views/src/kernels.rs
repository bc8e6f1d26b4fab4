//! The kernels. Everything is integers: their results are the same on every device.
//!
//! A cube makes a tile of [`TILE`] x [`TILE`] pixels of one view. [`resample`] moves pixels: rows in pieces that fit
//! into shared memory, columns out of them. [`stage`] computes what needs the mean of a view or a pixel's neighbours.
//! Both leave the sum of the lumas of every tile, from which the next stage has its mean.

use cubecl::prelude::*;

use crate::colour::{luma, run};

/// Side of a tile in pixels.
pub(crate) const TILE: u32 = 32;
/// Units of a cube along columns and down rows.
pub(crate) const UNITS_X: u32 = TILE;
/// Each unit makes `TILE / UNITS_Y` pixels of a column.
pub(crate) const UNITS_Y: u32 = 8;
const UNITS: u32 = UNITS_X * UNITS_Y;
const EACH: u32 = TILE / UNITS_Y;

/// Rows of the source that [`resample`] holds reduced to the tile's columns.
pub(crate) const ROWS: u32 = 64;

/// Pixels around a tile that the six passes of the widest blur reach.
const MARGIN: u32 = 3 * crate::plan::MAX_REACH;
const SIDE: u32 = TILE + 2 * MARGIN;
/// Pixels of a tile with its margin.
pub(crate) const CELLS: u32 = SIDE * SIDE;

/// Words of a view's header in the program, in this order: where its source begins in bytes, the source's width, the
/// program's words for columns with their taps, for rows with their taps, the first steps' begin and end.
pub(crate) const VIEW_WORDS: u32 = 8;
/// Words of a view's header for a stage: begin of the steps before the blur, begin and end of those after, the two
/// weights of the blur and its reach, 0 for none.
pub(crate) const STAGE_WORDS: u32 = 6;

/// Fixed-point bits of the weights of a resize.
const BITS: u32 = parallax_views::RESIZE_BITS;
const HALF: u32 = 1 << (BITS - 1);

/// What the cubes of a launch share.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Layout {
    /// Columns of a view.
    width: u32,
    /// Rows of a view.
    height: u32,
    /// Cubes along a view's columns.
    tiles_x: u32,
    /// Cubes of a view.
    tiles: u32,
    /// Where the views' headers begin in the program.
    heads: u32,
    /// The view of the first cube.
    first: u32,
}

/// Three channels at byte `at`. Bytes lie in words, the first in the low end; one word must follow the last pixel.
#[cube]
fn source_pixel(source: &[u32], at: u32) -> u32 {
    let word = at >> 2u32;
    let shift = (at & 3u32) << 3u32;
    let low = source[word as usize];
    let high = source[(word + 1u32) as usize];
    // In two steps, because a shift by 32 is none.
    ((low >> shift) | ((high << 1u32) << (31u32 - shift))) & 0xFF_FFFFu32
}

/// A sum of weighted bytes to the nearest byte.
#[cube]
fn to_byte(sum: u32) -> u32 {
    u32::min((sum + HALF) >> BITS, 255u32)
}

/// The sum of what the cube's units bring, by the low words of `scratch`.
#[cube]
fn cube_sum(value: u32, scratch: &mut Shared<[u32]>) -> u32 {
    scratch[(UNIT_POS_Y * UNITS_X + UNIT_POS_X) as usize] = value;
    sync_cube();
    if UNIT_POS_Y == 0u32 {
        let mut sum = 0u32;
        for row in 0..UNITS_Y {
            sum += scratch[(row * UNITS_X + UNIT_POS_X) as usize];
        }
        scratch[(UNITS + UNIT_POS_X) as usize] = sum;
    }
    sync_cube();
    let mut sum = 0u32;
    for column in 0..UNITS_X {
        sum += scratch[(UNITS + column) as usize];
    }
    sync_cube();
    sum
}

/// Crop, resize and flip of every view, and its first steps on colours: one word a pixel. `pieces` is how many times
/// [`ROWS`] rows the tallest tile needs.
#[cube(launch_unchecked)]
pub(crate) fn resample(
    source: &[u32],
    program: &[u32],
    pixels: &mut [u32],
    sums: &mut [u32],
    layout: &Layout,
    pieces: u32,
) {
    let mut line = Shared::<[u32]>::new_slice(comptime!((ROWS * TILE) as usize));
    let view = CUBE_POS_Y;
    let tile_y = CUBE_POS_X / layout.tiles_x;
    let x = (CUBE_POS_X - tile_y * layout.tiles_x) * TILE + UNIT_POS_X;
    let y0 = tile_y * TILE;

    let head = layout.heads + view * VIEW_WORDS;
    let base = program[head as usize];
    let stride = program[(head + 1u32) as usize];
    let along = program[(head + 2u32) as usize];
    let along_taps = program[(head + 3u32) as usize];
    let down = program[(head + 4u32) as usize];
    let down_taps = program[(head + 5u32) as usize];

    let last = u32::min(y0 + TILE, layout.height) - 1u32;
    let row0 = program[(down + y0 * (down_taps + 1u32)) as usize];
    let row_end = program[(down + last * (down_taps + 1u32)) as usize] + down_taps;
    let weights = along + u32::min(x, layout.width - 1u32) * (along_taps + 1u32);
    let column = program[weights as usize];

    let mut reds = Array::<u32>::new(comptime!(EACH as usize));
    let mut greens = Array::<u32>::new(comptime!(EACH as usize));
    let mut blues = Array::<u32>::new(comptime!(EACH as usize));
    #[unroll]
    for n in 0..comptime!(EACH as usize) {
        reds[n] = 0u32;
        greens[n] = 0u32;
        blues[n] = 0u32;
    }

    let mut piece = 0u32;
    while piece < pieces {
        let begin = row0 + piece * ROWS;
        let end = u32::min(begin + ROWS, u32::max(row_end, begin));
        let mut row = begin + UNIT_POS_Y;
        while row < end {
            let at = base + 3u32 * (row * stride + column);
            let mut red = 0u32;
            let mut green = 0u32;
            let mut blue = 0u32;
            for tap in 0..along_taps {
                let weight = program[(weights + 1u32 + tap) as usize];
                let pixel = source_pixel(source, at + 3u32 * tap);
                red += weight * (pixel & 255u32);
                green += weight * ((pixel >> 8u32) & 255u32);
                blue += weight * (pixel >> 16u32);
            }
            line[((row - begin) * TILE + UNIT_POS_X) as usize] =
                to_byte(red) | (to_byte(green) << 8u32) | (to_byte(blue) << 16u32);
            row += UNITS_Y;
        }
        sync_cube();
        #[unroll]
        for n in 0..comptime!(EACH as usize) {
            let y = y0 + UNIT_POS_Y + n as u32 * UNITS_Y;
            if y < layout.height {
                let weights = down + y * (down_taps + 1u32);
                let first = program[weights as usize];
                let mut row = u32::max(first, begin);
                let stop = u32::min(first + down_taps, end);
                while row < stop {
                    let weight = program[(weights + 1u32 + row - first) as usize];
                    let pixel = line[((row - begin) * TILE + UNIT_POS_X) as usize];
                    reds[n] += weight * (pixel & 255u32);
                    greens[n] += weight * ((pixel >> 8u32) & 255u32);
                    blues[n] += weight * (pixel >> 16u32);
                    row += 1u32;
                }
            }
        }
        sync_cube();
        piece += 1u32;
    }

    let begin = program[(head + 6u32) as usize];
    let end = program[(head + 7u32) as usize];
    let mut sum = 0u32;
    #[unroll]
    for n in 0..comptime!(EACH as usize) {
        let y = y0 + UNIT_POS_Y + n as u32 * UNITS_Y;
        if x < layout.width && y < layout.height {
            let red = to_byte(reds[n]);
            let green = to_byte(greens[n]);
            let blue = to_byte(blues[n]);
            let moved = red | (green << 8u32) | (blue << 16u32);
            let colour = run(program, begin, end, 0u32, moved);
            pixels[((view * layout.height + y) * layout.width + x) as usize] = colour;
            sum += luma(colour);
        }
    }
    let sum = cube_sum(sum, &mut line);
    if UNIT_POS_Y * UNITS_X + UNIT_POS_X == 0u32 {
        sums[(view * layout.tiles + CUBE_POS_X) as usize] = sum;
    }
}

/// The mean luma of a view, rounded half up, from the sums of its tiles.
#[cube]
fn mean(sums: &[u32], scratch: &mut Shared<[u32]>, view: u32, layout: &Layout) -> u32 {
    let mut part = 0u32;
    let mut tile = UNIT_POS_Y * UNITS_X + UNIT_POS_X;
    while tile < layout.tiles {
        part += sums[(view * layout.tiles + tile) as usize];
        tile += UNITS;
    }
    let sum = cube_sum(part, scratch);
    let pixels = layout.width * layout.height;
    let whole = sum / pixels;
    let rest = sum - whole * pixels;
    select(2u32 * rest >= pixels, whole + 1u32, whole)
}

/// One value of a box pass: `near` are two channels' taps that weigh fully, `far` the outer two, both as sums.
#[cube]
fn weigh(full: u32, far: u32, near_sum: u32, far_sum: u32) -> u32 {
    (full * near_sum + far * far_sum + 0x80_0000u32) >> 24u32
}

/// One box pass over a tile with its margin, along columns or down rows. `trim_x` and `trim_y` pixels at each side are
/// not needed any more. Outside of the image its edge pixels continue.
#[cube]
fn pass(
    from: &Shared<[u32]>,
    to: &mut Shared<[u32]>,
    x0: u32,
    y0: u32,
    full: u32,
    far: u32,
    reach: u32,
    layout: &Layout,
    #[comptime] down: bool,
    #[comptime] trim_x: u32,
    #[comptime] trim_y: u32,
) {
    let columns = comptime!(SIDE - 2 * trim_x);
    let cells = comptime!((SIDE - 2 * trim_x) * (SIDE - 2 * trim_y));
    let mut cell = UNIT_POS_Y * UNITS_X + UNIT_POS_X;
    // No steps at all without a blur; the barriers around are reached by all cubes alike.
    let limit = select(reach > 0u32, cells, 0u32);
    while cell < limit {
        let row = cell / columns;
        let line = row + trim_y;
        let place = cell - row * columns + trim_x;
        // A place before the image's first pixel wraps around and lies outside too.
        let x = x0 + place - MARGIN;
        let y = y0 + line - MARGIN;
        if x < layout.width && y < layout.height {
            // How far the image goes on, and how far apart neighbours are.
            let before = if comptime!(down) { y } else { x };
            let behind = if comptime!(down) {
                layout.height - 1u32 - y
            } else {
                layout.width - 1u32 - x
            };
            let step = if comptime!(down) { SIDE } else { 1u32 };
            let at = line * SIDE + place;
            let middle = from[at as usize];
            let near_before = from[(at - u32::min(before, 1u32) * step) as usize];
            let near_behind = from[(at + u32::min(behind, 1u32) * step) as usize];
            let mut even = middle & 0xFF_00FFu32;
            let mut odd = (middle >> 8u32) & 255u32;
            let even_ends = (near_before & 0xFF_00FFu32) + (near_behind & 0xFF_00FFu32);
            let odd_ends = ((near_before >> 8u32) & 255u32) + ((near_behind >> 8u32) & 255u32);
            let mut even_far = even_ends;
            let mut odd_far = odd_ends;
            if reach > 1u32 {
                let far_before = from[(at - u32::min(before, 2u32) * step) as usize];
                let far_behind = from[(at + u32::min(behind, 2u32) * step) as usize];
                even += even_ends;
                odd += odd_ends;
                even_far = (far_before & 0xFF_00FFu32) + (far_behind & 0xFF_00FFu32);
                odd_far = ((far_before >> 8u32) & 255u32) + ((far_behind >> 8u32) & 255u32);
            }
            let red = weigh(full, far, even & 0xFFFFu32, even_far & 0xFFFFu32);
            let green = weigh(full, far, odd, odd_far);
            let blue = weigh(full, far, even >> 16u32, even_far >> 16u32);
            to[at as usize] = red | (green << 8u32) | (blue << 16u32);
        }
        cell += UNITS;
    }
    sync_cube();
}

/// One stage of the views from `layout.first` on: steps, blur, steps. The last stage looks its values up in the
/// program's table of normalised numbers and writes `[view][channel][row][column]`; another one writes as
/// [`resample`] does.
#[cube(launch_unchecked)]
pub(crate) fn stage(
    pixels: &[u32],
    sums: &[u32],
    program: &[u32],
    out: &mut [u32],
    out_sums: &mut [u32],
    layout: &Layout,
    out_first: u32,
    #[comptime] normalized: Option<u32>,
) {
    let mut a = Shared::<[u32]>::new_slice(comptime!(CELLS as usize));
    let mut b = Shared::<[u32]>::new_slice(comptime!(CELLS as usize));
    let view = layout.first + CUBE_POS_Y;
    let tile_y = CUBE_POS_X / layout.tiles_x;
    let x0 = (CUBE_POS_X - tile_y * layout.tiles_x) * TILE;
    let y0 = tile_y * TILE;

    let head = layout.heads + view * STAGE_WORDS;
    let before = program[head as usize];
    let after = program[(head + 1u32) as usize];
    let end = program[(head + 2u32) as usize];
    let full = program[(head + 3u32) as usize];
    let far = program[(head + 4u32) as usize];
    let reach = program[(head + 5u32) as usize];

    let mean = mean(sums, &mut a, view, layout);
    let mut cell = UNIT_POS_Y * UNITS_X + UNIT_POS_X;
    let limit = select(reach > 0u32, CELLS, 0u32);
    while cell < limit {
        let line = cell / SIDE;
        let x = x0 + cell - line * SIDE - MARGIN;
        let y = y0 + line - MARGIN;
        if x < layout.width && y < layout.height {
            let pixel = pixels[((view * layout.height + y) * layout.width + x) as usize];
            a[cell as usize] = run(program, before, after, mean, pixel);
        }
        cell += UNITS;
    }
    sync_cube();
    // A pass needs two pixels at each side more than the next one along the same way.
    pass(
        &a, &mut b, x0, y0, full, far, reach, layout, false, 2u32, 0u32,
    );
    pass(
        &b, &mut a, x0, y0, full, far, reach, layout, false, 4u32, 0u32,
    );
    pass(
        &a, &mut b, x0, y0, full, far, reach, layout, false, 6u32, 0u32,
    );
    pass(
        &b, &mut a, x0, y0, full, far, reach, layout, true, 6u32, 2u32,
    );
    pass(
        &a, &mut b, x0, y0, full, far, reach, layout, true, 6u32, 4u32,
    );
    pass(
        &b, &mut a, x0, y0, full, far, reach, layout, true, 6u32, 6u32,
    );

    let x = x0 + UNIT_POS_X;
    let area = layout.width * layout.height;
    let mut sum = 0u32;
    #[unroll]
    for n in 0..comptime!(EACH as usize) {
        let line = UNIT_POS_Y + n as u32 * UNITS_Y;
        let y = y0 + line;
        if x < layout.width && y < layout.height {
            let place = y * layout.width + x;
            let mut colour = a[((line + MARGIN) * SIDE + UNIT_POS_X + MARGIN) as usize];
            let mut from = after;
            if reach == 0u32 {
                colour = pixels[(view * area + place) as usize];
                from = before;
            }
            let colour = run(program, from, end, mean, colour);
            let out_view = out_first + CUBE_POS_Y;
            if comptime!(normalized.is_some()) {
                let table = comptime!(normalized.unwrap_or_default());
                let at = 3u32 * out_view * area + place;
                let r = colour & 255u32;
                let g = (colour >> 8u32) & 255u32;
                let b = colour >> 16u32;
                out[at as usize] = program[(table + r) as usize];
                out[(at + area) as usize] = program[(table + 256u32 + g) as usize];
                out[(at + 2u32 * area) as usize] = program[(table + 512u32 + b) as usize];
            } else {
                out[(out_view * area + place) as usize] = colour;
                sum += luma(colour);
            }
        }
    }
    if comptime!(normalized.is_none()) {
        let sum = cube_sum(sum, &mut b);
        if UNIT_POS_Y * UNITS_X + UNIT_POS_X == 0u32 {
            out_sums[(view * layout.tiles + CUBE_POS_X) as usize] = sum;
        }
    }
}
