//! Anchors: boxes of fixed sizes and shapes at every position of a feature map.

use crate::Corners;

/// The anchors of one position, around zero: for each size, for each ratio of height to width, a box of `size^2` pixels.
/// Computed in f64 and rounded once.
pub fn cell_anchors(sizes: &[f64], ratios: &[f64]) -> Vec<Corners> {
    let of = |size: f64, ratio: f64| {
        let width = (size * size / ratio).sqrt();
        let height = ratio * width;
        [-width / 2.0, -height / 2.0, width / 2.0, height / 2.0].map(|corner| corner as f32)
    };
    let of_size = |&size: &f64| ratios.iter().map(move |&ratio| of(size, ratio));
    sizes.iter().flat_map(of_size).collect()
}

/// All anchors of a feature map of `[height, width]` positions, row by row, those of a position in a row. Position (y, x) lies
/// at the pixel (x, y) times the stride.
pub fn anchors([height, width]: [usize; 2], stride: u32, cell: &[Corners]) -> Vec<Corners> {
    let mut found = Vec::with_capacity(height * width * cell.len());
    for y in 0..height {
        for x in 0..width {
            let [x, y] = [x, y].map(|at| at as f32 * stride as f32);
            found.extend(
                cell.iter()
                    .map(|c| [x + c[0], y + c[1], x + c[2], y + c[3]]),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_come_before_ratios_and_positions_row_by_row() {
        let cell = cell_anchors(&[32.0, 64.0], &[0.25, 1.0]);
        let wide = [-32.0, -8.0, 32.0, 8.0];
        assert_eq!(cell[..2], [wide, [-16.0, -16.0, 16.0, 16.0]]);
        assert_eq!(cell[3], [-32.0, -32.0, 32.0, 32.0]);
        let all = anchors([2, 3], 16, &cell);
        assert_eq!(all.len(), 2 * 3 * 4);
        assert_eq!(all[4], [-16.0, -8.0, 48.0, 8.0]);
        assert_eq!(all[3 * 4], [-32.0, 8.0, 32.0, 24.0]);
    }
}
