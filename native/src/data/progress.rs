//! A progress bar on standard error; plain lines where that is not a terminal.

use std::sync::{Mutex, MutexGuard, PoisonError};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rayon::prelude::*;

/// The unit of a progress bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a download or a file.
    Bytes,
    /// Images.
    Images,
    /// Files of many images.
    Shards,
}

/// Shows progress. Can be shared between threads.
pub struct Progress {
    /// The bar of the current step.
    bar: Mutex<ProgressBar>,
    silent: bool,
}

impl Progress {
    /// Progress on standard error.
    pub fn stderr() -> Self {
        Self {
            bar: Mutex::new(ProgressBar::hidden()),
            silent: false,
        }
    }

    /// No progress, for tests.
    #[cfg(test)]
    pub fn hidden() -> Self {
        Self {
            bar: Mutex::new(ProgressBar::hidden()),
            silent: true,
        }
    }

    /// Begins a step. `total` is 0 where it is unknown.
    pub fn start(&self, step: &str, total: u64, unit: Unit) {
        self.clear();
        if self.silent {
            return;
        }
        let amount = match (unit, total) {
            (Unit::Bytes, 0) => "{bytes} {bytes_per_sec}",
            (Unit::Bytes, _) => "{wide_bar} {bytes}/{total_bytes} {bytes_per_sec}",
            (Unit::Shards, _) => "{wide_bar} {human_pos}/{human_len} files",
            (Unit::Images, 0) => "{human_pos} images",
            (Unit::Images, _) => "{wide_bar} {human_pos}/{human_len} images",
        };
        // The templates above are valid, so the fallback is never used.
        let style = ProgressStyle::with_template(&format!("{{msg}} {amount}"))
            .unwrap_or_else(|_| ProgressStyle::default_spinner());
        let target = ProgressDrawTarget::stderr();
        if target.is_hidden() {
            eprintln!("{step}");
        }
        let bar = ProgressBar::with_draw_target(Some(total), target).with_style(style);
        *self.lock() = bar.with_message(step.to_string());
    }

    /// A step of its own: what `visit` gives for each number below `count`, in order, on all cores.
    pub fn map<T: Send>(
        &self,
        step: &str,
        count: usize,
        unit: Unit,
        visit: impl Fn(usize) -> T + Sync,
    ) -> Vec<T> {
        self.start(step, count as u64, unit);
        let found = (0..count)
            .into_par_iter()
            .map(|number| {
                let found = visit(number);
                self.step();
                found
            })
            .collect();
        self.clear();
        found
    }

    /// Sets the position of the step.
    pub fn at(&self, position: u64) {
        self.lock().set_position(position);
    }

    /// Advances the step by one.
    pub fn step(&self) {
        self.lock().inc(1);
    }

    /// Ends the step and prints a line that stays.
    pub fn say(&self, line: &str) {
        self.clear();
        if !self.silent {
            eprintln!("{line}");
        }
    }

    /// Removes the bar.
    pub fn clear(&self) {
        self.lock().finish_and_clear();
    }

    fn lock(&self) -> MutexGuard<'_, ProgressBar> {
        // A bar is valid even if a thread panicked while using it.
        self.bar.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
