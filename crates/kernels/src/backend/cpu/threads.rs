//! Tasks, in parallel natively and one after the other in WebAssembly. A task's result does not depend on which.

/// Operations that one thread does in less time than it takes to wake another.
#[cfg(not(target_family = "wasm"))]
const MIN_WORK: usize = 1 << 19;

/// Threads that work is shared among.
pub fn count() -> usize {
    #[cfg(not(target_family = "wasm"))]
    return rayon::current_num_threads();
    #[cfg(target_family = "wasm")]
    1
}

/// Runs `task(index, piece)` for every piece of the output; together they take about `work` operations.
#[cfg(not(target_family = "wasm"))]
pub fn each<T: Send, F: Fn(usize, T) + Sync>(
    work: usize,
    pieces: impl Iterator<Item = T>,
    task: F,
) {
    use rayon::prelude::*;
    if work < MIN_WORK {
        return pieces
            .enumerate()
            .for_each(|(index, piece)| task(index, piece));
    }
    let pieces: Vec<T> = pieces.collect();
    let pieces = pieces.into_par_iter().enumerate();
    pieces.for_each(|(index, piece)| task(index, piece));
}

/// Runs `task(index, piece)` for every piece of the output; together they take about `work` operations.
#[cfg(target_family = "wasm")]
pub fn each<T: Send, F: Fn(usize, T) + Sync>(
    _work: usize,
    pieces: impl Iterator<Item = T>,
    task: F,
) {
    for (index, piece) in pieces.enumerate() {
        task(index, piece);
    }
}
