//! `parallax pretrain`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use parallax_data::Source;
use parallax_kernels::Adapter;
use parallax_probes::knn_accuracy;
use parallax_train::{
    Control, DataShape, Driver, Due, Event, Loader, Recipe, Row, Run, RunError, Stop, features,
    final_table,
};
use pollster::block_on;
use serde_json::json;

use crate::cli::Pretrain;
use crate::device::{self, Opened};
use crate::memory;
use crate::prefetch::Prefetch;
use crate::progress::Progress;
use crate::recipe;
use crate::run_folder::{RunFolder, free_folder, last_folder};
use crate::sources::Sources;
use crate::tensorboard::EventWriter;
use crate::usage::BadArgument;

/// Trains, probes, saves, and compares at the end.
pub fn run(arguments: &Pretrain) -> Result<()> {
    let recipe = recipe::read(
        &arguments.recipe,
        arguments.data.as_deref(),
        &arguments.overrides,
    )?;
    let opened = device::open(&arguments.on.device)?;
    opened.suits(&recipe)?;
    let sources = Sources::open(&recipe, arguments.on_bad_image)?;
    let (folder, run) = begin(arguments, recipe, &sources, &opened)?;
    let stop = stop_on_ctrl_c()?;
    let mut session = Session::new(folder, run, sources, opened, arguments)?;
    session.train(&stop)
}

/// A new run in a new folder, or the newest checkpoint of an old one.
fn begin(
    arguments: &Pretrain,
    recipe: Recipe,
    sources: &Sources,
    opened: &Opened,
) -> Result<(RunFolder, Run)> {
    let name = recipe::short_name(&arguments.recipe);
    let data = DataShape::of(sources.train.as_ref());
    if !arguments.resume {
        announce(&recipe, data.classes, opened);
        let run = Run::new(recipe, data, &opened.device)?;
        let path = arguments.out.clone().unwrap_or_else(|| free_folder(name));
        return Ok((RunFolder::create(&path, run.recipe())?, run));
    }
    let nothing = || {
        BadArgument(format!(
            "there is no run of '{name}' in runs/ to resume; name it by --out"
        ))
    };
    let path: PathBuf = match &arguments.out {
        Some(path) => path.clone(),
        None => last_folder(name).ok_or_else(nothing)?,
    };
    if !path.is_dir() {
        return Err(BadArgument(format!(
            "{} does not exist: nothing to resume",
            path.display()
        ))
        .into());
    }
    let mut folder = RunFolder::open(&path)?;
    let stored = folder.recipe()?;
    let asked = !arguments.overrides.is_empty() || arguments.data.is_some();
    if asked && stored != recipe {
        let message =
            "a run goes on with its own recipe; drop --set and --data, or start a new run";
        return Err(BadArgument(message.to_string()).into());
    }
    let run = match folder.newest()? {
        Some(checkpoint) => Run::resume(&checkpoint, data, &opened.device)
            .with_context(|| format!("{} step {}", path.display(), checkpoint.step))?,
        None => {
            eprintln!(
                "no checkpoint in {} yet: starting at step 0",
                path.display()
            );
            Run::new(stored, data, &opened.device)?
        }
    };
    folder.rewind_events(run.step_index())?;
    Ok((folder, run))
}

/// Says what the run will not say by itself.
fn announce(recipe: &Recipe, classes: usize, opened: &Opened) {
    memory::announce(recipe, classes, opened.name == "cpu");
    if !recipe.run.accumulates_equally(&recipe.method) {
        eprintln!(
            "note: with run.accumulate batch norm sees a part of the batch at a time; the result is not that \
             of a run without it"
        );
    }
}

fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step; press Ctrl-C again to leave at once");
    })
    .context("the handler for Ctrl-C could not be set")?;
    Ok(stop)
}

/// A run with everything around it.
struct Session {
    folder: RunFolder,
    run: Run,
    sources: Sources,
    opened: Opened,
    progress: Progress,
    board: EventWriter,
    threads: usize,
    json: bool,
    /// When training began, until its time was told.
    began: Option<Instant>,
    /// The final comparison, once it was made.
    table: Vec<Row>,
}

impl Session {
    fn new(
        folder: RunFolder,
        run: Run,
        sources: Sources,
        opened: Opened,
        arguments: &Pretrain,
    ) -> Result<Self> {
        let examples = sources.train.len();
        let kernels = match Adapter::of_device(&opened.device) {
            None => "loops for the CPU, by shape",
            Some(Adapter::Hardware) => "for GPUs, by shape; no autotuning, no fusion",
            Some(Adapter::Software(_)) => {
                "for adapters that are programs, by shape; no autotuning, no fusion"
            }
        };
        let record = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "recipe": arguments.recipe,
            "seed": run.recipe().run.seed,
            "device": opened.name,
            "adapter": opened.adapter,
            "kernels": kernels,
            "examples": examples,
            "total_steps": run.total_steps(),
        });
        folder.write("run.json", &serde_json::to_vec_pretty(&record)?)?;
        let steps_per_epoch = run.recipe().steps_per_epoch(examples);
        let board = EventWriter::create(&folder.path().join("tensorboard"), now(), "parallax")
            .context("TensorBoard's event file cannot be made")?;
        let default_threads = device::threads().saturating_sub(1).max(1);
        Ok(Self {
            progress: Progress::new(run.step_index(), run.total_steps(), steps_per_epoch),
            threads: arguments.loader_threads.unwrap_or(default_threads),
            json: arguments.json,
            began: Some(Instant::now()),
            table: Vec::new(),
            board,
            folder,
            run,
            sources,
            opened,
        })
    }

    fn train(&mut self, stop: &AtomicBool) -> Result<()> {
        let total = self.run.total_steps();
        let examples = self.sources.train.len();
        let start = Event::Start {
            step: self.run.step_index(),
            total_steps: total,
            examples,
            device: format!("{} ({})", self.opened.name, self.opened.adapter),
        };
        self.progress.say(&format!(
            "{} on {} ({}), {examples} images, {total} steps, run in {}",
            self.run.recipe().method.name.name(),
            self.opened.name,
            self.opened.adapter,
            self.folder.path().display()
        ));
        self.emit(&start)?;
        memory::training_begins();
        let source = Arc::clone(&self.sources.train);
        let loader = Loader::new(self.run.recipe(), source, self.run.device())?;
        let step = self.run.step_index();
        let mut batches = Prefetch::start(&loader, step, total, self.threads);
        let mut driver = Driver::new(self.run.recipe(), examples, step);
        loop {
            let asked = match stop.load(Ordering::SeqCst) {
                true => Stop::Suspend,
                false => Stop::No,
            };
            let control = Control {
                stop: asked,
                ..Control::default()
            };
            match driver.next(self.run.step_index(), control) {
                Due::Step => self.step(&mut batches)?,
                Due::Probe => self.probe()?,
                Due::Checkpoint => self.save()?,
                Due::Evaluate => self.evaluate()?,
                Due::Done => break,
            }
        }
        match self.run.step_index() < total {
            true => self.stopped(),
            false => self.finish(),
        }
    }

    fn step(&mut self, batches: &mut Prefetch) -> Result<()> {
        let begin = Instant::now();
        let batch = batches.next()?;
        let report = match block_on(self.run.step(&batch)) {
            Ok(report) => report,
            Err(error) => return Err(self.give_up(error)),
        };
        let seconds = begin.elapsed().as_secs_f64();
        self.emit(&Event::Step {
            step: report.step,
            epoch: report.epoch,
            loss: report.loss,
            lr: report.lr,
            momentum: report.momentum,
            embedding_std: report.embedding_std,
            online_loss: report.online.map(|online| online.loss),
            online_accuracy: report.online.map(|online| online.accuracy),
            images_per_second: batch.size as f64 / seconds,
            data_wait: batches.waited.as_secs_f64() / seconds,
        })
    }

    /// Saves what was before a step that diverged, where that is of use.
    fn give_up(&mut self, error: RunError) -> anyhow::Error {
        self.progress.finish();
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
                let path = self.folder.path().display();
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
        let (bank, test) = (
            of(self.sources.bank.as_ref())?,
            of(self.sources.test.as_ref())?,
        );
        let knn = knn_accuracy(&bank, &test)?;
        self.emit(&Event::Probe {
            step: self.run.step_index(),
            knn,
        })
    }

    fn save(&mut self) -> Result<()> {
        let checkpoint = block_on(self.run.checkpoint())?;
        let path = self.folder.save(&checkpoint)?;
        self.emit(&Event::Checkpoint {
            step: checkpoint.step,
            path,
        })
    }

    /// The final comparison.
    fn evaluate(&mut self) -> Result<()> {
        self.trained();
        let recipe = self.run.recipe();
        self.progress.say(match recipe.probe.pixels {
            true => "comparing with random weights and raw pixels",
            false => "comparing with random weights",
        });
        let sources = (self.sources.bank.as_ref(), self.sources.test.as_ref());
        let random = self.run.random_backbone();
        let online = self.run.online();
        self.table = block_on(final_table(
            online,
            &random,
            sources,
            recipe,
            self.run.device(),
        ))?;
        Ok(())
    }

    /// Says how to go on with a run that was stopped before its end.
    fn stopped(&mut self) -> Result<()> {
        let step = self.run.step_index();
        self.emit(&Event::Stop { step })?;
        self.progress.finish();
        let path = self.folder.path().display();
        eprintln!("stopped at step {step}; go on with --resume --out {path}");
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.trained();
        let step = self.run.step_index();
        let table = self.table.clone();
        self.emit(&Event::Done { step, table })?;
        self.progress.finish();
        if !self.json {
            if !self.table.is_empty() {
                print_table(&self.table, self.sources.test.len());
            }
            println!("run: {}", self.folder.path().display());
        }
        Ok(())
    }

    /// Says once how long training took.
    fn trained(&mut self) {
        if let Some(began) = self.began.take() {
            let seconds = began.elapsed().as_secs_f64();
            self.progress.say(&format!("trained in {seconds:.0} s"));
        }
    }

    /// Tells everyone: the log, TensorBoard, the terminal, and standard output with `--json`.
    fn emit(&mut self, event: &Event) -> Result<()> {
        self.folder.log(event)?;
        self.progress.show(event);
        if self.json {
            println!("{}", serde_json::to_string(event)?);
        }
        let (step, scalars): (u64, Vec<(&str, f64)>) = match event {
            Event::Step {
                step,
                loss,
                lr,
                momentum,
                embedding_std,
                online_loss,
                online_accuracy,
                images_per_second,
                data_wait,
                ..
            } => {
                let mut scalars = vec![
                    ("train/loss", *loss),
                    ("train/lr", *lr),
                    ("train/embedding_std", f64::from(*embedding_std)),
                    ("speed/images_per_second", *images_per_second),
                    ("speed/data_wait", *data_wait),
                ];
                scalars.extend(momentum.map(|value| ("train/target_momentum", value)));
                scalars.extend(online_loss.map(|value| ("online/loss", value)));
                scalars.extend(online_accuracy.map(|value| ("online/accuracy", f64::from(value))));
                (*step, scalars)
            }
            Event::Probe { step, knn } => (*step, vec![("probe/knn", *knn)]),
            Event::Checkpoint { .. } | Event::Stop { .. } | Event::Done { .. } => {
                self.board
                    .flush()
                    .context("TensorBoard's event file cannot be written")?;
                return Ok(());
            }
            Event::Start { .. } => return Ok(()),
        };
        for (tag, value) in scalars {
            let written = self.board.scalar(tag, value as f32, step as i64, now());
            written.context("TensorBoard's event file cannot be written")?;
        }
        Ok(())
    }
}

fn print_table(table: &[Row], held_out: usize) {
    println!("\naccuracy on {held_out} held-out images, in percent\n");
    println!("{:<18} {:>8} {:>8}", "features", "kNN", "linear");
    for row in table {
        println!(
            "{:<18} {:>8.1} {:>8.1}",
            row.encoder.label(),
            row.knn,
            row.linear
        );
    }
    println!();
}

fn now() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs_f64())
}
