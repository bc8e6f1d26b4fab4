//! Batches loaded and augmented by threads, ahead of the step.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use parallax_train::{Batch, Loader, OneThread, Workers};
use rayon::prelude::*;

/// Batches that each thread may be ahead.
const AHEAD: usize = 2;

/// Batches of views that are loaded or wait at once. While the last images of one are decoded, the threads begin with the
/// other.
const IN_FLIGHT: usize = 2;

/// Threads that share the images of a batch.
pub struct Threads(rayon::ThreadPool);

impl Threads {
    /// Starts `threads` threads; `None` where the system has none left.
    pub fn start(threads: usize) -> Option<Self> {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads.max(1));
        pool.thread_name(|number| format!("loader {number}"))
            .build()
            .ok()
            .map(Self)
    }
}

impl Workers for Threads {
    fn each(&self, count: usize, work: &(dyn Fn(usize) + Sync)) {
        self.0.install(|| (0..count).into_par_iter().for_each(work));
    }
}

/// The batches of the steps in order; the same for any number of threads.
pub struct Prefetch<B> {
    loading: Vec<Receiver<Result<B>>>,
    turn: usize,
    /// Time that the step waited for its last batch.
    pub waited: Duration,
}

impl Prefetch<Batch> {
    /// Of views. All threads work on the images of the same batch, so that memory is that of [`IN_FLIGHT`] batches and the
    /// step's own, however many threads there are.
    pub fn of(loader: &Loader, from: u64, to: u64, threads: usize) -> Self {
        let loader = loader.clone();
        let threads: Arc<Option<Threads>> = Arc::new(Threads::start(threads));
        let load = move |step| {
            let workers: &dyn Workers = match threads.as_ref() {
                Some(threads) => threads,
                None => &OneThread,
            };
            Ok(loader.load_with(step, workers)?)
        };
        // A finished batch waits with its sender.
        Self::loaded(load, from, to, (IN_FLIGHT, 0))
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
        Self::loaded(load, from, to, (threads.max(1), AHEAD))
    }

    /// By so many threads, each ahead by so many finished batches.
    fn loaded(
        load: impl Fn(u64) -> Result<B> + Clone + Send + 'static,
        from: u64,
        to: u64,
        (threads, ahead): (usize, usize),
    ) -> Self {
        let receivers = (0..threads)
            .map(|number| {
                let (sender, receiver) = sync_channel(ahead);
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
            loading: receivers,
            turn: 0,
            waited: Duration::ZERO,
        }
    }

    /// The next step's batch.
    pub fn next(&mut self) -> Result<B> {
        let begin = Instant::now();
        let received = self.loading[self.turn].recv();
        self.waited = begin.elapsed();
        self.turn = (self.turn + 1) % self.loading.len();
        received.context("the loader stopped before the run's end")?
    }
}
