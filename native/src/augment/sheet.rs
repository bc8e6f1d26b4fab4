//! Contact sheets: pairs of views with their operations below.

use anyhow::Result;
use parallax_views::{Image, MAX_PIXELS, Op, apply_all};

use crate::text::{LINE, fitting, write};
use crate::usage::BadArgument;

const BACKGROUND: [u8; 3] = [250, 250, 248];
const INK: [u8; 3] = [34, 38, 46];
const FAINT: [u8; 3] = [104, 110, 122];
/// Pixels around the sheet and between pairs.
const MARGIN: u32 = 28;
/// Pixels between the two views of a pair, and between a view and its text.
const GAP: u32 = 10;
/// Minimum width of a view on the sheet: smaller ones are scaled up by nearest neighbour.
const SMALLEST: u32 = 224;
/// Height of the thumbnail of the image at the top of the sheet.
const HEAD: u32 = 120;

/// A view with its text.
pub struct Cell<'a> {
    pub title: String,
    pub image: &'a Image,
    pub ops: &'a [Op],
}

/// Draws a sheet. Every two cells are a pair.
///
/// # Errors
/// When the sheet would have more than [`MAX_PIXELS`].
pub fn draw(source: &Image, heading: &[String], cells: &[Cell]) -> Result<Image> {
    let side = cells.first().map_or(1, |cell| cell.image.width);
    let scale = SMALLEST.div_ceil(side);
    let shown = side * scale;
    let texts: Vec<Vec<String>> = cells
        .iter()
        .map(|cell| wrap(&parameters(cell.ops), fitting(shown)))
        .collect();
    let lines = texts.iter().map(Vec::len).max().unwrap_or(0) as u32;

    let pairs = cells.len().div_ceil(2) as u32;
    let columns = (1..=pairs)
        .find(|columns| columns * columns * 2 >= pairs)
        .unwrap_or(1);
    let (pair_width, pair_height) = (2 * shown + GAP, shown + GAP + (lines + 1) * LINE);
    let thumbnail = thumbnail(source, 2 * HEAD);
    let wanted = columns * (pair_width + MARGIN) + MARGIN;
    let mut sheet = Image {
        width: wanted,
        height: MARGIN + HEAD + pairs.div_ceil(columns) * (pair_height + MARGIN) + MARGIN,
        data: Vec::new(),
    };
    let pixels = u64::from(sheet.width) * u64::from(sheet.height);
    if pixels > MAX_PIXELS {
        let (width, height) = (sheet.width, sheet.height);
        let message = format!(
            "--grid: a sheet of {width} x {height} pixels is too large; ask for fewer pairs or smaller views"
        );
        return Err(BadArgument(message).into());
    }
    sheet.data = BACKGROUND.repeat(pixels as usize);

    paste(&mut sheet, (MARGIN, MARGIN), &thumbnail, 1);
    let left = MARGIN + thumbnail.width + 2 * GAP;
    for (line, text) in (0..).zip(heading) {
        let colour = if line == 0 { INK } else { FAINT };
        write(&mut sheet, (left, MARGIN + line * LINE), text, colour);
    }

    for ((number, cell), text) in (0..).zip(cells).zip(&texts) {
        let (pair, second) = (number / 2, number % 2);
        let left = MARGIN + pair % columns * (pair_width + MARGIN) + second * (shown + GAP);
        let top = MARGIN + HEAD + MARGIN + pair / columns * (pair_height + MARGIN);
        paste(&mut sheet, (left, top), cell.image, scale);
        let below = top + shown + GAP;
        write(&mut sheet, (left, below), &cell.title, INK);
        for (line, text) in (1..).zip(text) {
            write(&mut sheet, (left, below + line * LINE), text, FAINT);
        }
    }
    Ok(sheet)
}

/// The captions of the operations, without the resize, which is the same for every view.
fn parameters(ops: &[Op]) -> Vec<String> {
    ops.iter()
        .filter(|op| !matches!(op, Op::Resize { .. }))
        // The font has no Greek letters.
        .map(|op| op.to_string().replace('σ', "sigma"))
        .collect()
}

/// Wraps a comma-separated list at `width` characters, between items alone.
fn wrap(parameters: &[String], width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (index, parameter) in parameters.iter().enumerate() {
        let comma = if index + 1 < parameters.len() {
            ","
        } else {
            ""
        };
        let length = parameter.chars().count() + comma.len();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + length <= width => {
                line.push(' ');
                line.push_str(parameter);
                line.push_str(comma);
            }
            _ => lines.push(format!("{parameter}{comma}")),
        }
    }
    lines
}

/// The thumbnail of the image, at most `widest` pixels wide.
fn thumbnail(source: &Image, widest: u32) -> Image {
    let (width, height) = (u64::from(source.width), u64::from(source.height));
    let fitting = (width * u64::from(HEAD) / height).clamp(1, u64::from(widest));
    let resize = Op::Resize {
        width: fitting as u32,
        height: (height * fitting / width).clamp(1, u64::from(HEAD)) as u32,
    };
    // An image that has views can be resized as well.
    apply_all(source, &[resize]).unwrap_or_else(|_| source.clone())
}

/// Copies an image to (`left`, `top`), scaled up by an integer factor and clipped to the sheet.
fn paste(sheet: &mut Image, (left, top): (u32, u32), image: &Image, scale: u32) {
    for y in 0..(image.height * scale).min(sheet.height.saturating_sub(top)) {
        for x in 0..(image.width * scale).min(sheet.width.saturating_sub(left)) {
            let from = 3 * (y / scale * image.width + x / scale) as usize;
            let to = 3 * ((top + y) * sheet.width + left + x) as usize;
            sheet.data[to..to + 3].copy_from_slice(&image.data[from..from + 3]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_between_items() {
        let words = ["flip", "hue +0.050", "brightness 1.20"].map(String::from);
        assert_eq!(
            wrap(&words, 16),
            ["flip,", "hue +0.050,", "brightness 1.20"]
        );
        assert_eq!(wrap(&words, 17), ["flip, hue +0.050,", "brightness 1.20"]);
        assert_eq!(wrap(&words, 3).len(), 3);
    }
}
