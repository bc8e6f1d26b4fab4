//! A class a pixel, with a legend.

use parallax_views::Image;

use super::objects::colour_of;
use super::{enlarged, factor, fill, tint};
use crate::text::{self, LINE, write};

/// Weight of a class's colour out of 256.
const WEIGHT: u32 = 150;

/// The image with a class a pixel, and the names of the classes that occur below it. Classes beyond the names are left as
/// they are.
pub fn classes(image: &Image, ids: &[u8], names: &[String]) -> Image {
    let scale = factor(image);
    let mut canvas = enlarged(image, scale);
    tint(&mut canvas, scale, WEIGHT, |at| {
        let id = ids.get(at).map(|id| usize::from(*id))?;
        (id < names.len()).then(|| class_colour(id))
    });
    let mut present = vec![false; names.len()];
    for id in ids {
        if let Some(present) = present.get_mut(usize::from(*id)) {
            *present = true;
        }
    }
    let shown: Vec<usize> = (0..names.len()).filter(|&id| present[id]).collect();
    legend(canvas, &shown, names)
}

/// The canvas with swatches and names below it, in lines of its width.
fn legend(canvas: Image, shown: &[usize], names: &[String]) -> Image {
    const SWATCH: u32 = 14;
    const GAP: u32 = 8;
    let (mut x, mut y) = (GAP, canvas.height + GAP / 2);
    let mut places = Vec::new();
    for &id in shown {
        let width = SWATCH + 4 + text::width(&names[id]) + GAP;
        if x + width > canvas.width && x > GAP {
            (x, y) = (GAP, y + LINE);
        }
        places.push((id, x, y));
        x += width;
    }
    let height = y + LINE + GAP / 2;
    let mut sheet = Image {
        width: canvas.width,
        height,
        data: canvas.data,
    };
    sheet.data.resize(3 * (sheet.width * height) as usize, 250);
    for (id, x, y) in places {
        fill(
            &mut sheet,
            [x, y + 2, x + SWATCH, y + 2 + SWATCH],
            class_colour(id),
        );
        write(&mut sheet, (x + SWATCH + 4, y), &names[id], [34, 38, 46]);
    }
    sheet
}

/// Cityscapes' colours by train id; of other classes a series of others.
fn class_colour(id: usize) -> [u8; 3] {
    const COLOURS: [[u8; 3]; 19] = [
        [128, 64, 128],
        [244, 35, 232],
        [70, 70, 70],
        [102, 102, 156],
        [190, 153, 153],
        [153, 153, 153],
        [250, 170, 30],
        [220, 220, 0],
        [107, 142, 35],
        [152, 251, 152],
        [70, 130, 180],
        [220, 20, 60],
        [255, 0, 0],
        [0, 0, 142],
        [0, 0, 70],
        [0, 60, 100],
        [0, 80, 100],
        [0, 0, 230],
        [119, 11, 32],
    ];
    COLOURS.get(id).copied().unwrap_or_else(|| colour_of(id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::draw::tests::{grey, pixel};

    #[test]
    fn the_classes_that_occur_are_named_below() {
        let names = ["road".to_string(), "sky".to_string()];
        let mut ids = vec![255; 500 * 100];
        ids[7] = 1;
        let drawn = classes(&grey(500, 100), &ids, &names);
        assert!(drawn.height > 100 && drawn.width == 500);
        assert_eq!(pixel(&drawn, 8, 0), [128; 3]);
        assert_ne!(pixel(&drawn, 7, 0), [128; 3]);
        assert_eq!(pixel(&drawn, 10, 100 + 4 + 4), class_colour(1));
    }
}
