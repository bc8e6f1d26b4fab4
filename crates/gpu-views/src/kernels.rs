//! The kernels. All arithmetic is in integers, so results are the same on every device.
//!
//! A workgroup computes a tile of [`TILE`] x [`TILE`] pixels of one view. [`resample`] crops, resizes and flips: it
//! filters blocks of rows into shared memory, then columns out of it. [`stage`] computes what depends on the mean of a
//! view or on neighbouring pixels. Both write the sum of the luma of every tile, from which the next stage computes the
//! mean.

use cubecl::prelude::*;

use crate::colour::{luma, run};

/// Side of a tile in pixels.
pub(crate) const TILE: u32 = 32;
/// Width of a workgroup in invocations.
pub(crate) const WORKGROUP_X: u32 = TILE;
/// Height of a workgroup in invocations.
pub(crate) const WORKGROUP_Y: u32 = 8;
const INVOCATIONS: u32 = WORKGROUP_X * WORKGROUP_Y;
/// Pixels of a column that an invocation computes.
const PIXELS_EACH: u32 = TILE / WORKGROUP_Y;

/// Source rows, filtered to the tile's columns, that [`resample`] holds in shared memory.
pub(crate) const SHARED_ROWS: u32 = 64;

/// Pixels around a tile that the six passes of the widest blur read.
const MARGIN: u32 = 3 * crate::plan::MAX_REACH;
const PADDED_SIDE: u32 = TILE + 2 * MARGIN;
/// Pixels of a tile with its margin.
pub(crate) const PADDED_PIXELS: u32 = PADDED_SIDE * PADDED_SIDE;

/// Words of a view's header: offset of its source in bytes, width of the source, offset and number of the weights along
/// rows and down columns, begin and end of the first colour steps.
pub(crate) const VIEW_WORDS: u32 = 8;
/// Words of a view's header for a stage: begin of the colour steps before the blur, begin and end of those after it,
/// full and far weight of the blur, and its reach; 0 without a blur.
pub(crate) const STAGE_WORDS: u32 = 6;

/// Fixed-point bits of the weights of a resize.
const BITS: u32 = parallax_views::RESIZE_BITS;
const HALF: u32 = 1 << (BITS - 1);

/// The uniform parameters of a launch.
#[derive(CubeType, CubeLaunch, Clone)]
pub(crate) struct Layout {
    /// Columns of a view.
    width: u32,
    /// Rows of a view.
    height: u32,
    /// Tiles along a view's width.
    tiles_x: u32,
    /// Tiles of a view.
    tiles: u32,
    /// Offset of the views' headers.
    headers: u32,
    /// The view of the first workgroup.
    first: u32,
}

/// The three channels at byte `at` of little-endian words. One word must follow the last pixel.
#[cube]
fn source_pixel(source: &[u32], at: u32) -> u32 {
    let word = at >> 2u32;
    let shift = (at & 3u32) << 3u32;
    let low = source[word as usize];
    let high = source[(word + 1u32) as usize];
    // In two shifts, because shifting by 32 is undefined.
    ((low >> shift) | ((high << 1u32) << (31u32 - shift))) & 0xFF_FFFFu32
}

/// A weighted sum of bytes, rounded to the nearest byte.
#[cube]
fn to_byte(sum: u32) -> u32 {
    u32::min((sum + HALF) >> BITS, 255u32)
}

/// The sum of `value` over the workgroup, by way of `scratch`.
#[cube]
fn workgroup_sum(value: u32, scratch: &mut Shared<[u32]>) -> u32 {
    scratch[(UNIT_POS_Y * WORKGROUP_X + UNIT_POS_X) as usize] = value;
    sync_cube();
    if UNIT_POS_Y == 0u32 {
        let mut sum = 0u32;
        for row in 0..WORKGROUP_Y {
            sum += scratch[(row * WORKGROUP_X + UNIT_POS_X) as usize];
        }
        scratch[(INVOCATIONS + UNIT_POS_X) as usize] = sum;
    }
    sync_cube();
    let mut sum = 0u32;
    for column in 0..WORKGROUP_X {
        sum += scratch[(INVOCATIONS + column) as usize];
    }
    sync_cube();
    sum
}

/// Crop, resize and flip of every view, and its first colour steps: one word a pixel. The tallest tile reads `row_blocks`
/// blocks of [`SHARED_ROWS`] rows.
#[cube(launch_unchecked)]
pub(crate) fn resample(
    source: &[u32],
    encoded: &[u32],
    pixels: &mut [u32],
    sums: &mut [u32],
    layout: &Layout,
    row_blocks: u32,
) {
    let mut line = Shared::<[u32]>::new_slice(comptime!((SHARED_ROWS * TILE) as usize));
    let view = CUBE_POS_Y;
    let tile_y = CUBE_POS_X / layout.tiles_x;
    let x = (CUBE_POS_X - tile_y * layout.tiles_x) * TILE + UNIT_POS_X;
    let y0 = tile_y * TILE;

    let header = layout.headers + view * VIEW_WORDS;
    let base = encoded[header as usize];
    let stride = encoded[(header + 1u32) as usize];
    let horizontal = encoded[(header + 2u32) as usize];
    let horizontal_taps = encoded[(header + 3u32) as usize];
    let vertical = encoded[(header + 4u32) as usize];
    let vertical_taps = encoded[(header + 5u32) as usize];

    let last = u32::min(y0 + TILE, layout.height) - 1u32;
    let row0 = encoded[(vertical + y0 * (vertical_taps + 1u32)) as usize];
    let row_end = encoded[(vertical + last * (vertical_taps + 1u32)) as usize] + vertical_taps;
    let weights = horizontal + u32::min(x, layout.width - 1u32) * (horizontal_taps + 1u32);
    let column = encoded[weights as usize];

    let mut reds = Array::<u32>::new(comptime!(PIXELS_EACH as usize));
    let mut greens = Array::<u32>::new(comptime!(PIXELS_EACH as usize));
    let mut blues = Array::<u32>::new(comptime!(PIXELS_EACH as usize));
    #[unroll]
    for n in 0..comptime!(PIXELS_EACH as usize) {
        reds[n] = 0u32;
        greens[n] = 0u32;
        blues[n] = 0u32;
    }

    let mut row_block = 0u32;
    while row_block < row_blocks {
        let begin = row0 + row_block * SHARED_ROWS;
        let end = u32::min(begin + SHARED_ROWS, u32::max(row_end, begin));
        let mut row = begin + UNIT_POS_Y;
        while row < end {
            let at = base + 3u32 * (row * stride + column);
            let mut red = 0u32;
            let mut green = 0u32;
            let mut blue = 0u32;
            for tap in 0..horizontal_taps {
                let weight = encoded[(weights + 1u32 + tap) as usize];
                let pixel = source_pixel(source, at + 3u32 * tap);
                red += weight * (pixel & 255u32);
                green += weight * ((pixel >> 8u32) & 255u32);
                blue += weight * (pixel >> 16u32);
            }
            line[((row - begin) * TILE + UNIT_POS_X) as usize] =
                to_byte(red) | (to_byte(green) << 8u32) | (to_byte(blue) << 16u32);
            row += WORKGROUP_Y;
        }
        sync_cube();
        #[unroll]
        for n in 0..comptime!(PIXELS_EACH as usize) {
            let y = y0 + UNIT_POS_Y + n as u32 * WORKGROUP_Y;
            if y < layout.height {
                let weights = vertical + y * (vertical_taps + 1u32);
                let first = encoded[weights as usize];
                let mut row = u32::max(first, begin);
                let stop = u32::min(first + vertical_taps, end);
                while row < stop {
                    let weight = encoded[(weights + 1u32 + row - first) as usize];
                    let pixel = line[((row - begin) * TILE + UNIT_POS_X) as usize];
                    reds[n] += weight * (pixel & 255u32);
                    greens[n] += weight * ((pixel >> 8u32) & 255u32);
                    blues[n] += weight * (pixel >> 16u32);
                    row += 1u32;
                }
            }
        }
        sync_cube();
        row_block += 1u32;
    }

    let begin = encoded[(header + 6u32) as usize];
    let end = encoded[(header + 7u32) as usize];
    let mut sum = 0u32;
    #[unroll]
    for n in 0..comptime!(PIXELS_EACH as usize) {
        let y = y0 + UNIT_POS_Y + n as u32 * WORKGROUP_Y;
        if x < layout.width && y < layout.height {
            let red = to_byte(reds[n]);
            let green = to_byte(greens[n]);
            let blue = to_byte(blues[n]);
            let moved = red | (green << 8u32) | (blue << 16u32);
            let colour = run(encoded, begin, end, 0u32, moved);
            pixels[((view * layout.height + y) * layout.width + x) as usize] = colour;
            sum += luma(colour);
        }
    }
    let sum = workgroup_sum(sum, &mut line);
    if UNIT_POS_Y * WORKGROUP_X + UNIT_POS_X == 0u32 {
        sums[(view * layout.tiles + CUBE_POS_X) as usize] = sum;
    }
}

/// The mean luma of a view, rounded half up, from the sums of its tiles.
#[cube]
fn mean(sums: &[u32], scratch: &mut Shared<[u32]>, view: u32, layout: &Layout) -> u32 {
    let mut part = 0u32;
    let mut tile = UNIT_POS_Y * WORKGROUP_X + UNIT_POS_X;
    while tile < layout.tiles {
        part += sums[(view * layout.tiles + tile) as usize];
        tile += INVOCATIONS;
    }
    let sum = workgroup_sum(part, scratch);
    let pixels = layout.width * layout.height;
    let whole = sum / pixels;
    let rest = sum - whole * pixels;
    select(2u32 * rest >= pixels, whole + 1u32, whole)
}

/// One value of a box pass from the sum of the fully weighted taps and the sum of the two far ones.
#[cube]
fn weigh(full: u32, far: u32, near_sum: u32, far_sum: u32) -> u32 {
    (full * near_sum + far * far_sum + 0x80_0000u32) >> 24u32
}

/// One box pass over a tile with its margin, along rows or down columns, without the outer `trim_x` and `trim_y` pixels at
/// each side, which no later pass reads. The image is padded with its edge pixels.
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
    let columns = comptime!(PADDED_SIDE - 2 * trim_x);
    let count = comptime!((PADDED_SIDE - 2 * trim_x) * (PADDED_SIDE - 2 * trim_y));
    let mut index = UNIT_POS_Y * WORKGROUP_X + UNIT_POS_X;
    // Nothing to do without a blur, but every workgroup reaches the barrier.
    let limit = select(reach > 0u32, count, 0u32);
    while index < limit {
        let row = index / columns;
        let line = row + trim_y;
        let place = index - row * columns + trim_x;
        // Left of or above the image the difference wraps around, which is outside as well.
        let x = x0 + place - MARGIN;
        let y = y0 + line - MARGIN;
        if x < layout.width && y < layout.height {
            // Pixels of the image before and behind, and the distance of neighbours.
            let before = if comptime!(down) { y } else { x };
            let behind = if comptime!(down) {
                layout.height - 1u32 - y
            } else {
                layout.width - 1u32 - x
            };
            let step = if comptime!(down) { PADDED_SIDE } else { 1u32 };
            let at = line * PADDED_SIDE + place;
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
        index += INVOCATIONS;
    }
    sync_cube();
}

/// One stage of the views from `layout.first` on: colour steps, blur, colour steps. The last stage writes normalised values
/// `[view][channel][row][column]` by the table at `normalized`; the others write as [`resample`] does.
#[cube(launch_unchecked)]
pub(crate) fn stage(
    pixels: &[u32],
    sums: &[u32],
    encoded: &[u32],
    out: &mut [u32],
    out_sums: &mut [u32],
    layout: &Layout,
    out_first: u32,
    #[comptime] normalized: Option<u32>,
) {
    let mut a = Shared::<[u32]>::new_slice(comptime!(PADDED_PIXELS as usize));
    let mut b = Shared::<[u32]>::new_slice(comptime!(PADDED_PIXELS as usize));
    let view = layout.first + CUBE_POS_Y;
    let tile_y = CUBE_POS_X / layout.tiles_x;
    let x0 = (CUBE_POS_X - tile_y * layout.tiles_x) * TILE;
    let y0 = tile_y * TILE;

    let header = layout.headers + view * STAGE_WORDS;
    let before = encoded[header as usize];
    let after = encoded[(header + 1u32) as usize];
    let end = encoded[(header + 2u32) as usize];
    let full = encoded[(header + 3u32) as usize];
    let far = encoded[(header + 4u32) as usize];
    let reach = encoded[(header + 5u32) as usize];

    let mean = mean(sums, &mut a, view, layout);
    let mut index = UNIT_POS_Y * WORKGROUP_X + UNIT_POS_X;
    let limit = select(reach > 0u32, PADDED_PIXELS, 0u32);
    while index < limit {
        let line = index / PADDED_SIDE;
        let x = x0 + index - line * PADDED_SIDE - MARGIN;
        let y = y0 + line - MARGIN;
        if x < layout.width && y < layout.height {
            let pixel = pixels[((view * layout.height + y) * layout.width + x) as usize];
            a[index as usize] = run(encoded, before, after, mean, pixel);
        }
        index += INVOCATIONS;
    }
    sync_cube();
    // A pass needs two more pixels at each side than the next one in the same direction.
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
    for n in 0..comptime!(PIXELS_EACH as usize) {
        let line = UNIT_POS_Y + n as u32 * WORKGROUP_Y;
        let y = y0 + line;
        if x < layout.width && y < layout.height {
            let place = y * layout.width + x;
            let mut colour = a[((line + MARGIN) * PADDED_SIDE + UNIT_POS_X + MARGIN) as usize];
            let mut from = after;
            if reach == 0u32 {
                colour = pixels[(view * area + place) as usize];
                from = before;
            }
            let colour = run(encoded, from, end, mean, colour);
            let out_view = out_first + CUBE_POS_Y;
            if comptime!(normalized.is_some()) {
                let table = comptime!(normalized.unwrap_or_default());
                let at = 3u32 * out_view * area + place;
                let r = colour & 255u32;
                let g = (colour >> 8u32) & 255u32;
                let b = colour >> 16u32;
                out[at as usize] = encoded[(table + r) as usize];
                out[(at + area) as usize] = encoded[(table + 256u32 + g) as usize];
                out[(at + 2u32 * area) as usize] = encoded[(table + 512u32 + b) as usize];
            } else {
                out[(out_view * area + place) as usize] = colour;
                sum += luma(colour);
            }
        }
    }
    if comptime!(normalized.is_none()) {
        let sum = workgroup_sum(sum, &mut b);
        if UNIT_POS_Y * WORKGROUP_X + UNIT_POS_X == 0u32 {
            out_sums[(view * layout.tiles + CUBE_POS_X) as usize] = sum;
        }
    }
}
