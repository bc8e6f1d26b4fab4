//! Polygons to masks, pixel for pixel as COCO's tools rasterise them (methods.md 7.6).

use crate::rle::Rle;

/// Points of the lattice a pixel.
const SCALE: f64 = 5.0;

/// The mask of one polygon, x, y, x, y, ... in pixels from the image's upper left corner.
///
/// Vertices are rounded to a lattice five times as fine as the pixels and every edge is walked along its longer axis. Where
/// the column of the lattice changes in the middle of a pixel's column, the mask changes its value at that height.
///
/// # Errors
/// When there are fewer than three points, a coordinate without its partner, or one that is NaN or infinite.
pub fn rasterize(points: &[f64], height: u32, width: u32) -> Result<Rle, String> {
    if points.len() < 6 || points.len() % 2 == 1 {
        return Err(format!(
            "its polygon has {} coordinates; at least 6 and an even number are needed",
            points.len()
        ));
    }
    if points.iter().any(|value| !value.is_finite()) {
        return Err("its polygon has a NaN or an infinity".to_string());
    }
    if u32::try_from(u64::from(height) * u64::from(width)).is_err() {
        return Err(format!("a mask of {height} x {width} pixels is too large"));
    }
    // Casts truncate towards zero, as in the original.
    let lattice = |value: f64| (SCALE * value + 0.5) as i32;
    let vertices: Vec<[i32; 2]> = points
        .chunks_exact(2)
        .map(|point| [lattice(point[0]), lattice(point[1])])
        .collect();
    let mut changes = Vec::new();
    let mut before = None;
    for (at, &from) in vertices.iter().enumerate() {
        let to = vertices[(at + 1) % vertices.len()];
        walk(from, to, |point| {
            if let Some(last) = before.replace(point) {
                changes.extend(crossing(last, point, height, width));
            }
        });
    }
    changes.sort_unstable();
    Ok(Rle::from_changes(height, width, &changes))
}

/// Every lattice point of an edge, from its start to its end.
fn walk(from: [i32; 2], to: [i32; 2], mut visit: impl FnMut([i32; 2])) {
    let (dx, dy) = (from[0].abs_diff(to[0]), from[1].abs_diff(to[1]));
    // The longer axis; the other coordinate follows from it.
    let (long, short) = if dx >= dy { (0, 1) } else { (1, 0) };
    // Computed from the lower end, whichever way the edge runs, so that two polygons with a common edge meet in it.
    let reversed = from[long] > to[long];
    let (low, high) = if reversed { (to, from) } else { (from, to) };
    let length = (high[long] - low[long]).max(0);
    let slope = match length {
        0 => 0.0,
        length => f64::from(high[short] - low[short]) / f64::from(length),
    };
    for step in 0..=length {
        let along = if reversed { length - step } else { step };
        let mut point = [0; 2];
        point[long] = low[long] + along;
        point[short] = (f64::from(low[short]) + slope * f64::from(along) + 0.5) as i32;
        visit(point);
    }
}

/// The position in column-major order at which two neighbouring lattice points change the mask, if they do.
fn crossing(last: [i32; 2], point: [i32; 2], height: u32, width: u32) -> Option<u32> {
    if point[0] == last[0] {
        return None;
    }
    let column = if point[0] < last[0] {
        point[0]
    } else {
        point[0] - 1
    };
    let x = (f64::from(column) + 0.5) / SCALE - 0.5;
    if x.floor() != x || x < 0.0 || x > f64::from(width) - 1.0 {
        return None;
    }
    let y = (f64::from(point[1].min(last[1])) + 0.5) / SCALE - 0.5;
    let y = y.clamp(0.0, f64::from(height)).ceil();
    Some(x as u32 * height + y as u32)
}
