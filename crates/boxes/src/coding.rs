//! The code by which a network moves and scales boxes.

use crate::Corners;

/// The largest logarithm of a scale: `ln(1000 / 16)`.
const MOST: f32 = 4.135_166_5;

/// Centre x, centre y, width, height.
fn centre([x1, y1, x2, y2]: Corners) -> [f32; 4] {
    let (width, height) = (x2 - x1, y2 - y1);
    [x1 + 0.5 * width, y1 + 0.5 * height, width, height]
}

/// The deltas that turn `from` into `to`: `wx (x' - x) / w`, `wy (y' - y) / h`, `ww ln(w' / w)`, `wh ln(h' / h)`, with
/// centres x, y and the weights of the code.
pub fn encode(from: Corners, to: Corners, weights: [f32; 4]) -> [f32; 4] {
    let ([x, y, w, h], [tx, ty, tw, th]) = (centre(from), centre(to));
    let [wx, wy, ww, wh] = weights;
    [
        wx * (tx - x) / w,
        wy * (ty - y) / h,
        ww * (tw / w).ln(),
        wh * (th / h).ln(),
    ]
}

/// The box that the deltas turn `from` into. Scales are at most 1000 / 16.
pub fn decode(from: Corners, deltas: [f32; 4], weights: [f32; 4]) -> Corners {
    let [x, y, w, h] = centre(from);
    let [dx, dy, dw, dh] = [0, 1, 2, 3].map(|at| deltas[at] / weights[at]);
    let (x, y) = (dx * w + x, dy * h + y);
    // `min` would turn a NaN into the limit.
    let scale = |log: f32| (if log > MOST { MOST } else { log }).exp();
    let (w, h) = (scale(dw) * w, scale(dh) * h);
    [x - 0.5 * w, y - 0.5 * h, x + 0.5 * w, y + 0.5 * h]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decoding_undoes_encoding() {
        let (from, to) = ([2.0, 3.0, 12.0, 9.0], [4.0, 1.0, 9.5, 21.0]);
        for weights in [[1.0; 4], [10.0, 10.0, 5.0, 5.0]] {
            let found = decode(from, encode(from, to, weights), weights);
            let errors = found.iter().zip(to).map(|(a, b)| (a - b).abs());
            assert!(errors.fold(0.0, f32::max) < 1e-5, "{found:?}");
        }
        assert_eq!(MOST, (1000.0f64 / 16.0).ln() as f32);
        let large = decode(from, [0.0, 0.0, 9.0, f32::NAN], [1.0; 4]);
        assert!((large[2] - large[0] - 625.0).abs() < 1e-3);
        assert!(large[1].is_nan());
    }
}
