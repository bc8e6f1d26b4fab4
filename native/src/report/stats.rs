//! Means and their spread.

/// Values of several seeds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    pub mean: f64,
    /// Sample standard deviation, with `n - 1`; 0 for a single value.
    pub deviation: f64,
    pub count: usize,
}

impl Summary {
    /// Of values; none where there are none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let count = values.len();
        if count == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / count as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = match count {
            1 => 0.0,
            _ => (squares / (count - 1) as f64).sqrt(),
        };
        Some(Self {
            mean,
            deviation,
            count,
        })
    }

    /// `42.1 ± 0.4`, or `42.1` for a single value.
    pub fn text(&self) -> String {
        match self.count {
            1 => format!("{:.1}", self.mean),
            _ => format!("{:.1} ± {:.1}", self.mean, self.deviation),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Summary;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        let summary = Summary::of(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]).unwrap();
        assert_eq!(summary.mean, 5.0);
        // numpy.std([2, 4, 4, 4, 5, 5, 7, 9], ddof=1)
        assert!((summary.deviation - 2.138_089_935_299_395).abs() < 1e-12);
        assert_eq!(summary.text(), "5.0 ± 2.1");
        assert_eq!(Summary::of(&[3.25]).unwrap().text(), "3.2");
        assert_eq!(Summary::of(&[]), None);
    }
}
