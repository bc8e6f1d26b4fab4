//! Learning rate and target momentum over time (methods.md 4.3, 3.4).

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

/// Where a warm-up starts.
const WARMUP_START: f64 = 1e-6;

/// Shape of the learning rate's curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Linear rise, then half a cosine.
    WarmupCosine,
    /// Half a cosine.
    Cosine,
    /// A tenth after 60 % of the steps, a hundredth after 80 %.
    Step,
}

/// The learning rate of every step.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Shape.
    pub kind: ScheduleKind,
    /// Highest rate, already scaled with the batch.
    pub peak: f64,
    /// Steps of rise.
    pub warmup_steps: u64,
    /// Steps of the run.
    pub total_steps: u64,
}

impl Schedule {
    /// F(k): the rate of the 0-based step `k`.
    pub fn rate(&self, k: u64) -> f64 {
        let (step, total) = (k as f64, self.total_steps as f64);
        let warmup = match self.kind {
            ScheduleKind::WarmupCosine => self.warmup_steps as f64,
            ScheduleKind::Cosine => 0.0,
            ScheduleKind::Step => {
                let passed = [60, 80]
                    .iter()
                    .filter(|&&m| k >= self.total_steps * m / 100)
                    .count();
                return self.peak * [1.0, 0.1, 0.01][passed];
            }
        };
        if warmup > 0.0 && step <= warmup {
            return (self.peak - WARMUP_START) * step / warmup + WARMUP_START;
        }
        let along = (step - warmup) / (total - warmup).max(1.0);
        self.peak * 0.5 * (1.0 + libm::cos(PI * along))
    }
}

/// Shape of the target's momentum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MomentumKind {
    /// Rises to 1 along half a cosine.
    #[default]
    Cosine,
    /// Stays.
    Constant,
}

/// The target's momentum at every step.
#[derive(Clone, Copy, Debug)]
pub struct Momentum {
    /// Shape.
    pub kind: MomentumKind,
    /// First value.
    pub base: f64,
    /// Steps of the run.
    pub total_steps: u64,
}

impl Momentum {
    /// m(t) after the 1-based step `t`.
    pub fn at(&self, t: u64) -> f64 {
        match self.kind {
            MomentumKind::Constant => self.base,
            MomentumKind::Cosine => {
                let cosine = libm::cos(PI * t as f64 / self.total_steps as f64);
                1.0 - (1.0 - self.base) * (cosine + 1.0) / 2.0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The checks of methods.md 4.3: 100 epochs of 5,004 steps, 10 of warm-up, rate 0.03.
    fn paper(epochs: u64) -> Schedule {
        Schedule {
            kind: ScheduleKind::WarmupCosine,
            peak: 0.03,
            warmup_steps: 50_040,
            total_steps: epochs * 5_004,
        }
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 5e-11, "{a} is not {b}");
    }

    #[test]
    fn warmup_cosine() {
        close(paper(100).rate(0), 1e-6);
        close(paper(100).rate(1), 1.599_500_4e-6);
        close(paper(100).rate(25_020), 0.015_000_5);
        close(paper(100).rate(50_040), 0.03);
        close(paper(100).rate(250_200), 0.017_604_722_7);
        close(paper(200).rate(500_400), 0.016_238_690_2);
    }

    #[test]
    fn steps_fall_at_sixty_and_eighty_percent() {
        let schedule = Schedule {
            kind: ScheduleKind::Step,
            ..paper(200)
        };
        for (k, rate) in [
            (600_479, 0.03),
            (600_480, 0.003),
            (800_639, 0.003),
            (800_640, 0.0003),
        ] {
            close(schedule.rate(k), rate);
        }
    }

    #[test]
    fn momentum_rises_to_one() {
        let momentum = Momentum {
            kind: MomentumKind::Cosine,
            base: 0.99,
            total_steps: 400,
        };
        let points = [
            (100, 0.991_464_466),
            (200, 0.995),
            (300, 0.998_535_534),
            (400, 1.0),
        ];
        for (t, expected) in points {
            assert!((momentum.at(t) - expected).abs() < 5e-10);
        }
    }
}
