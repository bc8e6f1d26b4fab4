//! Weighted nearest neighbours by cosine similarity (Wu et al. 2018, section 3.4).

use burn::tensor::Device;
use parallax_ranks::Ranks;

use crate::evaluator::Evaluator;
use crate::features::{Features, ProbeError, check};
use crate::metric::{Format, Metric, Metrics};
use crate::nearest::Neighbour;
use crate::neighbours::{Queries, joined};

/// Top-1 accuracy of [`Knn`].
pub const KNN: Metric = Metric {
    key: "knn",
    tag: "probe/knn",
    label: "kNN",
    format: Format::Percent(1),
    single: false,
    rank: Some(20),
};

/// Weighted k-nearest-neighbour classifier by cosine similarity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Knn {
    /// k, the neighbours that vote: at least 1; all training examples where those are fewer.
    pub neighbours: usize,
    /// tau, above 0: a neighbour of similarity s votes with exp(s / tau).
    pub temperature: f32,
}

impl Default for Knn {
    /// For small data: 20 neighbours. The usual values for ImageNet are those of [`Knn::IMAGENET`].
    fn default() -> Self {
        Self {
            neighbours: 20,
            ..Self::IMAGENET
        }
    }
}

/// Shares of test examples whose class is the first, or among the first five, in the order of votes, in percent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TopAccuracy {
    /// The first.
    pub top1: f64,
    /// Among the first five.
    pub top5: f64,
}

impl Knn {
    /// 200 neighbours, temperature 0.07: the values of Wu et al. 2018.
    pub const IMAGENET: Self = Self {
        neighbours: 200,
        temperature: 0.07,
    };

    /// Accuracies on `test`, on the CPU.
    ///
    /// # Errors
    /// When one set is empty or the widths differ.
    pub fn accuracies(&self, train: &Features, test: &Features) -> Result<TopAccuracy, ProbeError> {
        check(train, test)?;
        let mut queries = Queries::new(&Device::flex());
        queries.add(test)?;
        let mut search = queries.search(self.neighbours);
        search.add(train)?;
        Ok(self.vote(&search.finish(), &train.labels, &test.labels))
    }

    /// [`Knn::accuracies`] where every rank has a part of the training features, in rank order, and all of `test`.
    ///
    /// # Errors
    /// As [`Knn::accuracies`], and when another rank has ended.
    pub fn accuracies_on(
        &self,
        part: &Features,
        test: &Features,
        ranks: Ranks,
    ) -> Result<TopAccuracy, ProbeError> {
        check(part, test)?;
        let labels = ranks.gather_parts(&part.labels)?;
        let rows = ranks.gather(&[part.rows() as u64])?;
        let first = rows[..ranks.rank()].iter().sum::<u64>() as usize;
        let mut queries = Queries::new(&Device::flex());
        queries.add(test)?;
        let mut search = queries.search(self.neighbours);
        search.add(part)?;
        let found = joined(search.finish(), (first, self.neighbours), ranks)?;
        Ok(self.vote(&found, &labels, &test.labels))
    }

    /// Top-1 accuracy on `test`, in percent.
    ///
    /// # Errors
    /// When one set is empty or the widths differ.
    pub fn accuracy(&self, train: &Features, test: &Features) -> Result<f64, ProbeError> {
        Ok(self.accuracies(train, test)?.top1)
    }

    /// Accuracies from the neighbours of each test example, nearest first, which
    /// [`Search::finish`](crate::Search::finish) returns, and the labels of all examples.
    ///
    /// Of classes with equal votes the lower one comes first; classes without a vote come last, in their order.
    pub fn vote(
        &self,
        neighbours: &[Vec<Neighbour>],
        train_labels: &[u32],
        test_labels: &[u32],
    ) -> TopAccuracy {
        let classes = train_labels.iter().chain(test_labels).max();
        let mut votes = vec![0.0f64; classes.map_or(0, |&highest| highest as usize + 1)];
        let (mut first, mut five) = (0usize, 0usize);
        for (neighbours, &label) in neighbours.iter().zip(test_labels) {
            votes.fill(0.0);
            // Relative to the nearest one, so that no temperature overflows.
            let nearest = neighbours.first().map_or(0.0, |nearest| nearest.similarity);
            for neighbour in neighbours {
                let exponent = (neighbour.similarity - nearest) / self.temperature;
                if let Some(&class) = train_labels.get(neighbour.index as usize) {
                    votes[class as usize] += f64::from(exponent).exp();
                }
            }
            let own = votes[label as usize];
            let before = votes
                .iter()
                .enumerate()
                .filter(|&(class, &votes)| votes > own || (votes == own && class < label as usize));
            let rank = before.count();
            first += usize::from(rank == 0);
            five += usize::from(rank < 5);
        }
        let percent = |correct: usize| 100.0 * correct as f64 / test_labels.len().max(1) as f64;
        TopAccuracy {
            top1: percent(first),
            top5: percent(five),
        }
    }
}

impl Evaluator for Knn {
    fn evaluate(&self, train: &Features, test: &Features) -> Result<Metrics, ProbeError> {
        Ok(Metrics::new().with(&KNN, self.accuracy(train, test)?))
    }
}

/// Top-1 accuracy of [`Knn`] with its default values, in percent.
///
/// # Errors
/// When one set is empty or the widths differ.
///
/// ```
/// use parallax_probes::{Features, knn_accuracy};
///
/// let train = Features::new(vec![1.0, 0.0, 0.0, 1.0], vec![0, 1], 2)?; // two rows of two features
/// let test = Features::new(vec![0.9, 0.1], vec![0], 2)?;
/// assert_eq!(knn_accuracy(&train, &test)?, 100.0);
/// # Ok::<(), parallax_probes::ProbeError>(())
/// ```
pub fn knn_accuracy(train: &Features, test: &Features) -> Result<f64, ProbeError> {
    Knn::default().accuracy(train, test)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn cloud(rows: usize, noise: f32) -> Features {
        let mut values = Vec::new();
        let labels: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
        for (row, &label) in labels.iter().enumerate() {
            for column in 0..3 {
                let wobble = ((row * 7 + column * 3) % 11) as f32 / 11.0 - 0.5;
                values.push(f32::from(column as u32 == label) + noise * wobble);
            }
        }
        Features::new(values, labels, 3).unwrap()
    }

    #[test]
    fn separate_classes_are_told_apart() {
        assert_eq!(
            knn_accuracy(&cloud(60, 0.2), &cloud(30, 0.3)).unwrap(),
            100.0
        );
    }

    #[test]
    fn one_neighbour_decides_by_itself() {
        // Two near examples of class 1 outvote the nearest, of class 0.
        let angles = [(0.0f32, 0), (0.2, 1), (0.25, 1)];
        let values = angles
            .iter()
            .flat_map(|(angle, _)| [angle.cos(), angle.sin()]);
        let labels = angles.iter().map(|(_, label)| *label).collect();
        let train = Features::new(values.collect(), labels, 2).unwrap();
        let test = Features::new(vec![1.0, 0.0], vec![0], 2).unwrap();
        let knn = |neighbours| Knn {
            neighbours,
            ..Knn::default()
        };
        assert_eq!(knn(1).accuracy(&train, &test).unwrap(), 100.0);
        assert_eq!(knn(3).accuracy(&train, &test).unwrap(), 0.0);
    }

    #[test]
    fn more_neighbours_than_examples_is_no_error() {
        assert_eq!(knn_accuracy(&cloud(3, 0.0), &cloud(6, 0.0)).unwrap(), 100.0);
    }

    #[test]
    fn widths_must_agree() {
        let narrow = Features::new(vec![1.0, 2.0], vec![0, 1], 1).unwrap();
        assert!(matches!(
            knn_accuracy(&cloud(3, 0.0), &narrow),
            Err(ProbeError::Width { .. })
        ));
    }

    #[test]
    fn a_nan_is_refused() {
        assert!(matches!(
            Features::new(vec![f32::NAN], vec![0], 1),
            Err(ProbeError::NotFinite)
        ));
    }
}
