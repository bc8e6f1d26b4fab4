//! Times of an operation on a device.

use burn::tensor::{Device, Tensor};
use parallax_gpu_views::ViewError;
use parallax_views::LengthMismatch;
use thiserror::Error;

use crate::launches::launches;

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
    /// Only kernels for GPUs are cut into tiles.
    #[error("tiles are for GPUs: neither the CPU nor an adapter that is a program takes them")]
    NoTiles,
    /// Views cannot be made of the picture, or not on the device.
    #[error(transparent)]
    View(#[from] ViewError),
    /// A view has not the size that was asked for.
    #[error(transparent)]
    Length(#[from] LengthMismatch),
}

/// A device with a clock beside it.
pub struct Bench<'a> {
    device: Device,
    clock: &'a dyn Fn() -> f64,
    budget: f64,
    fence: Tensor<1>,
}

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

    /// Waits until the device has done what was queued: a value is computed behind it, and read. One that was there before
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
    /// budget, three at least. `work` queues its operations; where one takes little beside a wait for the device,
    /// several are queued in a row, and the wait is taken off.
    ///
    /// # Errors
    /// When the device has failed.
    pub async fn measure(&self, mut work: impl FnMut()) -> Result<Measured, BenchError> {
        // Kernels are compiled in the first run.
        work();
        self.wait().await?;
        let dispatches = launches(&mut work);
        self.wait().await?;
        let mut idle = f64::INFINITY;
        for _ in 0..5 {
            let begin = self.now();
            self.wait().await?;
            idle = idle.min(self.now() - begin);
        }
        let mut times = Vec::new();
        let mut runs = 1;
        let begin = self.now();
        while times.len() < 3 || self.now() - begin < self.budget {
            let start = self.now();
            for _ in 0..runs {
                work();
            }
            self.wait().await?;
            let took = self.now() - start;
            // Browsers round their clocks to a tenth of a millisecond.
            let enough = (idle / SHARE).max(2e-3).min(self.budget);
            if took < enough && runs < MOST {
                runs *= 2;
                times.clear();
                continue;
            }
            times.push((took - idle).max(0.0) / runs as f64);
        }
        times.sort_by(f64::total_cmp);
        Ok(Measured {
            seconds: times[times.len() / 2],
            dispatches,
        })
    }
}
