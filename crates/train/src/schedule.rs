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

/// A curve with its places in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// Linear rise over `warmup` steps, then half a cosine.
    WarmupCosine {
        /// Steps of rise.
        warmup: u64,
    },
    /// Half a cosine.
    Cosine,
    /// A tenth from the first of these 0-based steps on, a hundredth from the second.
    Steps([u64; 2]),
}

/// The learning rate of every step.
#[derive(Clone, Copy, Debug)]
pub struct Schedule {
    /// Shape and places.
    pub curve: Curve,
    /// Highest rate, already scaled with the batch.
    pub peak: f64,
    /// Steps of the run.
    pub total_steps: u64,
}

impl Schedule {
    /// F(k): the rate of the 0-based step `k`.
    pub fn rate(&self, k: u64) -> f64 {
        let (step, total) = (k as f64, self.total_steps as f64);
        let warmup = match self.curve {
            Curve::WarmupCosine { warmup } => warmup as f64,
            Curve::Cosine => 0.0,
            Curve::Steps(milestones) => {
                let passed = milestones.iter().filter(|&&milestone| k >= milestone);
                return self.peak * [1.0, 0.1, 0.01][passed.count()];
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
pub enum EmaScheduleKind {
    /// Rises to 1 along half a cosine.
    #[default]
    Cosine,
    /// Stays.
    Constant,
}

/// The target's momentum at every step.
#[derive(Clone, Copy, Debug)]
pub struct EmaSchedule {
    /// Shape.
    pub kind: EmaScheduleKind,
    /// First value.
    pub base: f64,
    /// Steps of the run.
    pub total_steps: u64,
}

impl EmaSchedule {
    /// m(t) after the 1-based step `t`.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::recipe::Recipe;

    /// The checks of methods.md 4.3: 5,004 steps an epoch, 256 images a step.
    const IMAGENET: usize = 1_281_167;

    fn paper(method: &str, epochs: u64) -> Recipe {
        let text = format!("[method]\nname = '{method}'\n[run]\nepochs = {epochs}");
        Recipe::parse(&text, &[]).unwrap()
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 5e-11, "{a} is not {b}");
    }

    #[test]
    fn warmup_cosine() {
        let schedule = |epochs| paper("byol", epochs).schedule(IMAGENET);
        assert_eq!(schedule(100).total_steps, 500_400);
        close(schedule(100).rate(0), 1e-6);
        close(schedule(100).rate(1), 1.599_500_4e-6);
        close(schedule(100).rate(25_020), 0.015_000_5);
        close(schedule(100).rate(50_040), 0.03);
        close(schedule(100).rate(250_200), 0.017_604_722_7);
        assert_eq!(schedule(200).total_steps, 1_000_800);
        close(schedule(200).rate(500_400), 0.016_238_690_2);
    }

    #[test]
    fn the_rate_is_for_256_images() {
        let mut recipe = paper("byol", 100);
        recipe.run.batch_size = 1024;
        close(recipe.schedule(IMAGENET).peak, 0.12);
        // That of the classifier is not scaled.
        close(recipe.online_schedule(IMAGENET).peak, 30.0);
    }

    #[test]
    fn cosine_has_no_rise() {
        let schedule = Schedule {
            curve: Curve::Cosine,
            peak: 0.2,
            total_steps: 400,
        };
        for (k, rate) in [(0, 0.2), (200, 0.1), (100, 0.170_710_678_118_654_75)] {
            close(schedule.rate(k), rate);
        }
    }

    #[test]
    fn milestones_are_percents_for_moco_v1_and_epochs_for_the_classifier() {
        let recipe = paper("moco-v1", 200);
        let (main, probe) = (recipe.schedule(IMAGENET), recipe.online_schedule(IMAGENET));
        for (k, rate) in [
            (600_479, 0.03),
            (600_480, 0.003),
            (800_639, 0.003),
            (800_640, 0.0003),
        ] {
            close(main.rate(k), rate);
        }
        for (k, rate) in [
            (300_239, 30.0),
            (300_240, 3.0),
            (400_319, 3.0),
            (400_320, 0.3),
        ] {
            close(probe.rate(k), rate);
        }
    }

    #[test]
    fn momentum_rises_to_one() {
        let momentum = EmaSchedule {
            kind: EmaScheduleKind::Cosine,
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
