//! The settings of a linear evaluation.

use parallax_train::{
    Augment, Curve, Decay, LinearEvalSection, Plan, Preset, Recipe, Schedule, Sgd,
};
use serde::{Deserialize, Serialize};

use crate::error::EvalError;

/// A linear evaluation; the preset's values unless they were changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinearEvalConfig {
    /// Whose values are the defaults; also says whether the rate is scaled with the batch, and whether momentum is
    /// Nesterov's.
    pub preset: Preset,
    /// Epochs, each of `examples / batch_size` whole batches.
    pub epochs: u64,
    /// Steps; takes precedence over `epochs`, by which milestones still count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_steps: Option<u64>,
    /// Images in a step's batch.
    pub batch_size: usize,
    /// Learning rate; in the preset `sgd` for 256 images a step.
    pub base_lr: f64,
    /// Epochs from which on the rate is a tenth and a hundredth; none where it falls along a cosine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestones: Option<[u64; 2]>,
    /// Epochs between two evaluations; 0 for the last one only.
    pub eval_every: u64,
    /// Epochs between two checkpoints; 0 for the last one only.
    pub checkpoint_every: u64,
    /// What the classifier is trained on.
    pub augment: Augment,
    /// Side of a view in pixels.
    pub size: u32,
    /// Of the classifier's initial weights, the order of images and the views.
    pub seed: u64,
}

impl LinearEvalConfig {
    /// A preset's, on views of `size` pixels.
    pub fn of(preset: Preset, size: u32) -> Self {
        let spec = preset.spec();
        Self {
            preset,
            epochs: spec.epochs,
            total_steps: None,
            batch_size: spec.batch_size,
            base_lr: spec.base_lr,
            milestones: match spec.decay {
                Decay::Epochs(epochs) => Some(epochs),
                Decay::Cosine => None,
            },
            eval_every: 20,
            checkpoint_every: 5,
            augment: Augment::default(),
            size,
            seed: 0,
        }
    }

    /// That of a recipe's `[probe.linear_eval]`, with one evaluation, at the end.
    pub fn of_probe(section: &LinearEvalSection, size: u32, seed: u64) -> Self {
        let base = Self::of(section.preset, size);
        Self {
            epochs: section.epochs.unwrap_or(base.epochs),
            batch_size: section.batch_size.unwrap_or(base.batch_size),
            base_lr: section.base_lr.unwrap_or(base.base_lr),
            milestones: base
                .milestones
                .map(|epochs| section.milestones.unwrap_or(epochs)),
            eval_every: 0,
            checkpoint_every: 0,
            augment: section.augment,
            seed,
            ..base
        }
    }

    /// Refuses values without meaning.
    ///
    /// # Errors
    /// Names the value and its range.
    pub fn check(&self) -> Result<(), EvalError> {
        let wrong = |key: &'static str, reason: &str| {
            let reason = reason.to_string();
            Err(EvalError::Value { key, reason })
        };
        match self {
            c if c.total_steps == Some(0) => wrong("total-steps", "must be at least 1"),
            c if c.epochs == 0 => wrong("epochs", "must be at least 1"),
            c if c.batch_size < 2 => wrong("batch-size", "must be at least 2"),
            c if !(c.base_lr > 0.0 && c.base_lr.is_finite()) => wrong("base-lr", "must be above 0"),
            c if !(8..=1024).contains(&c.size) => wrong("size", "must be from 8 to 1024 pixels"),
            c if c.milestones.is_some_and(|[first, second]| first > second) => {
                wrong("milestones", "must be two epochs in ascending order")
            }
            // TOML, which keeps the settings, has no larger integers.
            c if i64::try_from(c.seed).is_err() => wrong("seed", "must be below 2^63"),
            _ => Ok(()),
        }
    }

    /// Whole batches in an epoch over `examples`.
    pub fn steps_per_epoch(&self, examples: usize) -> u64 {
        (examples / self.batch_size.max(1)) as u64
    }

    /// Steps of the whole evaluation.
    pub fn total_steps(&self, examples: usize) -> u64 {
        let epochs = self.epochs * self.steps_per_epoch(examples);
        self.total_steps.unwrap_or(epochs)
    }

    /// The learning rate over time. Milestones are counted in steps: `int(T m / E)` for epoch m of E and T steps.
    pub fn schedule(&self, examples: usize) -> Schedule {
        let (total_steps, spec) = (self.total_steps(examples), self.preset.spec());
        let step = |epoch: u64| {
            let step = u128::from(total_steps) * u128::from(epoch) / u128::from(self.epochs.max(1));
            u64::try_from(step).unwrap_or(u64::MAX)
        };
        Schedule {
            curve: match self.milestones {
                Some(epochs) => Curve::Steps(epochs.map(step)),
                None => Curve::Cosine,
            },
            peak: match spec.per_256 {
                true => self.base_lr * self.batch_size as f64 / 256.0,
                false => self.base_lr,
            },
            total_steps,
        }
    }

    /// The classifier's update rule.
    pub fn rule(&self) -> Sgd {
        Sgd {
            nesterov: self.preset.spec().nesterov,
            ..Sgd::CLASSIFIER
        }
    }

    /// When the classifier is evaluated and saved.
    pub fn plan(&self, examples: usize) -> Plan {
        let epoch = self.steps_per_epoch(examples);
        Plan {
            total_steps: self.total_steps(examples),
            probe_every: vec![self.eval_every * epoch],
            checkpoint_every: Some(self.checkpoint_every * epoch).filter(|&steps| steps > 0),
            evaluate: true,
        }
    }

    /// The recipe by which a [`Loader`](parallax_train::Loader) makes the classifier's training views: one view an image,
    /// random resized crop and flip.
    ///
    /// # Errors
    /// When batch or size are out of range.
    pub fn views(&self) -> Result<Recipe, EvalError> {
        let (batch, seed, size) = (self.batch_size, self.seed, self.size);
        let text = format!(
            "[run]\nbatch_size = {batch}\nseed = {seed}\n[views]\npipeline = 'supervised'\nsize = {size}\n\
             [method]\nname = 'supervised'\n"
        );
        Ok(Recipe::parse(&text, &[]).map_err(parallax_train::RunError::from)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config(preset: Preset) -> LinearEvalConfig {
        LinearEvalConfig::of(preset, 32)
    }

    /// F(k) at the paper's scale: 1,281,167 images.
    #[test]
    fn rates_are_those_of_the_paper() {
        const IMAGES: usize = 1_281_167;
        let sgd = config(Preset::Sgd);
        assert_eq!(sgd.total_steps(IMAGES), 500_400);
        let rate = |k| sgd.schedule(IMAGES).rate(k);
        assert_eq!((rate(0), rate(300_239)), (30.0, 30.0));
        assert!((rate(300_240) - 3.0).abs() < 1e-12 && (rate(400_320) - 0.3).abs() < 1e-12);
        let large = config(Preset::LargeNorm);
        assert_eq!(large.total_steps(IMAGES), 80 * 1251);
        let schedule = large.schedule(IMAGES);
        assert_eq!(schedule.rate(0), 0.2);
        assert!((schedule.rate(40 * 1251) - 0.1).abs() < 1e-12);
        // The rate is fixed, whatever the batch.
        let release = config(Preset::LargeNormRelease);
        assert_eq!(release.schedule(IMAGES).rate(0), 0.2);
        assert_eq!((release.batch_size, release.epochs), (256, 80));
        assert!(large.rule().nesterov && !sgd.rule().nesterov);
    }

    #[test]
    fn sgd_scales_with_the_batch_and_milestones_count_steps() {
        let config = LinearEvalConfig {
            batch_size: 64,
            total_steps: Some(7),
            epochs: 90,
            ..config(Preset::Sgd)
        };
        let schedule = config.schedule(1000);
        assert_eq!(schedule.peak, 7.5);
        // int(7 * 60 / 90) = 4, int(7 * 80 / 90) = 6.
        assert_eq!(schedule.curve, Curve::Steps([4, 6]));
    }

    #[test]
    fn settings_survive_toml_and_bad_ones_are_named() {
        for preset in Preset::ALL {
            let config = config(preset);
            let text = toml::to_string(&config).unwrap();
            assert_eq!(toml::from_str::<LinearEvalConfig>(&text).unwrap(), config);
            assert_eq!(Preset::find(preset.name()), Some(preset));
            assert_eq!(config.views().unwrap().views.size, 32);
        }
        let wrong = LinearEvalConfig {
            base_lr: -1.0,
            ..config(Preset::Sgd)
        };
        assert!(wrong.check().unwrap_err().to_string().contains("base-lr"));
    }
}
