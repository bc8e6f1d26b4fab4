//! Schedules of the learning rate and of the EMA momentum (methods.md 4.3, 3.4).

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// The learning rate of the first step of a warm-up.
const WARMUP_START: f64 = 1e-6;
/// Fraction of the rate that the first step of a fine-tuning has.
const TRANSFER_START: f64 = 0.001;

/// The shape of a learning-rate schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Linear warm-up, then cosine decay to 0.
    WarmupCosine,
    /// Cosine decay to 0.
    Cosine,
    /// Times 0.1 at 60 % and at 80 % of the steps.
    Step,
    /// Linear warm-up from a thousandth, then times 0.1 at 3/4 and 11/12 of the steps (methods.md 7.2).
    Transfer,
}

/// The shape of a schedule with its step numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// Linear warm-up over `warmup` steps, then cosine decay to 0.
    WarmupCosine {
        /// Steps of warm-up.
        warmup: u64,
    },
    /// Cosine decay to 0.
    Cosine,
    /// Times 0.1 from each of these 0-based steps on.
    Steps([u64; 2]),
    /// Linear warm-up from a thousandth of the rate over `warmup` steps, then times 0.1 from each of these 0-based steps on.
    WarmupSteps {
        /// Steps of warm-up.
        warmup: u64,
        /// The steps with a lower rate.
        steps: [u64; 2],
    },
}

/// The learning rate of every step.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Shape and step numbers.
    pub curve: Curve,
    /// The highest rate, already scaled with the batch size.
    pub peak: f64,
    /// Steps of the run.
    pub total_steps: u64,
}

impl Schedule {
    /// F(k): the learning rate of the 0-based step `k`.
    pub fn rate(&self, k: u64) -> f64 {
        let (step, total) = (k as f64, self.total_steps as f64);
        let warmup = match self.curve {
            Curve::WarmupCosine { warmup } => warmup as f64,
            Curve::Cosine => 0.0,
            Curve::Steps(steps) => return self.peak * decay(steps, k),
            Curve::WarmupSteps { warmup, steps } => {
                let along = step / warmup as f64;
                let rise = match k < warmup {
                    true => TRANSFER_START * (1.0 - along) + along,
                    false => 1.0,
                };
                return self.peak * rise * decay(steps, k);
            }
        };
        if warmup > 0.0 && step <= warmup {
            return (self.peak - WARMUP_START) * step / warmup + WARMUP_START;
        }
        let along = (step - warmup) / (total - warmup).max(1.0);
        self.peak * 0.5 * (1.0 + libm::cos(PI * along))
    }
}

/// A tenth for each of `steps` that is not above `k`.
fn decay(steps: [u64; 2], k: u64) -> f64 {
    let passed = steps.iter().filter(|&&step| k >= step);
    [1.0, 0.1, 0.01][passed.count()]
}

/// The shape of the schedule of the EMA momentum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EmaScheduleKind {
    /// From the base to 1 along a cosine.
    #[default]
    Cosine,
    /// Constant.
    Constant,
}

/// The momentum of the target network's EMA at every step.
#[derive(Clone, Copy, Debug)]
pub struct EmaSchedule {
    /// Shape.
    pub kind: EmaScheduleKind,
    /// The initial momentum, from 0 to 1.
    pub base: f64,
    /// Steps of the run.
    pub total_steps: u64,
}

impl EmaSchedule {
    /// m(t), for the EMA update of the 1-based step `t`.
    pub fn at(&self, t: u64) -> f64 {
        match self.kind {
            EmaScheduleKind::Constant => self.base,
            EmaScheduleKind::Cosine => {
                let cosine = libm::cos(PI * t as f64 / self.total_steps as f64);
                1.0 - (1.0 - self.base) * (cosine + 1.0) / 2.0
            }
        }
    }
}
