//! Threads that a host lends to the loader, which starts none by itself.

use std::sync::{Mutex, PoisonError};

use crate::error::RunError;

/// Carries out pieces of work that do not depend on each other.
pub trait Workers: Sync {
    /// Calls `work` with every number below `count`, in any order and on any thread, and returns once all calls have.
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync));
}

/// The calling thread alone.
#[derive(Clone, Copy, Debug, Default)]
pub struct OneThread;

impl Workers for OneThread {
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(work);
    }
}

/// Does `work` on each item and returns the results in the order of the items, or the first error in that order.
pub(crate) fn map<T: Send, R: Send>(
    workers: &dyn Workers,
    items: Vec<T>,
    work: impl Fn(T) -> Result<R, RunError> + Sync,
) -> Result<Vec<R>, RunError> {
    enum Place<T, R> {
        Waiting(T),
        Done(Result<R, RunError>),
        Empty,
    }
    let places: Vec<Mutex<Place<T, R>>> = items
        .into_iter()
        .map(|item| Mutex::new(Place::Waiting(item)))
        .collect();
    workers.each(places.len(), &|index| {
        // Each place is used by one thread, once: no lock is waited for.
        let take = |new| {
            let mut place = places[index].lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *place, new)
        };
        if let Place::Waiting(item) = take(Place::Empty) {
            take(Place::Done(work(item)));
        }
    });
    let results = places.into_iter().map(|place| {
        match place.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Place::Done(result) => result,
            _ => Err(RunError::Device("a loader thread has stopped".to_string())),
        }
    });
    results.collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Backwards, as threads might.
    struct Backwards;

    impl Workers for Backwards {
        fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
            (0..count).rev().for_each(work);
        }
    }

    #[test]
    fn results_and_errors_are_in_the_order_of_the_items() {
        let odd = |item: u32| match item % 2 {
            1 => Ok(10 * item),
            _ => Err(RunError::View {
                index: item,
                reason: "even".into(),
            }),
        };
        assert_eq!(map(&Backwards, vec![1, 3, 5], odd).unwrap(), [10, 30, 50]);
        let error = map(&Backwards, vec![1, 2, 3, 4], odd).unwrap_err();
        assert!(matches!(error, RunError::View { index: 2, .. }));
        assert!(map(&OneThread, Vec::new(), odd).unwrap().is_empty());
    }
}
