//! A run and what carries it out: loader threads, folder, reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::Result;
use parallax_data::Source;
use parallax_kernels::is_gpu;
use parallax_train::{
    Control, Driver, Due, Event, Loader, Row, Run, RunError, Stop, features, final_table, probe,
};
use pollster::block_on;
use serde_json::json;

use super::report::{DATA_WAIT, IMAGES_PER_SECOND, Report};
use crate::cli::Pretrain;
use crate::device::{self, Opened};
use crate::memory;
use crate::prefetch::Prefetch;
use crate::run_folder::RunFolder;
use crate::sources::Sources;

/// Carries out what the run's driver says.
pub struct Session {
    run: Run,
    sources: Sources,
    opened: Opened,
    report: Report,
    threads: usize,
    /// When training began, until its duration was printed.
    began: Option<Instant>,
    /// The final comparison, once it was made.
    table: Vec<Row>,
}

impl Session {
    /// Writes what the run is computed with and opens its reports.
    pub fn new(
        folder: RunFolder,
        run: Run,
        sources: Sources,
        opened: Opened,
        arguments: &Pretrain,
    ) -> Result<Self> {
        let kernels = match is_gpu(&opened.device) {
            false => "loops for the CPU, by shape",
            true => "for GPUs, by shape; no autotuning, no fusion",
        };
        let record = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "recipe": arguments.recipe,
            "seed": run.recipe().run.seed,
            "device": opened.name,
            "adapter": opened.adapter,
            "kernels": kernels,
            "examples": sources.train.len(),
            "total_steps": run.total_steps(),
        });
        folder.write("run.json", &serde_json::to_vec_pretty(&record)?)?;
        let default_threads = device::threads().saturating_sub(1).max(1);
        Ok(Self {
            report: Report::new(folder, &run, arguments.json)?,
            threads: arguments.loader_threads.unwrap_or(default_threads),
            began: Some(Instant::now()),
            table: Vec::new(),
            run,
            sources,
            opened,
        })
    }

    /// Trains to the end, or until `stop` is set.
    pub fn train(&mut self, stop: &AtomicBool) -> Result<()> {
        let total = self.run.total_steps();
        let examples = self.sources.train.len();
        let step = self.run.step_index();
        self.report.progress.say(&format!(
            "{} on {} ({}), {examples} images, {total} steps, run in {}",
            self.run.recipe().method.name.name(),
            self.opened.name,
            self.opened.adapter,
            self.report.folder.path().display()
        ));
        self.report.emit(&Event::Start {
            step,
            total_steps: total,
            examples,
            device: format!("{} ({})", self.opened.name, self.opened.adapter),
        })?;

        memory::training_begins();
        let source = Arc::clone(&self.sources.train);
        let loader = Loader::new(self.run.recipe(), source, self.run.device())?;
        let mut batches = Prefetch::start(&loader, step, total, self.threads);
        let mut driver = Driver::new(self.run.recipe(), self.run.data_shape(), step);
        loop {
            let control = Control {
                stop: match stop.load(Ordering::SeqCst) {
                    true => Stop::Suspend,
                    false => Stop::No,
                },
                ..Control::default()
            };
            match driver.next(self.run.step_index(), control) {
                Due::Step => self.step(&mut batches)?,
                Due::Probe => self.probe()?,
                Due::Checkpoint => self.save()?,
                Due::Evaluate => self.evaluate()?,
                Due::Done if self.run.step_index() < total => return self.suspended(),
                Due::Done => return self.done(),
            }
        }
    }

    fn step(&mut self, batches: &mut Prefetch) -> Result<()> {
        let begin = Instant::now();
        let batch = batches.next()?;
        let images = batch.size;
        let report = match block_on(self.run.step(batch)) {
            Ok(report) => report,
            Err(error) => return Err(self.give_up(error)),
        };
        let seconds = begin.elapsed().as_secs_f64();
        let metrics = report
            .metrics()
            .with(&IMAGES_PER_SECOND, images as f64 / seconds)
            .with(&DATA_WAIT, batches.waited.as_secs_f64() / seconds);
        self.report.emit(&Event::Step {
            step: report.step,
            epoch: report.epoch,
            metrics,
        })
    }

    /// Saves the state before a step that diverged, where that is finite.
    fn give_up(&mut self, error: RunError) -> anyhow::Error {
        self.report.progress.finish();
        let whole = matches!(
            error,
            RunError::Diverged { whole: true, .. } | RunError::Overflow { .. }
        );
        let error = anyhow::Error::from(error);
        if !whole {
            return error;
        }
        match self.save() {
            Ok(()) => {
                let step = self.run.step_index();
                let path = self.report.folder.path().display();
                error.context(format!("stopped; saved as {path}/checkpoints/step-{step}"))
            }
            Err(failed) => error.context(format!("stopped and not saved ({failed:#})")),
        }
    }

    fn probe(&mut self) -> Result<()> {
        let side = self.run.recipe().views.size;
        let of = |source: &dyn Source| {
            block_on(features(self.run.online(), source, side, self.run.device()))
        };
        let bank = of(self.sources.bank.as_ref())?;
        let test = of(self.sources.test.as_ref())?;
        self.report.emit(&Event::Probe {
            step: self.run.step_index(),
            metrics: probe(&bank, &test)?,
        })
    }

    fn save(&mut self) -> Result<()> {
        let checkpoint = block_on(self.run.checkpoint())?;
        let path = self.report.folder.save(&checkpoint)?;
        self.report.emit(&Event::Checkpoint {
            step: checkpoint.step,
            path,
        })?;
        let keep = self.run.recipe().checkpoint.keep;
        self.report.folder.prune(checkpoint.step, keep)
    }

    /// The final comparison.
    fn evaluate(&mut self) -> Result<()> {
        self.trained();
        let recipe = self.run.recipe();
        self.report.progress.say(match recipe.probe.pixels {
            true => "comparing with random weights and raw pixels",
            false => "comparing with random weights",
        });
        let sources = (self.sources.bank.as_ref(), self.sources.test.as_ref());
        let random = self.run.random_backbone();
        let table = final_table(
            self.run.online(),
            &random,
            sources,
            recipe,
            self.run.device(),
        );
        self.table = block_on(table)?;
        Ok(())
    }

    /// Ends a run that can be resumed.
    fn suspended(&mut self) -> Result<()> {
        let step = self.run.step_index();
        self.report.emit(&Event::Stop { step })?;
        self.report.progress.finish();
        let path = self.report.folder.path().display();
        eprintln!("stopped at step {step}; continue with --resume --out {path}");
        Ok(())
    }

    fn done(&mut self) -> Result<()> {
        self.trained();
        self.report.emit(&Event::Done {
            step: self.run.step_index(),
            table: self.table.clone(),
        })?;
        self.report.progress.finish();
        self.report.result(&self.table, self.sources.test.len());
        Ok(())
    }

    /// Prints how long training took, once.
    fn trained(&mut self) {
        if let Some(began) = self.began.take() {
            let seconds = began.elapsed().as_secs_f64();
            self.report
                .progress
                .say(&format!("trained in {seconds:.0} s"));
        }
    }
}
