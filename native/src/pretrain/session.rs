//! A pre-training run and what it is carried out with: loader threads, folder, reports.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use parallax_data::Source;
use parallax_data::decode::JPEG_DECODER;
use parallax_nets::ResNet;
use parallax_probes::{EvaluatorKind, Metrics, evaluate_on};
use parallax_ranks::Ranks;
use parallax_train::{
    Batch, Checkpoint, Driver, Encoder, Event, Keep, Loader, Row, Run, features_on, final_table_on,
};
use pollster::block_on;
use serde_json::json;

use super::table;
use crate::cli::Pretrain;
use crate::device::{self, Opened};
use crate::eval::LinearProbe;
use crate::memory;
use crate::prefetch::Prefetch;
use crate::progress::Lines;
use crate::run_folder::{RUN_FILE, RunFolder};
use crate::session::{Ended, Report, Stepped, Task, carry_out};
use crate::sources::Sources;

/// A run with its data.
pub struct Session {
    run: Run,
    sources: Sources,
    batches: Prefetch<Batch>,
    linear: Option<LinearProbe>,
    stop: Arc<AtomicBool>,
    /// When training began, until its duration was printed.
    began: Option<Instant>,
    /// The final comparison, once it was made.
    table: Vec<Row>,
}

/// Writes what the run is computed with, and trains to the end, or until `stop` is set.
pub fn train(
    folder: RunFolder,
    run: Run,
    sources: Sources,
    opened: &Opened,
    arguments: &Pretrain,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    let (step, total, examples) = (run.step_index(), run.total_steps(), sources.train.len());
    let record = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "recipe": arguments.recipe,
        "seed": run.recipe().run.seed,
        "device": opened.name,
        "adapter": opened.adapter,
        "kernels": opened.kernels,
        "jpeg_decoder": JPEG_DECODER,
        "examples": examples,
        "skipped_images": sources.skipped,
        "total_steps": total,
        "ranks": run.ranks().size(),
    });
    folder.write(RUN_FILE, &serde_json::to_vec_pretty(&record)?)?;
    let lines = Lines::Steps(run.recipe().steps_per_epoch(examples));
    let mut report = Report::new(folder, [step, total], lines, arguments.json)?;
    report.progress.say(&format!(
        "{} on {}{} ({}), {examples} images, {total} steps, run in {}",
        run.recipe().method.name.name(),
        match run.ranks() {
            ranks if ranks.is_one() => String::new(),
            ranks => format!("{} ranks, each on ", ranks.size()),
        },
        opened.name,
        opened.adapter,
        report.folder.path().display()
    ));
    report.started([step, total], examples, opened)?;

    let threads = device::loader_threads(arguments.loader_threads);
    let labelled = [&sources.bank, &sources.test];
    let linear = LinearProbe::of(run.recipe(), labelled, threads)?;
    memory::training_begins();
    let loader = Loader::new(run.recipe(), Arc::clone(&sources.train), run.device())?;
    let loader = loader.on(run.recipe(), run.ranks())?;
    let driver = Driver::new(run.recipe(), run.data_shape(), step);
    let mut session = Session {
        batches: Prefetch::of(&loader, step, total, threads),
        linear,
        stop: Arc::clone(&stop),
        began: Some(Instant::now()),
        table: Vec::new(),
        run,
        sources,
    };
    match carry_out(&mut session, driver, &mut report, &stop)? {
        Ended::Suspended => Ok(()),
        Ended::Done => session.done(&mut report),
    }
}

impl Task for Session {
    fn step_index(&self) -> u64 {
        self.run.step_index()
    }

    fn total_steps(&self) -> u64 {
        self.run.total_steps()
    }

    fn step(&mut self) -> Result<Stepped> {
        let batch = self.batches.next()?;
        let images = batch.size * self.run.ranks().size();
        let report = block_on(self.run.step(batch))?;
        Ok(Stepped {
            step: report.step,
            epoch: report.epoch,
            metrics: report.metrics(),
            images,
            waited: self.batches.waited,
        })
    }

    fn ranks(&self) -> Ranks {
        self.run.ranks()
    }

    fn own_checkpoint(&mut self) -> Result<Checkpoint> {
        Ok(block_on(self.run.own_checkpoint())?)
    }

    fn probe(&mut self) -> Result<Metrics> {
        let recipe = self.run.recipe();
        let due = recipe.probes_at(self.run.step_index(), self.run.data_shape());
        let mut metrics = Metrics::new();
        if due.iter().any(|kind| kind.build().is_some()) {
            let (side, ranks) = (recipe.views.size, self.run.ranks());
            let sources: [&dyn Source; 2] =
                [self.sources.bank.as_ref(), self.sources.test.as_ref()];
            let (online, device) = (self.run.online(), self.run.device());
            let [bank, test] = block_on(features_on(online, sources, side, device, ranks))?;
            metrics.extend(evaluate_on(&due, bank, &test, ranks)?);
        }
        if due.contains(&EvaluatorKind::LinearEval) {
            metrics.extend(self.linear_eval(self.run.online())?);
        }
        Ok(metrics)
    }

    fn checkpoint(&mut self) -> Result<Checkpoint> {
        Ok(block_on(self.run.checkpoint())?)
    }

    fn keep(&self) -> Keep {
        self.run.recipe().checkpoint.keep
    }

    /// The final comparison.
    fn evaluate(&mut self, report: &mut Report) -> Result<()> {
        self.trained(report);
        let recipe = self.run.recipe();
        report.progress.say(match recipe.probe.pixels {
            true => "comparing with random weights and raw pixels",
            false => "comparing with random weights",
        });
        let sources = (self.sources.bank.as_ref(), self.sources.test.as_ref());
        let random = self.run.random_backbone();
        let table = final_table_on(
            self.run.online(),
            &random,
            sources,
            recipe,
            self.run.device(),
            self.run.ranks(),
        );
        self.table = block_on(table)?;
        if recipe.probe.evaluators.contains(&EvaluatorKind::LinearEval) {
            let mut table = std::mem::take(&mut self.table);
            for row in &mut table {
                let network = match row.encoder {
                    Encoder::Trained => self.run.online(),
                    Encoder::Random => &random,
                    Encoder::Pixels => continue,
                };
                let encoder = row.encoder.label();
                report
                    .progress
                    .say(&format!("linear evaluation of the {encoder}"));
                row.metrics.extend(self.linear_eval(network)?);
            }
            self.table = table;
        }
        Ok(())
    }
}

impl Session {
    /// The paper's linear evaluation; no metrics where it was stopped.
    fn linear_eval(&self, network: &ResNet) -> Result<Metrics> {
        match &self.linear {
            Some(linear) => linear.evaluate(network, self.run.device(), &self.stop),
            None => Ok(Metrics::new()),
        }
    }

    fn done(&mut self, report: &mut Report) -> Result<()> {
        self.trained(report);
        report.emit(&Event::Done {
            step: self.run.step_index(),
            table: self.table.clone(),
        })?;
        report.progress.finish();
        if report.prints() {
            if !self.table.is_empty() {
                table::print(&self.table, self.sources.test.len());
            }
            println!("run: {}", report.folder.path().display());
        }
        Ok(())
    }

    /// Prints how long training took, once.
    fn trained(&mut self, report: &Report) {
        if let Some(began) = self.began.take() {
            let seconds = began.elapsed().as_secs_f64();
            report.progress.say(&format!("trained in {seconds:.0} s"));
        }
    }
}
