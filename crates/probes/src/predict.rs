//! The class that nearest neighbours vote for.

use crate::knn::Knn;
use crate::nearest::Neighbour;

impl Knn {
    /// The class with the most votes for each example, from its neighbours, nearest first, and the labels of all training
    /// examples. Of classes with equal votes the lowest wins, as in [`Knn::vote`]; without neighbours it is 0.
    pub fn predict(&self, neighbours: &[Vec<Neighbour>], train_labels: &[u32]) -> Vec<u32> {
        let classes = train_labels.iter().max();
        let mut votes = vec![0.0f64; classes.map_or(0, |&highest| highest as usize + 1)];
        let of_one = |neighbours: &Vec<Neighbour>| {
            votes.fill(0.0);
            // Relative to the nearest one, so that no temperature overflows.
            let nearest = neighbours.first().map_or(0.0, |nearest| nearest.similarity);
            for neighbour in neighbours {
                if let Some(&class) = train_labels.get(neighbour.index as usize) {
                    let exponent = (neighbour.similarity - nearest) / self.temperature;
                    votes[class as usize] += f64::from(exponent).exp();
                }
            }
            let best = votes.iter().enumerate().rev();
            let best = best.max_by(|a, b| a.1.total_cmp(b.1));
            best.map_or(0, |(class, _)| class as u32)
        };
        neighbours.iter().map(of_one).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use burn::tensor::Device;

    use super::*;
    use crate::{Features, Queries};

    /// The classes of a small cloud by the neighbours that a search finds.
    fn found(k: usize) -> (Vec<Vec<Neighbour>>, Features, Features) {
        let cloud = |rows: usize, period: usize| {
            let labels: Vec<u32> = (0..rows as u32).map(|row| row % 3).collect();
            let values = labels.iter().enumerate().flat_map(|(row, &label)| {
                (0..3).map(move |column| {
                    let noise = (row + 1) * (row + column + 2) * (column + 3) % period;
                    let noise = noise as f32 / period as f32 - 0.5;
                    f32::from(column as u32 == label) + 2.0 * noise
                })
            });
            Features::new(values.collect(), labels.clone(), 3).unwrap()
        };
        let (train, test) = (cloud(60, 37), cloud(30, 41));
        let mut queries = Queries::new(&Device::flex());
        queries.add(&test).unwrap();
        let mut search = queries.search(k);
        search.add(&train).unwrap();
        (search.finish(), train, test)
    }

    #[test]
    fn predictions_are_those_that_the_accuracy_counts() {
        for neighbours in [1, 5, 20] {
            let knn = Knn {
                neighbours,
                ..Knn::default()
            };
            let (nearest, train, test) = found(neighbours);
            let predicted = knn.predict(&nearest, train.labels());
            let pairs = predicted.iter().zip(test.labels());
            let correct = pairs.filter(|(a, b)| a == b).count();
            let accuracy = 100.0 * correct as f64 / test.rows() as f64;
            assert!(accuracy > 30.0 && accuracy < 100.0, "{accuracy}");
            assert_eq!(accuracy, knn.accuracy(&train, &test).unwrap());
        }
    }

    #[test]
    fn the_lowest_of_equal_classes_wins() {
        let neighbour = |index| Neighbour {
            index,
            similarity: 0.5,
        };
        let predict = |nearest| Knn::default().predict(&[nearest], &[2, 1, 1, 2]);
        assert_eq!(predict(vec![neighbour(0), neighbour(1)]), [1]);
        assert_eq!(predict(vec![neighbour(0), neighbour(1), neighbour(3)]), [2]);
        assert_eq!(predict(vec![]), [0]);
    }
}
