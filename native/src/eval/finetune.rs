//! `parallax finetune`: the whole network trained with labels from given weights.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use clap::Args;
use parallax_data::Source;
use parallax_eval as eval;
use parallax_eval::{FineTuneConfig, Scores, score};
use parallax_probes::Metrics;
use parallax_train::{Batch, Checkpoint, DataShape, Event, Keep, Loader};
use pollster::block_on;

use super::encoder::Encoder;
use super::features;
use super::folder::{Begun, Settings, begin};
use super::outcome::Outcome;
use super::walk::{Shared, conclude, walk};
use super::{Evaluated, KEPT};
use crate::prefetch::Prefetch;
use crate::progress::Lines;
use crate::session::{Ended, Report, Stepped, Task, carry_out};
use crate::stop::stop_on_ctrl_c;
use crate::{device, memory};

const TASK: &str = "finetune";

#[derive(Args)]
pub struct FineTune {
    #[command(flatten)]
    pub common: Evaluated,
    /// Epochs
    #[arg(long, value_name = "N", default_value_t = 24)]
    pub epochs: u64,
    /// Images in a step's batch
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub batch_size: usize,
    /// Learning rate for 256 images a step
    #[arg(long, value_name = "RATE", default_value_t = 0.1)]
    pub base_lr: f64,
    /// Weight decay of all parameters but those of batch norm
    #[arg(long, value_name = "WD", default_value_t = 1e-4)]
    pub weight_decay: f64,
    /// Of the head's initial weights, the order of images and the views
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Epochs between two evaluations; 0: at the end only
    #[arg(long, value_name = "EPOCHS", default_value_t = 4)]
    pub eval_every: u64,
    /// Epochs between two checkpoints; 0: at the end only
    #[arg(long, value_name = "EPOCHS", default_value_t = 4)]
    pub checkpoint_every: u64,
}

impl FineTune {
    fn config(&self, size: u32) -> FineTuneConfig {
        FineTuneConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            base_lr: self.base_lr,
            weight_decay: self.weight_decay,
            eval_every: self.eval_every,
            checkpoint_every: self.checkpoint_every,
            size,
            seed: self.seed,
        }
    }
}

/// Fine-tunes an encoder, or every checkpoint of a run.
pub fn run(arguments: &FineTune) -> Result<()> {
    let stop = stop_on_ctrl_c()?;
    walk(TASK, &arguments.common, |shared, encoder, path| {
        let config = arguments.config(encoder.recipe.views.size);
        fine_tune(shared, encoder, path, &config, &stop)
    })
}

/// Fine-tunes one encoder in its folder; nothing where it was stopped.
fn fine_tune(
    shared: &mut Shared,
    encoder: Encoder,
    path: &Path,
    config: &FineTuneConfig,
    stop: &AtomicBool,
) -> Result<Option<Outcome>> {
    let began = Instant::now();
    let [train, test] = shared.sources(&encoder.recipe)?;
    let (arguments, device) = (shared.arguments, shared.opened.device.clone());
    let data = DataShape::of(train.as_ref());
    let given = (&encoder.network, &encoder.recipe.model);
    let run = block_on(eval::FineTune::new(config, given, data, &device))?;
    let settings = Settings::new(TASK, &encoder, arguments, config.clone());
    let (folder, run) = match begin(path, &settings, arguments.resume)? {
        Begun::Over(outcome) => return Ok(Some(*outcome)),
        Begun::New(folder) | Begun::Resumed(folder, None) => (folder, run),
        Begun::Resumed(folder, Some(checkpoint)) => {
            let run = eval::FineTune::resume(config, &checkpoint, data, &device)?;
            (folder, run)
        }
    };
    let recipe = run.run().recipe();
    let (step, total) = (run.run().step_index(), run.run().total_steps());
    let mut report = Report::new(folder, [step, total], Lines::Evaluations, false)?;
    report.progress.say(&format!(
        "fine-tuning of {} on {} ({})\n{} training and {} test images, {total} steps, run in {}",
        encoder.name,
        shared.opened.name,
        shared.opened.adapter,
        train.len(),
        test.len(),
        path.display()
    ));
    memory::announce(recipe, data.classes, shared.opened.name == "cpu");
    report.started([step, total], train.len(), &shared.opened)?;
    memory::training_begins();
    let loader = Loader::new(recipe, train.clone(), &device)?;
    let threads = device::loader_threads(arguments.loader_threads);
    let driver = run.driver();
    let mut task = FineTuneTask {
        batches: Prefetch::of(&loader, step, total, threads),
        run,
        test: test.clone(),
        scores: None,
    };
    if carry_out(&mut task, driver, &mut report, stop)? == Ended::Suspended {
        return Ok(None);
    }
    let outcome = Outcome {
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

/// A fine-tuning with its data.
struct FineTuneTask {
    run: eval::FineTune,
    batches: Prefetch<Batch>,
    test: Arc<dyn Source>,
    /// Those of the last evaluation.
    scores: Option<Scores>,
}

impl Task for FineTuneTask {
    fn step_index(&self) -> u64 {
        self.run.run().step_index()
    }

    fn total_steps(&self) -> u64 {
        self.run.run().total_steps()
    }

    fn step(&mut self) -> Result<Stepped> {
        let batch = self.batches.next()?;
        let images = batch.size;
        let report = block_on(self.run.step(batch))?;
        Ok(Stepped {
            step: report.step,
            epoch: report.epoch,
            metrics: report.metrics(),
            images,
            waited: self.batches.waited,
        })
    }

    fn probe(&mut self) -> Result<Metrics> {
        let (mut extractor, head) = self.run.parts()?;
        let features = features::compute(&mut extractor, self.test.as_ref(), "test")?;
        let scores = block_on(score(&head, &features, self.run.run().device()))?;
        self.run.scored(&scores);
        self.scores = Some(scores);
        Ok(self.run.history().metrics())
    }

    fn keep(&self) -> Keep {
        KEPT
    }

    fn checkpoint(&mut self) -> Result<Checkpoint> {
        Ok(block_on(self.run.checkpoint())?)
    }

    fn evaluate(&mut self, report: &mut Report) -> Result<()> {
        let (step, metrics) = (self.run.run().step_index(), self.probe()?);
        report.emit(&Event::Probe { step, metrics })
    }
}
