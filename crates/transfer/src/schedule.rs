//! The learning rate of detection and segmentation (methods.md 7.2, 7.9).

/// Fraction of the rate that the first step has.
const START: f64 = 0.001;

/// Linear warm-up from a thousandth, times a tenth from each milestone on, times `(1 - t / total_steps)^power`.
#[derive(Clone, Debug, PartialEq)]
pub struct TransferSchedule {
    /// The highest rate.
    pub peak: f64,
    /// Steps of warm-up.
    pub warmup: u64,
    /// 0-based steps with a lower rate.
    pub milestones: Vec<u64>,
    /// Of the polynomial decay; `None` for none.
    pub power: Option<f64>,
    /// Steps of the run.
    pub total_steps: u64,
}

impl TransferSchedule {
    /// The learning rate of the 0-based step `t`.
    pub fn rate(&self, t: u64) -> f64 {
        let mut rate = self.peak;
        if t < self.warmup {
            let along = t as f64 / self.warmup as f64;
            rate *= START * (1.0 - along) + along;
        }
        for _ in self.milestones.iter().filter(|&&milestone| milestone <= t) {
            rate *= 0.1;
        }
        match self.power {
            Some(power) => rate * (1.0 - t as f64 / self.total_steps as f64).powf(power),
            None => rate,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warm_up_milestones_and_polynomial_decay_multiply() {
        let mut schedule = TransferSchedule {
            peak: 0.02,
            warmup: 100,
            milestones: vec![6750, 8250],
            power: None,
            total_steps: 9000,
        };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-15, "{a} {b}");
        near(schedule.rate(0), 0.00002);
        near(schedule.rate(50), 0.02 * 0.5005);
        near(schedule.rate(100), 0.02);
        near(schedule.rate(6749), 0.02);
        near(schedule.rate(6750), 0.002);
        near(schedule.rate(8999), 0.0002);
        schedule.milestones.clear();
        schedule.power = Some(0.9);
        near(
            schedule.rate(50),
            0.02 * 0.5005 * (1.0f64 - 50.0 / 9000.0).powf(0.9),
        );
        near(schedule.rate(9000), 0.0);
    }
}
