//! Tasks, in parallel where there are threads, else one after the other. A task's result does not depend on which.

#[cfg(target_family = "wasm")]
pub mod wasm;

/// Operations that one thread does in less time than it takes to wake another.
const MIN_WORK: usize = 1 << 19;

/// Threads that work is shared among.
pub fn count() -> usize {
    #[cfg(not(target_family = "wasm"))]
    return rayon::current_num_threads();
    #[cfg(target_family = "wasm")]
    wasm::count()
}

/// Runs `task(index, piece)` for every piece of the output; together they take about `work` operations.
pub fn each<T: Send, F: Fn(usize, T) + Sync>(
    work: usize,
    pieces: impl Iterator<Item = T>,
    task: F,
) {
    if work < MIN_WORK || !can_share() {
        return pieces
            .enumerate()
            .for_each(|(index, piece)| one(&task, index, piece));
    }
    share(pieces.collect(), |index, piece| one(&task, index, piece));
}

/// One task. In WebAssembly, where code has to be loaded, it exists once for both ways of running it.
#[cfg_attr(target_family = "wasm", inline(never))]
fn one<T, F: Fn(usize, T)>(task: &F, index: usize, piece: T) {
    task(index, piece);
}

#[cfg(not(target_family = "wasm"))]
fn can_share() -> bool {
    true
}

#[cfg(not(target_family = "wasm"))]
fn share<T: Send, F: Fn(usize, T) + Sync>(pieces: Vec<T>, task: F) {
    use rayon::prelude::*;
    let pieces = pieces.into_par_iter().enumerate();
    pieces.for_each(|(index, piece)| task(index, piece));
}

#[cfg(target_family = "wasm")]
use wasm::{can_share, share};
