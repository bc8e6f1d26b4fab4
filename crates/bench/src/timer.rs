//! Times of an operation on a device.

use std::rc::Rc;

use burn::tensor::{Device, Tensor};
use parallax_gpu_views::ViewError;
use parallax_views::LengthMismatch;
use thiserror::Error;

use crate::launches::count_launches;

/// A wait may take this share of what is timed, at most.
const SHARE: f64 = 0.05;
/// Operations between two waits, at most.
const MOST: usize = 1024;

/// What can go wrong.
#[derive(Debug, Error)]
pub enum BenchError {
    /// The device refused work.
    #[error("the device failed: {0}")]
    Device(String),
    /// A size of zero.
    #[error("{0} must be 1 or more")]
    Zero(&'static str),
    /// Only kernels for GPUs have tiles.
    #[error("tiles are for GPUs: the CPU has none to choose")]
    NoTiles,
    /// Views cannot be made of the image, or not on the device.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A view has not the size that was asked for.
    #[error(transparent)]
    Length(#[from] LengthMismatch),
}

/// A device and a clock.
pub struct Bench<'a> {
    device: Device,
    clock: &'a dyn Fn() -> f64,
    budget: f64,
    fence: Tensor<1>,
}

/// An operation with its operands: a call queues it once.
pub(crate) type Work = Rc<dyn Fn()>;

/// What an operation costs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// Seconds of one run.
    pub seconds: f64,
    /// Kernels launched by one run; 0 on the CPU.
    pub dispatches: usize,
}

impl<'a> Bench<'a> {
    /// `device` is one without autodiff, `clock` gives seconds since any moment, `budget` is the time in seconds for
    /// each figure.
    pub fn new(device: &Device, clock: &'a dyn Fn() -> f64, budget: f64) -> Self {
        Self {
            device: device.clone(),
            clock,
            budget,
            fence: Tensor::zeros([1], device),
        }
    }

    /// The same clock and budget on another device.
    pub fn on(&self, device: &Device) -> Self {
        Self::new(device, self.clock, self.budget)
    }

    /// Where things are measured.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// The time now, in seconds.
    pub fn now(&self) -> f64 {
        (self.clock)()
    }

    /// Waits until the device has done what was queued: a value is computed after it, and read. One that had been there before
    /// would be read at once.
    ///
    /// # Errors
    /// When the device has failed.
    pub async fn wait(&self) -> Result<(), BenchError> {
        // A browser must not block; elsewhere the device says itself when it is done.
        #[cfg(not(target_family = "wasm"))]
        if let Err(error) = self.device.sync() {
            return Err(BenchError::Device(format!("{error:?}")));
        }
        match (self.fence.clone() + 1.0).into_data_async().await {
            Ok(_) => Ok(()),
            Err(error) => Err(BenchError::Device(format!("{error:?}"))),
        }
    }

    /// Seconds of one run of `work`, and what it launches: the median of as many measurements as take about the
    /// budget, three at least. `work` queues its operations; where one is short compared with a wait for the
    /// device, several are queued in a row, and the wait is subtracted.
    ///
    /// # Errors
    /// When the device has failed.
    pub async fn measure(&self, mut work: impl FnMut()) -> Result<Measured, BenchError> {
        let mut turns = [self.warmed(&mut work).await?];
        self.take_turns(&mut turns).await?;
        let [turn] = turns;
        Ok(turn.measured())
    }

    /// As [`Bench::measure`] of each, alternating: what slows the machine for a while slows all of them.
    ///
    /// # Errors
    /// When the device has failed.
    pub(crate) async fn in_turn(&self, works: &[Work]) -> Result<Vec<Measured>, BenchError> {
        let mut works: Vec<_> = works.iter().map(|work| move || work()).collect();
        let mut turns = Vec::with_capacity(works.len());
        for work in &mut works {
            turns.push(self.warmed(work).await?);
        }
        self.take_turns(&mut turns).await?;
        Ok(turns.into_iter().map(Turn::measured).collect())
    }

    /// Kernels are compiled in the first run, and counted in the second.
    async fn warmed<'w>(&self, work: &'w mut dyn FnMut()) -> Result<Turn<'w>, BenchError> {
        work();
        self.wait().await?;
        let dispatches = count_launches(&mut *work);
        self.wait().await?;
        Ok(Turn {
            work,
            dispatches,
            runs: 1,
            times: Vec::new(),
        })
    }

    async fn take_turns(&self, turns: &mut [Turn<'_>]) -> Result<(), BenchError> {
        let mut idle = f64::INFINITY;
        for _ in 0..5 {
            let begin = self.now();
            self.wait().await?;
            idle = idle.min(self.now() - begin);
        }
        // Browsers round their clocks to a tenth of a millisecond.
        let enough = (idle / SHARE).max(2e-3).min(self.budget);
        let (begin, budget) = (self.now(), self.budget * turns.len() as f64);
        while turns.iter().any(|turn| turn.times.len() < 3) || self.now() - begin < budget {
            for turn in turns.iter_mut() {
                let start = self.now();
                for _ in 0..turn.runs {
                    (turn.work)();
                }
                self.wait().await?;
                let took = self.now() - start;
                if took < enough && turn.runs < MOST {
                    turn.runs *= 2;
                    turn.times.clear();
                } else {
                    turn.times.push((took - idle).max(0.0) / turn.runs as f64);
                }
            }
        }
        Ok(())
    }
}

/// Work that is being measured.
struct Turn<'w> {
    work: &'w mut dyn FnMut(),
    dispatches: usize,
    /// Runs that are timed at once.
    runs: usize,
    times: Vec<f64>,
}

impl Turn<'_> {
    fn measured(self) -> Measured {
        Measured {
            seconds: median(self.times),
            dispatches: self.dispatches,
        }
    }
}

/// The middle one, the upper of two; 0 of none.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.get(values.len() / 2);
    middle.copied().unwrap_or_default()
}
