//! The endless stream of examples: which one comes at which position of a run.

use std::sync::{Arc, Mutex, PoisonError};

use parallax_rng::{Stream, permutation};

use crate::DataError;
use crate::source::MAX_LEN;

/// Fresh random orders of the whole set, one after the other, without end.
///
/// A position counts examples from the start of the run, whatever the batch size, so batches run on over the end of a
/// pass and every example comes exactly once a pass. It is a pure function of (seed, length, position): to resume is
/// to go on at a position. Examples are always shuffled, also where the folder is sorted by class.
#[derive(Debug)]
pub struct Order {
    seed: u64,
    len: u32,
    /// The orders of the pass last asked for and of the one before: a batch that runs over the end of a pass, or
    /// several loader threads around it, compute each order once.
    recent: Mutex<[Option<Pass>; 2]>,
}

#[derive(Clone, Debug)]
struct Pass {
    number: u32,
    indices: Arc<[u32]>,
}

/// One example of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visit {
    /// How often the whole set was gone through before. It is the epoch of the random draws of a view: the same
    /// image gets other views at each pass.
    pub pass: u32,
    /// Which image of the source.
    pub index: u32,
}

impl Order {
    /// The order of `len` examples under a seed.
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

    /// The number of examples in a pass.
    pub fn pass_len(&self) -> u32 {
        self.len
    }

    /// The example at a position. Pass numbers start again after 2^32 passes.
    pub fn at(&self, position: u64) -> Visit {
        let len = u64::from(self.len);
        let pass = (position / len) as u32;
        let place = (position % len) as usize;
        Visit {
            pass,
            index: self.indices(pass)[place],
        }
    }

    /// The examples of a batch of `size` that starts at a position.
    pub fn batch(&self, position: u64, size: usize) -> Vec<Visit> {
        (position..)
            .take(size)
            .map(|position| self.at(position))
            .collect()
    }

    fn indices(&self, number: u32) -> Arc<[u32]> {
        // The cache holds whole values only, so it is good even if a thread died while it held the lock.
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pass) = recent.iter().flatten().find(|pass| pass.number == number) {
            return pass.indices.clone();
        }
        let indices: Arc<[u32]> = permutation(self.seed, Stream::Order, number, self.len).into();
        recent.swap(0, 1);
        recent[0] = Some(Pass {
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
    fn each_example_comes_once_a_pass() {
        let order = Order::new(3, 17).unwrap();
        let stream = order.batch(0, 17 * 5);
        for (pass, visits) in stream.chunks(17).enumerate() {
            assert!(visits.iter().all(|visit| visit.pass as usize == pass));
            let mut indices: Vec<u32> = visits.iter().map(|visit| visit.index).collect();
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
        assert_eq!(order.at((1 << 33) - 1).pass, u32::MAX);
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
