//! Counts kernels as they are launched.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use cubecl::logging::{LaunchObservation, LaunchObserver};

#[derive(Default)]
struct Count(AtomicUsize);

impl LaunchObserver for Count {
    fn launched(&self, _kernel: &'static str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The number of kernels that `work` launches, on any GPU; those of other threads meanwhile count, too.
pub fn count_launches(work: impl FnOnce()) -> usize {
    let count = Arc::new(Count::default());
    let observation = LaunchObservation::new(count.clone());
    work();
    drop(observation);
    count.0.load(Ordering::Relaxed)
}
