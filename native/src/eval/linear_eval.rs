//! `parallax linear-eval`: the paper's linear evaluation.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use clap::{Args, ValueEnum};
use parallax_eval as eval;
use parallax_eval::{Augment, LinearEvalConfig, Scores};
use parallax_probes::{Features, Metrics};
use parallax_ranks::Ranks;
use parallax_train::{Checkpoint, DataShape, Event, Extractor, Keep};
use pollster::block_on;

use super::batches::Batches;
use super::encoder::Encoder;
use super::features;
use super::folder::{Begun, Settings, begin};
use super::outcome::Outcome;
use super::walk::{Shared, conclude, walk};
use super::{Evaluated, KEPT};
use crate::progress::Lines;
use crate::session::{Ended, Report, Stepped, Task, carry_out};
use crate::stop::stop_on_ctrl_c;
use crate::usage::BadArgument;
use crate::{device, ranks};

const TASK: &str = "linear-eval";

#[derive(Args)]
pub struct LinearEval {
    #[command(flatten)]
    pub common: Evaluated,
    #[command(flatten)]
    pub settings: LinearEvalSettings,
}

/// What can be changed of a preset.
#[derive(Args)]
pub struct LinearEvalSettings {
    /// The paper's settings: sgd for encoders trained with SGD, large-norm for LARS
    #[arg(long, value_enum, default_value_t = Preset::Sgd)]
    pub preset: Preset,
    /// Epochs [default: the preset's: 100, 80, 80]
    #[arg(long, value_name = "N")]
    pub epochs: Option<u64>,
    /// Images in a step's batch [default: the preset's: 256, 1024, 256]
    #[arg(long, value_name = "N")]
    pub batch_size: Option<usize>,
    /// Learning rate, with sgd for 256 images a step [default: the preset's: 30, 0.2, 0.2]
    #[arg(long, value_name = "RATE")]
    pub base_lr: Option<f64>,
    /// With sgd: the two epochs from which on the rate is a tenth and a hundredth [default: 60,80]
    #[arg(long, value_name = "E,E", value_delimiter = ',')]
    pub milestones: Option<Vec<u64>>,
    /// Of the classifier's initial weights, the order of images and the views
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Epochs between two evaluations; 0: at the end only
    #[arg(long, value_name = "EPOCHS", default_value_t = 20)]
    pub eval_every: u64,
    /// Epochs between two checkpoints; 0: at the end only
    #[arg(long, value_name = "EPOCHS", default_value_t = 5)]
    pub checkpoint_every: u64,
    /// standard: random resized crops and flips; none: features are computed once
    #[arg(long, value_enum, default_value_t = AugmentArgument::Standard)]
    pub augment: AugmentArgument,
}

/// The presets of linear evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Preset {
    /// SGD, rate 30 per 256 images, a tenth at epochs 60 and 80
    Sgd,
    /// Nesterov, rate 0.2 along a cosine, batch 1024
    LargeNorm,
    /// The same with the batch of the release, 256
    LargeNormRelease,
}

impl From<Preset> for eval::Preset {
    fn from(preset: Preset) -> Self {
        match preset {
            Preset::Sgd => Self::Sgd,
            Preset::LargeNorm => Self::LargeNorm,
            Preset::LargeNormRelease => Self::LargeNormRelease,
        }
    }
}

/// What the classifier is trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AugmentArgument {
    Standard,
    None,
}

impl LinearEvalSettings {
    /// The preset with what the arguments change.
    pub fn config(&self, size: u32) -> Result<LinearEvalConfig> {
        let base = LinearEvalConfig::of(self.preset.into(), size);
        let milestones = match self.milestones.as_deref() {
            None => base.milestones,
            Some(&[first, second]) if base.milestones.is_some() => Some([first, second]),
            Some(epochs) if base.milestones.is_some() => {
                let found = epochs.len();
                let message = format!("--milestones are two epochs, as in 60,80, not {found}");
                return Err(BadArgument(message).into());
            }
            Some(_) => {
                let message =
                    "--milestones are of the preset sgd; the others' rate falls along a cosine";
                return Err(BadArgument(message.to_string()).into());
            }
        };
        let config = LinearEvalConfig {
            epochs: self.epochs.unwrap_or(base.epochs),
            batch_size: self.batch_size.unwrap_or(base.batch_size),
            base_lr: self.base_lr.unwrap_or(base.base_lr),
            milestones,
            seed: self.seed,
            eval_every: self.eval_every,
            checkpoint_every: self.checkpoint_every,
            augment: match self.augment {
                AugmentArgument::Standard => Augment::Standard,
                AugmentArgument::None => Augment::None,
            },
            ..base
        };
        config.check()?;
        if let (Some([first, second]), None) = (config.milestones, &self.milestones)
            && first >= config.epochs
        {
            let [a, b] = [60, 80].map(|percent| config.epochs * percent / 100);
            eprintln!(
                "note: the rate never falls: epochs {first} and {second} are beyond the {} of this evaluation; \
                 --milestones {a},{b} are the same parts of it",
                config.epochs
            );
        }
        Ok(config)
    }
}

/// Evaluates an encoder, or every checkpoint of a run.
pub fn run(arguments: &LinearEval) -> Result<()> {
    let stop = stop_on_ctrl_c()?;
    let mut config = None;
    walk(TASK, &arguments.common, |shared, encoder, path| {
        let config = match &config {
            Some(config) => config,
            None => config.insert(arguments.settings.config(encoder.recipe.views.size)?),
        };
        evaluate(shared, encoder, path, config.clone(), &stop)
    })
}

/// Evaluates one encoder in its folder; nothing where it was stopped.
fn evaluate(
    shared: &mut Shared,
    encoder: Encoder,
    path: &Path,
    config: LinearEvalConfig,
    stop: &AtomicBool,
) -> Result<Option<Outcome>> {
    let began = Instant::now();
    let [train, test] = shared.sources(&encoder.recipe)?;
    let (arguments, device) = (shared.arguments, shared.opened.device.clone());
    let mut extractor = Extractor::new(&encoder.network, config.size, &device);
    let data = DataShape::of(train.as_ref());
    let mut run = eval::LinearEval::new(config, extractor.columns(), data, &device)?;
    let settings = Settings::new(TASK, &encoder, arguments, run.config().clone());
    let folder = match begin(path, &settings, arguments.resume)? {
        Begun::Over(outcome) => return Ok(Some(*outcome)),
        Begun::New(folder) | Begun::Resumed(folder, None) => folder,
        Begun::Resumed(folder, Some(checkpoint)) => {
            run.resume(&checkpoint)?;
            folder
        }
    };
    let (step, total) = (run.step_index(), run.total_steps());
    let mut report = Report::new(folder, [step, total], Lines::Evaluations, false)?;
    report.progress.say(&format!(
        "linear evaluation ({}) of {} on {} ({})\n{} training and {} test images, {total} steps, run in {}",
        run.config().preset.name(),
        encoder.name,
        shared.opened.name,
        shared.opened.adapter,
        train.len(),
        test.len(),
        path.display()
    ));
    report.started([step, total], train.len(), &shared.opened)?;
    let once = run.config().augment == Augment::None;
    let kept = once.then_some(path);
    let test_features = features::of(&mut extractor, test.as_ref(), "test", kept)?;
    let threads = device::loader_threads(arguments.loader_threads);
    let (steps, kept) = ([step, total], (threads, kept));
    let batches = Batches::start(extractor, run.config(), &train, steps, kept)?;
    let driver = run.driver();
    let mut task = LinearEvalTask {
        run,
        batches,
        test: test_features,
        device,
        scores: None,
    };
    if carry_out(&mut task, driver, &mut report, stop)? == Ended::Suspended {
        return Ok(None);
    }
    let config = task.run.config();
    let outcome = Outcome {
        preset: Some(config.preset.name().to_string()),
        epochs: config.epochs,
        batch_size: config.batch_size,
        base_lr: config.base_lr,
        seed: config.seed,
        train: train.len(),
        test: test.len(),
        classes: train.classes().to_vec(),
        seconds: began.elapsed().as_secs_f64(),
        ..Outcome::of(TASK, &encoder)
    };
    let measured = (task.run.history(), task.scores.as_ref());
    conclude(&mut report, total, outcome, measured)
}

/// A linear evaluation with its features.
struct LinearEvalTask {
    run: eval::LinearEval,
    batches: Batches,
    test: Arc<Features>,
    device: Device,
    /// Those of the last evaluation.
    scores: Option<Scores>,
}

impl Task for LinearEvalTask {
    fn step_index(&self) -> u64 {
        self.run.step_index()
    }

    fn total_steps(&self) -> u64 {
        self.run.total_steps()
    }

    fn step(&mut self) -> Result<Stepped> {
        let step = self.run.step_index();
        let (features, labels, waited) = self.batches.next(step, &self.device)?;
        let report = block_on(self.run.step(features, &labels))?;
        Ok(Stepped {
            step: report.step,
            epoch: report.epoch,
            metrics: report.metrics(),
            images: labels.len(),
            waited,
        })
    }

    fn probe(&mut self) -> Result<Metrics> {
        self.scores = Some(block_on(self.run.evaluate(&self.test))?);
        Ok(self.run.history().metrics())
    }

    fn ranks(&self) -> Ranks {
        ranks::here()
    }

    fn keep(&self) -> Keep {
        KEPT
    }

    fn checkpoint(&mut self) -> Result<Checkpoint> {
        Ok(block_on(self.run.checkpoint())?)
    }

    fn evaluate(&mut self, report: &mut Report) -> Result<()> {
        let (step, metrics) = (self.run.step_index(), self.probe()?);
        report.emit(&Event::Probe { step, metrics })
    }
}
