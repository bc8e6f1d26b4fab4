//! Text on an image.

use noto_sans_mono_bitmap::{FontWeight, RasterHeight, get_raster, get_raster_width};
use parallax_views::Image;

/// Height of a line in pixels.
pub const LINE: u32 = 18;
const HEIGHT: RasterHeight = RasterHeight::Size16;
const WEIGHT: FontWeight = FontWeight::Regular;

/// The number of characters that fit into `width` pixels.
pub fn fitting(width: u32) -> usize {
    width as usize / get_raster_width(WEIGHT, HEIGHT)
}

/// Width of a line of text in pixels.
pub fn width(text: &str) -> u32 {
    (text.chars().count() * get_raster_width(WEIGHT, HEIGHT)) as u32
}

/// Draws a line of text with its upper left corner at (`left`, `top`), clipped to the image.
pub fn write(image: &mut Image, (left, top): (u32, u32), text: &str, colour: [u8; 3]) {
    let advance = get_raster_width(WEIGHT, HEIGHT) as u32;
    for (left, character) in (left..).step_by(advance as usize).zip(text.chars()) {
        let glyph = get_raster(character, WEIGHT, HEIGHT);
        let Some(glyph) = glyph.or_else(|| get_raster('?', WEIGHT, HEIGHT)) else {
            continue;
        };
        for (y, row) in (top..image.height).zip(glyph.rows()) {
            for (x, &cover) in (left..image.width).zip(row) {
                let at = 3 * (y * image.width + x) as usize;
                for (value, colour) in image.data[at..at + 3].iter_mut().zip(colour) {
                    let (under, over) = (u32::from(*value), u32::from(colour));
                    let cover = u32::from(cover);
                    *value = ((under * (255 - cover) + over * cover + 127) / 255) as u8;
                }
            }
        }
    }
}
