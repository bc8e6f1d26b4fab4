//! Ranks within one process, for tests: the caller starts a thread for each.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::error::RanksError;
use crate::exchange::Exchange;
use crate::ranks::Ranks;

/// `size` connected ranks, in order. They are never freed.
pub fn ranks(size: usize) -> Vec<Ranks> {
    let table = Arc::new(Table {
        state: Mutex::new(State {
            given: vec![None; size],
            taken: 0,
            failed: None,
        }),
        changed: Condvar::new(),
    });
    let rank = |rank| {
        let table = Arc::clone(&table);
        Ranks::new(Box::leak(Box::new(Place { rank, size, table })))
    };
    (0..size).map(rank).collect()
}

struct Table {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// What each rank gives in this exchange.
    given: Vec<Option<Vec<u8>>>,
    /// Ranks that have taken from it.
    taken: usize,
    failed: Option<RanksError>,
}

struct Place {
    rank: usize,
    size: usize,
    table: Arc<Table>,
}

impl Place {
    /// Waits until `done`, or until an exchange has failed.
    fn wait<'a>(
        &self,
        mut state: MutexGuard<'a, State>,
        done: impl Fn(&State) -> bool,
    ) -> Result<MutexGuard<'a, State>, RanksError> {
        while !done(&state) {
            if let Some(error) = &state.failed {
                return Err(error.clone());
            }
            let waited = self.table.changed.wait(state);
            state = waited.unwrap_or_else(PoisonError::into_inner);
        }
        Ok(state)
    }

    /// What every rank gives.
    fn exchange(&self, own: &[u8]) -> Result<Vec<Vec<u8>>, RanksError> {
        let Table { state, changed } = self.table.as_ref();
        let state = state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut state = self.wait(state, |state| state.given[self.rank].is_none())?;
        state.given[self.rank] = Some(own.to_vec());
        changed.notify_all();
        let whole = |state: &State| state.given.iter().all(Option::is_some);
        let mut state = self.wait(state, whole)?;
        let all: Vec<Vec<u8>> = state.given.iter().flatten().cloned().collect();
        state.taken += 1;
        if state.taken == self.size {
            state.taken = 0;
            state.given.fill(None);
        }
        if let Some(other) = all.iter().find(|other| other.len() != own.len()) {
            let (own, other) = (own.len(), other.len());
            state.failed = Some(RanksError::Mismatch { own, other });
        }
        changed.notify_all();
        state.failed.clone().map_or(Ok(all), Err)
    }
}

impl Exchange for Place {
    fn rank(&self) -> usize {
        self.rank
    }

    fn size(&self) -> usize {
        self.size
    }

    fn all_gather(&self, own: &[u8], all: &mut [u8]) -> Result<(), RanksError> {
        all.copy_from_slice(&self.exchange(own)?.concat());
        Ok(())
    }

    fn all_to_all(&self, own: &[u8], all: &mut [u8]) -> Result<(), RanksError> {
        let part = own.len() / self.size;
        let (begin, given) = (self.rank * part, self.exchange(own)?);
        for (place, other) in all.chunks_exact_mut(part.max(1)).zip(&given) {
            place.copy_from_slice(&other[begin..begin + part]);
        }
        Ok(())
    }

    fn broadcast(&self, bytes: &mut [u8]) -> Result<(), RanksError> {
        let all = self.exchange(bytes)?;
        bytes.copy_from_slice(&all[0]);
        Ok(())
    }

    fn failed(&self) -> Option<RanksError> {
        let state = self.table.state.lock();
        state.unwrap_or_else(PoisonError::into_inner).failed.clone()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Runs a function on every one of `size` ranks; its results in rank order.
    fn on_each<R: Send>(size: usize, run: impl Fn(Ranks) -> R + Sync) -> Vec<R> {
        std::thread::scope(|scope| {
            let started = ranks(size).into_iter().map(|ranks| {
                let run = &run;
                scope.spawn(move || run(ranks))
            });
            let started: Vec<_> = started.collect();
            started.into_iter().map(|t| t.join().unwrap()).collect()
        })
    }

    /// Values whose sums depend on the order of addition.
    fn values(rank: usize, len: usize) -> Vec<f32> {
        let value = |index: usize| ((rank * 7919 + index * 104_729) % 1013) as f32 / 7.0 - 60.0;
        (0..len)
            .map(|index| value(index) * 10f32.powi(rank as i32))
            .collect()
    }

    #[test]
    fn sums_are_in_rank_order_whatever_their_length() {
        for (size, len) in [(2, 1), (3, 10), (4, 10_007), (5, 20_000), (1, 3)] {
            let expected: Vec<f32> = (0..len)
                .map(|at| (1..size).fold(values(0, len)[at], |sum, r| sum + values(r, len)[at]))
                .collect();
            let found = on_each(size, |ranks| ranks.sum(values(ranks.rank(), len)).unwrap());
            assert!(found.iter().all(|own| *own == expected), "{size} {len}");
        }
    }

    #[test]
    fn values_may_travel_in_another_type() {
        let found = on_each(2, |ranks| {
            let own = vec![1 + ranks.rank() as u16, 60_000];
            ranks.sum_as(own, f32::from, |v| v as u16).unwrap()
        });
        assert!(found.iter().all(|own| *own == [3, 65_535]));
    }

    #[test]
    fn everyone_gets_what_the_first_rank_has() {
        let found = on_each(3, |ranks| {
            let mut own = [ranks.rank() as f32 + 5.0; 2];
            ranks.broadcast(&mut own).unwrap();
            own
        });
        assert_eq!(found, [[5.0; 2]; 3]);
    }

    #[test]
    fn bytes_of_any_length_are_gathered() {
        let found = on_each(3, |ranks| {
            let own = vec![ranks.rank() as u8; ranks.rank()];
            let same = ranks.first_difference(&[7]).unwrap();
            (
                ranks.gather_bytes(&own).unwrap(),
                same,
                ranks.first_difference(&own).unwrap(),
            )
        });
        let all = vec![vec![], vec![1], vec![2, 2]];
        assert!(
            found
                .iter()
                .all(|found| *found == (all.clone(), None, Some(1)))
        );
    }

    #[test]
    fn ranks_that_do_not_do_the_same_fail_from_then_on() {
        on_each(2, |ranks| {
            let own = vec![0u8; 1 + ranks.rank()];
            assert!(matches!(
                ranks.gather(&own),
                Err(RanksError::Mismatch { .. })
            ));
            assert!(ranks.check().is_err() && ranks.gather(&[1u8]).is_err());
        });
    }

    #[test]
    fn parts_cover_everything_once() {
        for ranks in ranks(3) {
            assert_eq!(ranks.part_of(0, 7).end, ranks.part_of(1, 7).start);
            assert_eq!(ranks.part_of(2, 7).end, 7);
            assert_eq!(ranks.part(9).len(), 3);
        }
        assert_eq!(Ranks::ONE.part(7), 0..7);
    }
}
