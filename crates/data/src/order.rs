//! The shuffled order in which a run visits its data set.

use std::sync::{Arc, Mutex, PoisonError};

use parallax_rng::{Stream, permutation};

use crate::error::DataError;
use crate::source::MAX_LEN;

/// The order of samples: an endless sequence of epochs, each a new random permutation of the data set.
///
/// A position counts samples from the start of the run, independent of the batch size, so batches span the end of an epoch and
/// every sample comes exactly once in an epoch. The sample at a position is a pure function of (seed, length, position): a
/// resumed run continues at its position.
#[derive(Debug)]
pub struct Order {
    seed: u64,
    len: u32,
    /// The permutations of the two epochs asked for last: a batch that spans the end of an epoch, or several loader threads
    /// around it, compute each permutation once.
    recent: Mutex<[Option<Epoch>; 2]>,
}

#[derive(Clone, Debug)]
struct Epoch {
    number: u32,
    indices: Arc<[u32]>,
}

/// Which sample, in which epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleIndex {
    /// The epoch, from 0. It keys a view's random numbers: every epoch draws other views of an image.
    pub epoch: u32,
    /// The index of the image in its source.
    pub index: u32,
}

impl Order {
    /// The order of `len` samples for a seed.
    ///
    /// # Errors
    /// When there are fewer than 2 or more than [`MAX_LEN`] samples.
    pub fn new(seed: u64, len: usize) -> Result<Self, DataError> {
        let name = || "the data".to_string();
        match u32::try_from(len) {
            Ok(0 | 1) => Err(DataError::TooFew {
                name: name(),
                found: len,
            }),
            Ok(number) if len <= MAX_LEN => Ok(Self {
                seed,
                len: number,
                recent: Mutex::new([None, None]),
            }),
            _ => Err(DataError::TooMany {
                name: name(),
                found: len,
                limit: MAX_LEN,
            }),
        }
    }

    /// The sample at a position. Epoch numbers wrap around after 2^32 epochs.
    pub fn at(&self, position: u64) -> SampleIndex {
        let len = u64::from(self.len);
        let epoch = (position / len) as u32;
        let place = (position % len) as usize;
        SampleIndex {
            epoch,
            index: self.indices(epoch)[place],
        }
    }

    /// The samples of a batch of `size` at a position.
    pub fn batch(&self, position: u64, size: usize) -> Vec<SampleIndex> {
        (position..)
            .take(size)
            .map(|position| self.at(position))
            .collect()
    }

    /// The samples of the 0-based step of a run whose epochs are `len / size` whole batches each: the incomplete last batch
    /// of an epoch is dropped, and the next epoch begins with a new permutation.
    pub fn whole_batch(&self, step: u64, size: usize) -> Vec<SampleIndex> {
        let len = u64::from(self.len);
        let batches = (len / size.max(1) as u64).max(1);
        let position = step / batches * len + step % batches * size as u64;
        self.batch(position, size)
    }

    fn indices(&self, number: u32) -> Arc<[u32]> {
        // The cache only ever holds complete entries, so it is valid even if a thread panicked while holding the lock.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(epoch) = recent.iter().flatten().find(|epoch| epoch.number == number) {
            return epoch.indices.clone();
        }
        let indices: Arc<[u32]> = permutation(self.seed, Stream::Order, number, self.len).into();
        recent.swap(0, 1);
        recent[0] = Some(Epoch {
            number,
            indices: indices.clone(),
        });
        indices
    }
}

impl Clone for Order {
    fn clone(&self) -> Self {
        Self {
            seed: self.seed,
            len: self.len,
            recent: Mutex::new([None, None]),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_sample_comes_once_in_an_epoch() {
        let order = Order::new(3, 17).unwrap();
        let stream = order.batch(0, 17 * 5);
        for (epoch, samples) in stream.chunks(17).enumerate() {
            assert!(samples.iter().all(|sample| sample.epoch as usize == epoch));
            let mut indices: Vec<u32> = samples.iter().map(|sample| sample.index).collect();
            indices.sort_unstable();
            assert!(indices.into_iter().eq(0..17));
        }
        assert_ne!(
            stream[..17].iter().map(|v| v.index).collect::<Vec<_>>(),
            (0..17).collect::<Vec<_>>()
        );
        assert_ne!(
            stream[..17].iter().map(|v| v.index).collect::<Vec<_>>(),
            stream[17..34].iter().map(|v| v.index).collect::<Vec<_>>()
        );
    }

    #[test]
    fn whole_batches_drop_the_end_of_each_epoch() {
        let order = Order::new(3, 17).unwrap();
        for epoch in 0..3u32 {
            let batches = (0..3).map(|batch| order.whole_batch(u64::from(epoch) * 3 + batch, 5));
            let samples: Vec<SampleIndex> = batches.flatten().collect();
            assert!(samples.iter().all(|sample| sample.epoch == epoch));
            assert_eq!(samples, order.batch(u64::from(epoch) * 17, 15));
        }
    }

    #[test]
    fn a_position_means_the_same_from_anywhere() {
        let one = Order::new(9, 10).unwrap();
        let whole = one.batch(0, 100);
        for start in [95, 3, 50, 9, 10] {
            let resumed = Order::new(9, 10).unwrap();
            assert_eq!(resumed.batch(start as u64, 5), whole[start..start + 5]);
            assert_eq!(one.batch(start as u64, 5), whole[start..start + 5]);
        }
        assert_ne!(Order::new(10, 10).unwrap().batch(0, 100), whole);
    }

    #[test]
    fn far_positions_and_bad_lengths() {
        let order = Order::new(0, 2).unwrap();
        assert_eq!(order.at((1 << 33) - 1).epoch, u32::MAX);
        assert!(order.at(u64::MAX).index < 2);
        assert!(matches!(
            Order::new(0, 1),
            Err(DataError::TooFew { found: 1, .. })
        ));
    }

    #[test]
    fn it_can_be_shared_between_threads() {
        let order = Order::new(5, 100).unwrap();
        let whole = order.batch(0, 400);
        std::thread::scope(|scope| {
            for start in 0..4 {
                let (order, whole) = (&order, &whole);
                scope.spawn(move || {
                    assert_eq!(
                        order.batch(start * 100, 100),
                        whole[start as usize * 100..][..100]
                    )
                });
            }
        });
    }
}
