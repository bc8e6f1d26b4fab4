//! Boxes, masks and labels.

use parallax_views::Image;

use super::{enlarged, factor, fill, tint};
use crate::figure::color;
use crate::text::{self, LINE, write};

/// An object to draw.
#[derive(Clone, Debug)]
pub struct Shape {
    /// x1, y1, x2, y2 in pixels of the image.
    pub corners: [f32; 4],
    /// Its class.
    pub class: usize,
    /// What is written at the box.
    pub label: String,
    /// A value a pixel, row by row, not 0 inside; none where there is no mask.
    pub mask: Option<Vec<u8>>,
}

/// Pixels of a box's line, on either side of its edge.
const LINE_WIDTH: i64 = 2;
/// Weight of a mask's colour out of 256.
const WEIGHT: u32 = 110;
/// Pixels left and right of a label's text.
const PADDING: u32 = 3;

/// The image with objects: masks, then boxes, then labels, those of the first objects on top.
pub fn objects(image: &Image, shapes: &[Shape]) -> Image {
    let scale = factor(image);
    let mut canvas = enlarged(image, scale);
    for shape in shapes.iter().rev() {
        if let Some(mask) = &shape.mask {
            let colour = colour_of(shape.class);
            tint(&mut canvas, scale, WEIGHT, |at| {
                mask.get(at)
                    .is_some_and(|value| *value != 0)
                    .then_some(colour)
            });
        }
    }
    for shape in shapes.iter().rev() {
        let corners = shape
            .corners
            .map(|value| (value * scale as f32).round() as i64);
        frame(&mut canvas, corners, colour_of(shape.class));
    }
    let mut taken = Vec::new();
    let places: Vec<_> = shapes
        .iter()
        .map(|shape| place(&canvas, shape, scale, &mut taken))
        .collect();
    for (shape, place) in shapes.iter().zip(places).rev() {
        label(&mut canvas, &shape.label, place, colour_of(shape.class));
    }
    canvas
}

/// The outline of a box.
fn frame(canvas: &mut Image, [x1, y1, x2, y2]: [i64; 4], colour: [u8; 3]) {
    let half = LINE_WIDTH / 2;
    let bars = [
        [x1 - half, y1 - half, x2 + half, y1 + half],
        [x1 - half, y2 - half, x2 + half, y2 + half],
        [x1 - half, y1 - half, x1 + half, y2 + half],
        [x2 - half, y1 - half, x2 + half, y2 + half],
    ];
    let limit = |value: i64, most: u32| value.clamp(0, i64::from(most)) as u32;
    for [left, top, right, bottom] in bars {
        let (width, height) = (canvas.width, canvas.height);
        let bar = [
            limit(left, width),
            limit(top, height),
            limit(right, width),
            limit(bottom, height),
        ];
        fill(canvas, bar, colour);
    }
}

/// Where a label goes: at the upper left corner of its box, outside or inside, or at a lower one; where it hides no earlier
/// label, if there is such a place.
fn place(canvas: &Image, shape: &Shape, scale: u32, taken: &mut Vec<[u32; 4]>) -> (u32, u32) {
    let [x1, y1, x2, y2] = shape
        .corners
        .map(|value| (value * scale as f32).max(0.0) as u32);
    let width = text::width(&shape.label) + 2 * PADDING;
    let fit = |left: u32, top: u32| {
        (
            left.min(canvas.width.saturating_sub(width)),
            top.min(canvas.height.saturating_sub(LINE)),
        )
    };
    let candidates = [
        fit(x1, y1.saturating_sub(LINE)),
        fit(x1, y2),
        fit(x1, y1),
        fit(x2.saturating_sub(width), y1.saturating_sub(LINE)),
        fit(x2.saturating_sub(width), y2),
        fit(x1, y2.saturating_sub(LINE)),
    ];
    let area = |(left, top): (u32, u32)| [left, top, left + width, top + LINE];
    let free = |place: &&(u32, u32)| {
        let [a, b, c, d] = area(**place);
        taken
            .iter()
            .all(|&[e, f, g, h]| c <= e || g <= a || d <= f || h <= b)
    };
    let chosen = *candidates.iter().find(free).unwrap_or(&candidates[0]);
    taken.push(area(chosen));
    chosen
}

/// Text on its class's colour, in black or white.
fn label(canvas: &mut Image, line: &str, (left, top): (u32, u32), colour: [u8; 3]) {
    let width = text::width(line) + 2 * PADDING;
    fill(canvas, [left, top, left + width, top + LINE], colour);
    let [r, g, b] = colour.map(u32::from);
    let ink = match 299 * r + 587 * g + 114 * b > 140_000 {
        true => [0; 3],
        false => [255; 3],
    };
    write(canvas, (left + PADDING, top + 1), line, ink);
}

/// The colour of a detector's class.
pub(super) fn colour_of(class: usize) -> [u8; 3] {
    let (r, g, b) = color(class);
    [r, g, b]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transfer::draw::tests::{grey, pixel};

    #[test]
    fn boxes_masks_and_labels_are_where_their_objects_are() {
        let mut mask = vec![0; 500 * 400];
        mask[200 * 500 + 150] = 1;
        let shape = Shape {
            corners: [100.0, 150.0, 220.0, 300.0],
            class: 1,
            label: "dog 0.97".to_string(),
            mask: Some(mask),
        };
        let drawn = objects(&grey(500, 400), &[shape]);
        assert_eq!((drawn.width, drawn.height), (500, 400));
        let colour = colour_of(1);
        assert_eq!(pixel(&drawn, 100, 200), colour);
        assert_eq!(pixel(&drawn, 219, 299), colour);
        assert_eq!(pixel(&drawn, 160, 220), [128; 3]);
        assert_ne!(pixel(&drawn, 150, 200), [128; 3]);
        // The label stands above the box.
        assert_eq!(pixel(&drawn, 101, 150 - LINE), colour);
        assert_eq!(pixel(&drawn, 300, 140), [128; 3]);
    }

    #[test]
    fn objects_beyond_the_image_and_many_at_one_place_are_drawn() {
        let shapes = |corners| {
            let shape = Shape {
                corners,
                class: 30,
                label: "a name that is longer than the image is wide".to_string(),
                mask: None,
            };
            vec![shape; 20]
        };
        let drawn = objects(&grey(31, 17), &shapes([-40.0, -5.0, 90.0, 60.0]));
        assert_eq!((drawn.width, drawn.height), (31 * 16, 17 * 16));
        objects(&grey(1, 1), &shapes([0.0, 0.0, 1.0, 1.0]));
    }
}
