//! What carries out a run of any kind: the loop over what its driver says, and its reports.

mod report;

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::Result;
use parallax_probes::Metrics;
use parallax_ranks::Ranks;
use parallax_train::{Checkpoint, Control, Driver, Due, Event, Keep, RunError, Stop};
use parallax_transfer::TransferError;
use parallax_views::Image;

use crate::ranks;
use crate::run_folder::RunFolder;
use crate::stop;
pub use report::Report;
use report::{DATA_WAIT, EXCHANGE, IMAGES_PER_SECOND, SENT};

/// A run, as its driver's loop sees it.
pub trait Task {
    /// Steps taken.
    fn step_index(&self) -> u64;

    /// Steps of the whole run.
    fn total_steps(&self) -> u64;

    /// The next step.
    fn step(&mut self) -> Result<Stepped>;

    /// The periodic evaluation.
    fn probe(&mut self) -> Result<Metrics>;

    /// How many checkpoints are kept.
    fn keep(&self) -> Keep;

    /// The run as files, the same on every rank.
    fn checkpoint(&mut self) -> Result<Checkpoint>;

    /// The run as this rank has it, where the others do not answer.
    fn own_checkpoint(&mut self) -> Result<Checkpoint> {
        self.checkpoint()
    }

    /// Between whom the run is divided.
    fn ranks(&self) -> Ranks {
        Ranks::ONE
    }

    /// The final evaluation.
    fn evaluate(&mut self, report: &mut Report) -> Result<()>;

    /// Images for TensorBoard since it was last asked, with their names.
    fn pictures(&mut self) -> Vec<(String, Image)> {
        Vec::new()
    }
}

/// What a step was like.
pub struct Stepped {
    /// 1-based.
    pub step: u64,
    /// Epochs so far.
    pub epoch: f64,
    /// Of the step.
    pub metrics: Metrics,
    /// Images of its batch.
    pub images: usize,
    /// Time that it waited for data.
    pub waited: Duration,
}

/// Whether a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// It is.
    Done,
    /// It was stopped, saved, and can be resumed.
    Suspended,
}

/// Carries out what the driver says to the end, or until `stop` is set. Where another rank has ended, what is left is the last
/// whole step.
pub fn carry_out(
    task: &mut dyn Task,
    driver: Driver,
    report: &mut Report,
    stop: &AtomicBool,
) -> Result<Ended> {
    let ended = drive(task, driver, report, stop);
    ended.map_err(|error| match ranks::lost(&error) {
        true => rescue(task, report, error),
        false => error,
    })
}

fn drive(
    task: &mut dyn Task,
    mut driver: Driver,
    report: &mut Report,
    stop: &AtomicBool,
) -> Result<Ended> {
    loop {
        let control = Control {
            stop: match stop::agreed(stop, task.ranks())? {
                true => Stop::Suspend,
                false => Stop::No,
            },
            ..Control::default()
        };
        match driver.next(task.step_index(), control) {
            Due::Step => step(task, report)?,
            Due::Probe => {
                let metrics = task.probe()?;
                let step = task.step_index();
                report.emit(&Event::Probe { step, metrics })?;
            }
            Due::Checkpoint => save(task, report)?,
            Due::Evaluate => task.evaluate(report)?,
            Due::Done if task.step_index() < task.total_steps() => {
                suspend(task.step_index(), report)?;
                return Ok(Ended::Suspended);
            }
            Due::Done => return Ok(Ended::Done),
        }
        for (number, (name, image)) in task.pictures().iter().enumerate() {
            report.image(&format!("{name}/{number}"), image, task.step_index())?;
        }
    }
}

fn step(task: &mut dyn Task, report: &mut Report) -> Result<()> {
    let (begin, before) = (Instant::now(), task.ranks().traffic());
    let stepped = match task.step() {
        Ok(stepped) => stepped,
        Err(error) => return Err(give_up(task, report, error)),
    };
    let seconds = begin.elapsed().as_secs_f64();
    let metrics = stepped
        .metrics
        .with(&IMAGES_PER_SECOND, stepped.images as f64 / seconds)
        .with(&DATA_WAIT, stepped.waited.as_secs_f64() / seconds);
    let metrics = match task.ranks().is_one() {
        true => metrics,
        false => {
            let now = task.ranks().traffic();
            let exchanged = (now.time - before.time).as_secs_f64();
            let sent = (now.bytes - before.bytes) as f64;
            metrics
                .with(&EXCHANGE, exchanged / seconds)
                .with(&SENT, sent)
        }
    };
    report.emit(&Event::Step {
        step: stepped.step,
        epoch: stepped.epoch,
        metrics,
    })
}

/// Saves the state before a step that diverged, where that is finite.
fn give_up(task: &mut dyn Task, report: &mut Report, error: anyhow::Error) -> anyhow::Error {
    report.progress.finish();
    let whole = error.chain().any(|cause| {
        matches!(
            cause.downcast_ref::<RunError>(),
            Some(RunError::Diverged { whole: true, .. } | RunError::Overflow { .. })
        ) || matches!(
            cause.downcast_ref::<TransferError>(),
            Some(TransferError::Diverged { .. })
        )
    });
    if !whole {
        return error;
    }
    match save(task, report) {
        Ok(()) => {
            let step = task.step_index();
            let path = report.folder.path().display();
            error.context(format!("stopped; saved as {path}/checkpoints/step-{step}"))
        }
        Err(failed) => error.context(format!("stopped and not saved ({failed:#})")),
    }
}

/// Saves the last whole step of a run that has lost a rank. Rank 0 does; where it is the one that has ended, another takes its
/// place, which the lock of the folder shows.
fn rescue(task: &mut dyn Task, report: &mut Report, error: anyhow::Error) -> anyhow::Error {
    report.progress.finish();
    let step = task.step_index();
    let path = report.folder.path().to_path_buf();
    let place = format!("{}/checkpoints/step-{step}", path.display());
    let saved = (step > 0).then(|| {
        let checkpoint = task.own_checkpoint()?;
        match report.folder.is_own() {
            true => report.folder.save(&checkpoint),
            false => RunFolder::open(&path)?.save(&checkpoint),
        }
    });
    match saved {
        None => error.context("stopped before the first step"),
        Some(Ok(_)) => error.context(format!("stopped; the last whole step is {place}")),
        Some(Err(failed)) => error.context(format!("stopped and not saved ({failed:#})")),
    }
}

fn save(task: &mut dyn Task, report: &mut Report) -> Result<()> {
    let checkpoint = task.checkpoint()?;
    let path = report.folder.save(&checkpoint)?;
    report.emit(&Event::Checkpoint {
        step: checkpoint.step,
        path,
    })?;
    report.folder.prune(checkpoint.step, task.keep())
}

/// Ends a run that can be resumed.
fn suspend(step: u64, report: &mut Report) -> Result<()> {
    report.emit(&Event::Stop { step })?;
    report.progress.finish();
    let path = report.folder.path().display();
    report.progress.say(&format!(
        "stopped at step {step}; continue with --resume --out {path}"
    ));
    Ok(())
}
