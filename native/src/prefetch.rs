//! Batches loaded and augmented by threads, ahead of the step.

use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use parallax_train::{Batch, Loader};

/// Batches that each thread may be ahead.
const AHEAD: usize = 2;

/// The batches of the steps in order; the same for any number of threads.
pub struct Prefetch<B> {
    threads: Vec<Receiver<Result<B>>>,
    turn: usize,
    /// Time that the step waited for its last batch.
    pub waited: Duration,
}

impl Prefetch<Batch> {
    /// Of views.
    pub fn of(loader: &Loader, from: u64, to: u64, threads: usize) -> Self {
        let loader = loader.clone();
        Self::start(move |step| Ok(loader.load(step)?), from, to, threads)
    }
}

impl<B: Send + 'static> Prefetch<B> {
    /// Starts `threads` threads that load the batches of the steps `from..to`; they end when the value is dropped.
    pub fn start(
        load: impl Fn(u64) -> Result<B> + Clone + Send + 'static,
        from: u64,
        to: u64,
        threads: usize,
    ) -> Self {
        let threads = threads.max(1);
        let receivers = (0..threads)
            .map(|number| {
                let (sender, receiver) = sync_channel(AHEAD);
                let load = load.clone();
                thread::spawn(move || {
                    for step in (from + number as u64..to).step_by(threads) {
                        // A closed channel means that the run has ended.
                        if sender.send(load(step)).is_err() {
                            return;
                        }
                    }
                });
                receiver
            })
            .collect();
        Self {
            threads: receivers,
            turn: 0,
            waited: Duration::ZERO,
        }
    }

    /// The next step's batch.
    pub fn next(&mut self) -> Result<B> {
        let begin = Instant::now();
        let received = self.threads[self.turn].recv();
        self.waited = begin.elapsed();
        self.turn = (self.turn + 1) % self.threads.len();
        received.context("the loader stopped before the run's end")?
    }
}
