//! Masks of boxes: training targets from polygons, and pasting into an image.

use parallax_score::{Rle, polygon};

use crate::{Corners, Size};

/// The target of a box's mask, `size * size` values of 0 or 1 row by row: the union of the object's polygons, moved and scaled so
/// that the box fills it. `polygons` hold x, y, x, y, ... in pixels of the image.
///
/// # Errors
/// When a polygon has fewer than three points or a coordinate that is not finite.
pub fn mask_target(polygons: &[Vec<f64>], corners: Corners, size: u32) -> Result<Vec<u8>, String> {
    let [x1, y1, x2, y2] = corners;
    let scale = |side: f32| f64::from(size) / f64::from(side).max(0.1);
    let (x_scale, y_scale) = (scale(x2 - x1), scale(y2 - y1));
    let masks: Result<Vec<Rle>, String> = polygons
        .iter()
        .map(|points| {
            let moved: Vec<f64> = points
                .iter()
                .enumerate()
                .map(|(at, &value)| match at % 2 {
                    0 => (value - f64::from(x1)) * x_scale,
                    _ => (value - f64::from(y1)) * y_scale,
                })
                .collect();
            polygon::rasterize(&moved, size, size)
        })
        .collect();
    let united = Rle::union(&masks?);
    Ok(united.map_or_else(|| vec![0; (size * size) as usize], |mask| mask.decode()))
}

/// A mask of `side * side` probabilities drawn into its box of an image: 1 where the bilinear value at a pixel's centre is
/// at least the threshold, 0 elsewhere; row by row.
pub fn paste(
    mask: &[f32],
    side: usize,
    corners: Corners,
    [height, width]: Size,
    threshold: f32,
) -> Vec<u8> {
    let mut image = vec![0; height as usize * width as usize];
    let [x1, y1, x2, y2] = corners;
    let taps = |length: u32, low: f32, high: f32| -> Vec<Taps> {
        (0..length)
            .map(|at| Taps::of(at, low, high, side))
            .collect()
    };
    let columns = taps(width, x1, x2);
    let rows = taps(height, y1, y2);
    // Taps outside of the mask are zero, so nothing is in beyond a pixel around the box.
    let touched = |all: &[Taps]| -> Vec<usize> {
        (0..all.len())
            .filter(|&at| all[at].places != [None; 2])
            .collect()
    };
    let inner = touched(&columns);
    for y in touched(&rows) {
        for &x in &inner {
            let (row, column) = (&rows[y], &columns[x]);
            let mut value = 0.0f32;
            for (row_place, row_weight) in row.places.iter().zip(row.weights) {
                for (column_place, column_weight) in column.places.iter().zip(column.weights) {
                    if let (Some(row), Some(column)) = (row_place, column_place) {
                        value += mask[row * side + column] * (row_weight * column_weight);
                    }
                }
            }
            image[y * width as usize + x] = u8::from(value >= threshold);
        }
    }
    image
}

/// The two values of an axis of the mask that a pixel lies between.
struct Taps {
    places: [Option<usize>; 2],
    weights: [f32; 2],
}

impl Taps {
    fn of(pixel: u32, low: f32, high: f32, side: usize) -> Self {
        // In [-1, 1] over the box, then in the mask's pixels, in these steps: they round as the original's.
        let along = (pixel as f32 + 0.5 - low) / (high - low) * 2.0 - 1.0;
        let at = ((along + 1.0) * side as f32 - 1.0) / 2.0;
        let floor = at.floor();
        let place = |value: f32| (value >= 0.0 && value < side as f32).then_some(value as usize);
        Self {
            places: [place(floor), place(floor + 1.0)],
            weights: [floor + 1.0 - at, at - floor],
        }
    }
}
