//! Which boxes a step learns from.

/// The places of the boxes that were taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sampled {
    /// Of objects.
    pub positive: Vec<usize>,
    /// Of the background.
    pub negative: Vec<usize>,
}

/// Takes at most `count` boxes: at most `floor(count * positive_fraction)` of those whose label is neither -1 nor the
/// background's, and background for the rest. Those with the lowest ranks are taken, in that order; equal ranks by place.
///
/// Ranks are random in training and [`key_order`] where two implementations are compared.
pub fn sample<R: Ord>(
    labels: &[i64],
    count: usize,
    positive_fraction: f64,
    background: i64,
    rank: impl Fn(usize) -> R,
) -> Sampled {
    let taken = |wanted: &dyn Fn(i64) -> bool, most: usize| {
        let mut places: Vec<usize> = (0..labels.len()).filter(|&at| wanted(labels[at])).collect();
        places.sort_by_key(|&at| rank(at));
        places.truncate(most);
        places
    };
    let most = (count as f64 * positive_fraction) as usize;
    let positive = taken(&|label| label != -1 && label != background, most);
    let negative = taken(&|label| label == background, count - positive.len());
    Sampled { positive, negative }
}

/// A fixed rank that looks random: `place * 2654435761 mod 2^32`.
pub fn key_order(place: usize) -> u32 {
    (place as u32).wrapping_mul(2_654_435_761)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn background_fills_what_positives_leave() {
        let labels = [0, 1, -1, 0, 2, 0, 1, -1, 0];
        let found = sample(&labels, 4, 0.5, 0, |at| at);
        assert_eq!(found.positive, [1, 4]);
        assert_eq!(found.negative, [0, 3]);
        let few = sample(&labels, 20, 0.25, 0, key_order);
        assert_eq!((few.positive.len(), few.negative.len()), (3, 4));
        let keys: Vec<u32> = few.negative.iter().map(|&at| key_order(at)).collect();
        assert!(keys.is_sorted());
        // Where the background is the last class.
        let last = sample(&[20, 3, 20, -1], 3, 0.25, 20, |at| at);
        assert_eq!((last.positive.len(), last.negative), (0, vec![0, 2]));
    }
}
