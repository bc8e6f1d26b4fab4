//! The handle of a run's ranks.

use std::fmt;
use std::ops::{Add, Range};

use bytemuck::{Pod, cast_slice, cast_slice_mut};

use crate::error::RanksError;
use crate::exchange::{Exchange, Traffic};

/// Bytes up to which every rank adds all of a sum itself: one exchange of more bytes instead of two.
const SMALL: usize = 16 << 10;

/// What is added over ranks.
pub trait Summand: Pod + Add<Output = Self> {}
impl Summand for f32 {}
impl Summand for f64 {}

/// The ranks of a run, seen from one of them. One process alone is rank 0 of 1.
///
/// A host connects its processes for as long as they live, which is why the handle is a copy.
#[derive(Clone, Copy, Default)]
pub struct Ranks(Option<&'static dyn Exchange>);

impl Ranks {
    /// One process: every exchange gives back what it was given.
    pub const ONE: Self = Self(None);

    /// The ranks that a host has connected.
    pub fn new(exchange: &'static dyn Exchange) -> Self {
        Self((exchange.size() > 1).then_some(exchange))
    }

    /// This process's number, from 0.
    pub fn rank(self) -> usize {
        self.0.map_or(0, Exchange::rank)
    }

    /// Processes of the run.
    pub fn size(self) -> usize {
        self.0.map_or(1, Exchange::size)
    }

    /// Whether this is rank 0, which writes what a run leaves.
    pub fn is_first(self) -> bool {
        self.rank() == 0
    }

    /// Whether there is one rank only.
    pub fn is_one(self) -> bool {
        self.0.is_none()
    }

    /// This rank's part of `len` items, in rank order; parts differ in length by one at most.
    pub fn part(self, len: usize) -> Range<usize> {
        self.part_of(self.rank(), len)
    }

    /// The part of another rank.
    pub fn part_of(self, rank: usize, len: usize) -> Range<usize> {
        rank * len / self.size()..(rank + 1) * len / self.size()
    }

    /// Fails where an exchange has failed before. Operations that cannot return errors go on with their own values then, so
    /// that a step ends; it must not be taken.
    ///
    /// # Errors
    /// That of the exchange.
    pub fn check(self) -> Result<(), RanksError> {
        self.0.and_then(Exchange::failed).map_or(Ok(()), Err)
    }

    /// What the exchanges so far have cost this rank.
    pub fn traffic(self) -> Traffic {
        self.0.map_or_else(Traffic::default, Exchange::traffic)
    }

    /// The values of every rank, in rank order.
    ///
    /// # Errors
    /// When another rank has ended.
    pub fn gather<T: Pod>(self, own: &[T]) -> Result<Vec<T>, RanksError> {
        let Some(exchange) = self.0 else {
            return Ok(own.to_vec());
        };
        let mut all = vec![T::zeroed(); own.len() * exchange.size()];
        exchange.all_gather(cast_slice(own), cast_slice_mut(&mut all))?;
        Ok(all)
    }

    /// Texts or other bytes of any length of every rank, in rank order.
    ///
    /// # Errors
    /// When another rank has ended.
    pub fn gather_bytes(self, own: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        let padded = self.gather_padded(own)?;
        Ok(padded.parts().map(<[u8]>::to_vec).collect())
    }

    /// Values of which ranks may have different numbers, in rank order.
    ///
    /// # Errors
    /// When another rank has ended.
    pub fn gather_parts<T: Pod>(self, own: &[T]) -> Result<Vec<T>, RanksError> {
        let padded = self.gather_padded(own)?;
        Ok(padded.parts().flatten().copied().collect())
    }

    /// The values of every rank, filled up to the length of the longest.
    fn gather_padded<T: Pod>(self, own: &[T]) -> Result<Padded<T>, RanksError> {
        let lengths = self.gather(&[own.len() as u64])?;
        let longest = lengths.iter().max().map_or(0, |&longest| longest as usize);
        let mut padded = own.to_vec();
        padded.resize(longest, T::zeroed());
        Ok(Padded {
            all: self.gather(&padded)?,
            longest,
            lengths,
        })
    }

    /// Replaces the values by those of rank 0.
    ///
    /// # Errors
    /// When another rank has ended.
    pub fn broadcast<T: Pod>(self, values: &mut [T]) -> Result<(), RanksError> {
        self.0.map_or(Ok(()), |exchange| {
            exchange.broadcast(cast_slice_mut(values))
        })
    }

    /// The sums of the values over all ranks, added in rank order.
    ///
    /// # Errors
    /// When another rank has ended.
    pub fn sum<T: Summand>(self, values: Vec<T>) -> Result<Vec<T>, RanksError> {
        self.sum_as(values, |value| value, |value| value)
    }

    /// [`Ranks::sum`] of values that travel as another type, both ways: sums are made in `T`.
    ///
    /// # Errors
    /// As [`Ranks::sum`].
    pub fn sum_as<T: Summand, S: Pod>(
        self,
        mut values: Vec<S>,
        unpack: impl Fn(S) -> T,
        pack: impl Fn(T) -> S,
    ) -> Result<Vec<S>, RanksError> {
        let Some(exchange) = self.0 else {
            return Ok(values);
        };
        let (size, len) = (exchange.size(), values.len());
        // `size` vectors of one length, one behind the other.
        let added = |all: &[S], len: usize| -> Vec<S> {
            let (first, others) = all.split_at(len);
            let mut sums: Vec<T> = first.iter().map(|&value| unpack(value)).collect();
            for other in others.chunks_exact(len.max(1)) {
                for (sum, &value) in sums.iter_mut().zip(other) {
                    *sum = *sum + unpack(value);
                }
            }
            sums.into_iter().map(&pack).collect()
        };
        if size_of_val(values.as_slice()) <= SMALL {
            return Ok(added(&self.gather(&values)?, len));
        }
        // Each rank adds one slice of all ranks, then the slices are gathered.
        let slice = len.div_ceil(size);
        values.resize(slice * size, S::zeroed());
        let mut all = vec![S::zeroed(); slice * size];
        exchange.all_to_all(cast_slice(&values), cast_slice_mut(&mut all))?;
        let sums = added(&all, slice);
        exchange.all_gather(cast_slice(&sums), cast_slice_mut(&mut values))?;
        values.truncate(len);
        Ok(values)
    }

    /// The first rank whose bytes differ from those of rank 0, if one's do.
    ///
    /// # Errors
    /// When another rank has ended.
    pub fn first_difference(self, own: &[u8]) -> Result<Option<usize>, RanksError> {
        let all = self.gather_bytes(own)?;
        Ok(all.iter().position(|other| Some(other) != all.first()))
    }
}

/// Values of ranks that were filled up to one length.
struct Padded<T> {
    all: Vec<T>,
    longest: usize,
    /// Of the values that each rank gave.
    lengths: Vec<u64>,
}

impl<T> Padded<T> {
    /// What each rank gave.
    fn parts(&self) -> impl Iterator<Item = &[T]> {
        let begins = (0..self.lengths.len()).map(|rank| rank * self.longest);
        let part = |(begin, &length): (usize, &u64)| &self.all[begin..begin + length as usize];
        begins.zip(&self.lengths).map(part)
    }
}

impl PartialEq for Ranks {
    fn eq(&self, other: &Self) -> bool {
        (self.rank(), self.size()) == (other.rank(), other.size())
    }
}

impl Eq for Ranks {}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank(), self.size())
    }
}
