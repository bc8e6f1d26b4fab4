//! Where in an image its feature comes from, and how alike the features of two views are.

/// Grad-CAM (Selvaraju et al., 2017) of half the squared length of a feature: the share of every position of the last map in
/// the feature. The values are 0 or above and their sum is 1.
///
/// `map` is `[positions, channels]`, and the feature f its mean over the n positions. The gradient of |f|^2 / 2 by the map is
/// f / n at every position, so that Grad-CAM's map is ReLU(<map, f>), here divided by its sum. An empty map, or one without
/// a positive value, gives zeros.
///
/// ```
/// // Two positions with two channels; the feature is (1, 0.5).
/// let shares = parallax_probes::attention(&[2.0, 0.0, 0.0, 1.0], 2);
/// assert_eq!(shares, [0.8, 0.2]);
/// ```
pub fn attention(map: &[f32], channels: usize) -> Vec<f32> {
    let channels = channels.max(1);
    let rows = map.chunks_exact(channels);
    let mut feature = vec![0.0f32; channels];
    for row in rows.clone() {
        for (sum, value) in feature.iter_mut().zip(row) {
            *sum += value;
        }
    }
    let mut shares: Vec<f32> = rows.map(|row| dot(row, &feature).max(0.0)).collect();
    let sum: f32 = shares.iter().sum();
    if sum > 0.0 {
        shares.iter_mut().for_each(|share| *share /= sum);
    }
    shares
}

/// Mean cosine similarity of the features of two views of the same image, and of views of different images: alignment,
/// and how much of it is worth nothing because all features are alike.
///
/// `first` and `second` are `[images, columns]`, the same images in the same order. With fewer than two images the second
/// mean is 0.
pub fn agreement(first: &[f32], second: &[f32], columns: usize) -> (f32, f32) {
    let columns = columns.max(1);
    let rows = |values: &[f32]| -> Vec<Vec<f32>> {
        let unit = |row: &[f32]| {
            let norm = dot(row, row).sqrt().max(f32::MIN_POSITIVE);
            row.iter().map(|value| value / norm).collect()
        };
        values.chunks_exact(columns).map(unit).collect()
    };
    let (first, second) = (rows(first), rows(second));
    let (mut same, mut other) = (0.0, 0.0);
    for (i, a) in first.iter().enumerate() {
        for (j, b) in second.iter().enumerate() {
            match i == j {
                true => same += dot(a, b),
                false => other += dot(a, b),
            }
        }
    }
    let images = first.len().min(second.len());
    let pairs = (images * images.saturating_sub(1)).max(1);
    (same / images.max(1) as f32, other / pairs as f32)
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// |f|^2 / 2 in f64.
    fn target(map: &[f64], channels: usize) -> f64 {
        let positions = (map.len() / channels) as f64;
        let mean = |k: usize| map.iter().skip(k).step_by(channels).sum::<f64>() / positions;
        (0..channels).map(|k| mean(k) * mean(k) / 2.0).sum()
    }

    #[test]
    fn shares_are_those_of_gradients_by_finite_differences() {
        let (positions, channels) = (6, 4);
        let map: Vec<f64> = (0..positions * channels)
            .map(|at| (at as f64 * 1.1).sin() + 0.3)
            .collect();
        // Grad-CAM as published: weights are the means over positions of the gradient, the map is ReLU of their sum.
        let gradient = |at: usize| {
            let moved = |by: f64| {
                let mut map = map.clone();
                map[at] += by;
                target(&map, channels)
            };
            (moved(1e-4) - moved(-1e-4)) / 2e-4
        };
        let weight = |k: usize| {
            let all = (0..positions).map(|position| gradient(position * channels + k));
            all.sum::<f64>() / positions as f64
        };
        let weights: Vec<f64> = (0..channels).map(weight).collect();
        let cam: Vec<f64> = map
            .chunks_exact(channels)
            .map(|row| {
                let sum: f64 = row.iter().zip(&weights).map(|(a, b)| a * b).sum();
                sum.max(0.0)
            })
            .collect();
        let sum: f64 = cam.iter().sum();
        let single: Vec<f32> = map.iter().map(|value| *value as f32).collect();
        let shares = attention(&single, channels);
        assert!(shares.contains(&0.0), "a position is cut off by ReLU");
        for (share, wanted) in shares.iter().zip(&cam) {
            assert!((f64::from(*share) - wanted / sum).abs() < 1e-5);
        }
    }

    #[test]
    fn an_empty_map_has_no_shares() {
        assert!(attention(&[], 3).is_empty());
        assert_eq!(attention(&[0.0; 6], 3), [0.0, 0.0]);
    }

    #[test]
    fn agreement_is_one_for_equal_views_and_the_mean_of_others() {
        let first = [3.0, 0.0, 0.0, 2.0];
        let second = [1.0, 0.0, 1.0, 1.0];
        let (same, other) = agreement(&first, &second, 2);
        let half = 0.5f32.sqrt();
        assert!((same - (1.0 + half) / 2.0).abs() < 1e-6);
        assert!((other - half / 2.0).abs() < 1e-6);
        assert_eq!(agreement(&[1.0, 2.0], &[2.0, 4.0], 2).1, 0.0);
    }
}
