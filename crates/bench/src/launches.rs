//! Counts kernels as they are launched.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use cubecl::logging::{LaunchObservation, LaunchObserver};

#[derive(Default)]
struct Seen(Mutex<BTreeMap<&'static str, usize>>);

impl LaunchObserver for Seen {
    fn launched(&self, kernel: &'static str) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *seen.entry(kernel).or_default() += 1;
    }
}

/// How often `work` launches each kernel, by the kernel's name, on any GPU; launches of other threads meanwhile count, too.
pub fn launches(work: impl FnOnce()) -> BTreeMap<String, usize> {
    let seen = Arc::new(Seen::default());
    let observation = LaunchObservation::new(seen.clone());
    work();
    drop(observation);
    let seen = seen.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut named = BTreeMap::new();
    for (kernel, count) in seen.iter() {
        *named.entry(short(kernel)).or_default() += count;
    }
    named
}

/// The number of kernels that `work` launches, likewise.
pub fn count_launches(work: impl FnOnce()) -> usize {
    launches(work).values().sum()
}

/// The function that a kernel's type was made of: the path without the crate's, and without the types of its parameters.
fn short(kernel: &str) -> String {
    let path = kernel.split('<').next().unwrap_or(kernel);
    let mut parts: Vec<&str> = path.split("::").collect();
    // The type of a kernel lies in a module with the function's name.
    if parts.len() > 1 {
        parts.pop();
    }
    parts.last().copied().unwrap_or(path).to_string()
}
