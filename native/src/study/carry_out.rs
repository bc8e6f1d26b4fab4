//! Carrying out the jobs of a study.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::child::{self, Ended};
use super::file::{Anchor, Task};
use super::jobs::{Job, JobKind, of_run, options};
use super::plan::Plan;
use super::progress::Progress;
use super::state::{self, State};
use crate::checkpoints;
use crate::report::RESULT;
use crate::whole::write_whole;

/// A study that is carried out.
pub struct Work<'a> {
    pub plan: &'a Plan,
    pub out: &'a Path,
    pub device: &'a str,
    /// Set by Ctrl-C.
    pub stop: &'a AtomicBool,
}

/// What became of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Not yet begun.
    Waiting,
    Running,
    /// Done, now or before.
    Done,
    Failed(String),
    /// Not begun, because a job that it needs failed.
    Skipped,
    /// Stopped before its end.
    Stopped,
}

impl Work<'_> {
    /// Does what is not done, `workers` jobs at a time.
    pub fn run(&self, workers: usize) -> Vec<Outcome> {
        let before: Vec<Outcome> = self
            .plan
            .jobs
            .iter()
            .map(|job| match state::of(self.plan, job, self.out) {
                State::Done => Outcome::Done,
                State::New | State::Begun => Outcome::Waiting,
            })
            .collect();
        let progress = Progress::new(self.plan, &before, workers);
        let (shared, changed) = (Mutex::new(before), Condvar::new());
        thread::scope(|scope| {
            for _ in 0..workers {
                scope.spawn(|| self.worker(&shared, &changed, &progress));
            }
        });
        progress.finish();
        shared.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    fn worker(&self, shared: &Mutex<Vec<Outcome>>, changed: &Condvar, progress: &Progress) {
        let lock = || -> MutexGuard<Vec<Outcome>> {
            shared.lock().unwrap_or_else(PoisonError::into_inner)
        };
        let mut outcomes = lock();
        while !self.stop.load(Ordering::SeqCst) {
            match next(&self.plan.jobs, &mut outcomes) {
                Next::Job(at) => {
                    outcomes[at] = Outcome::Running;
                    drop(outcomes);
                    let outcome = self.job(at, progress);
                    outcomes = lock();
                    outcomes[at] = outcome;
                    changed.notify_all();
                }
                Next::Wait => {
                    outcomes = changed
                        .wait(outcomes)
                        .unwrap_or_else(PoisonError::into_inner);
                }
                Next::Nothing => break,
            }
        }
        // Others may wait for a job that will not be begun any more.
        changed.notify_all();
    }

    /// Does one job in a process of its own.
    fn job(&self, at: usize, progress: &Progress) -> Outcome {
        let job = &self.plan.jobs[at];
        progress.begin(at);
        let began = Instant::now();
        let outcome = match self.carry_out(job, &|line| progress.line(at, line)) {
            Err(error) => Outcome::Failed(format!("{error:#}")),
            Ok(Ended::Failed(message)) => Outcome::Failed(message),
            Ok(Ended::Stopped) => Outcome::Stopped,
            // A run that was told to stop ends well, but not at its end.
            Ok(Ended::Well(_)) => match state::of(self.plan, job, self.out) {
                State::Done => Outcome::Done,
                State::New | State::Begun => Outcome::Stopped,
            },
        };
        progress.end(at, &outcome, began.elapsed());
        outcome
    }

    fn carry_out(&self, job: &Job, say: &(dyn Fn(&str) + Sync)) -> Result<Ended> {
        let name = self
            .plan
            .name(job)
            .replace([':', ','], "")
            .replace(' ', ".");
        let log = self.out.join("logs").join(format!("{name}.txt"));
        let saves = match &job.kind {
            JobKind::Pretrain => true,
            JobKind::Rescale { .. } => false,
            JobKind::Evaluate { evaluation, .. } => {
                self.plan.evaluations[*evaluation].task != Task::Knn
            }
        };
        if let JobKind::Rescale { anchor, .. } = &job.kind {
            let place = self.plan.rescaled(self.out, job.run, anchor);
            let folder = place.parent().unwrap_or(self.out);
            fs::create_dir_all(folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
        }
        let ended = child::run(&self.arguments(job), &log, saves, self.stop, say)?;
        if let (JobKind::Evaluate { evaluation, anchor }, Ended::Well(text)) = (&job.kind, &ended)
            && self.plan.evaluations[*evaluation].task == Task::Knn
            && let Some(weights) = self.weights(job)
        {
            let place = self
                .plan
                .evaluated(self.out, job.run, *evaluation, anchor.as_ref());
            self.keep_knn(&place, &weights, text)?;
        }
        Ok(ended)
    }

    /// The command of a job.
    pub fn arguments(&self, job: &Job) -> Vec<String> {
        let run = &self.plan.runs[job.run];
        let folder = self.plan.folder(self.out, job.run).display().to_string();
        let mut words: Vec<String> = Vec::new();
        let mut add = |parts: &[&str]| words.extend(parts.iter().map(ToString::to_string));
        match &job.kind {
            JobKind::Pretrain => {
                add(&[
                    "pretrain",
                    &run.recipe_name,
                    "--out",
                    &folder,
                    "--device",
                    self.device,
                ]);
                if state::of(self.plan, job, self.out) == State::Begun {
                    add(&["--resume"]);
                }
                run.overrides.iter().for_each(|text| add(&["--set", text]));
            }
            JobKind::Rescale { anchor, of } => {
                let place = self.plan.rescaled(self.out, job.run, anchor);
                add(&[
                    "norm-rescale",
                    "--weights",
                    &folder,
                    "--out",
                    &place.display().to_string(),
                ]);
                match (anchor, of) {
                    (Anchor::Constant(factor), _) => add(&["--constant", factor]),
                    (Anchor::File(file), _) => add(&["--anchor", file]),
                    (_, Some(of)) => {
                        add(&[
                            "--anchor",
                            &self.plan.folder(self.out, *of).display().to_string(),
                        ]);
                    }
                    (_, None) => {}
                }
            }
            JobKind::Evaluate { evaluation, anchor } => {
                return self.evaluate(job, *evaluation, anchor.as_ref());
            }
        }
        words
    }

    /// The command of an evaluation.
    fn evaluate(&self, job: &Job, evaluation: usize, anchor: Option<&Anchor>) -> Vec<String> {
        let evaluate = &self.plan.evaluations[evaluation];
        let task = evaluate.task;
        let mut words: Vec<String> = task.command().iter().map(ToString::to_string).collect();
        words.extend(["--device", self.device].map(str::to_string));
        if task != Task::Knn {
            let place = self.plan.evaluated(self.out, job.run, evaluation, anchor);
            words.extend(["--out".to_string(), place.display().to_string()]);
        }
        let begun = state::of(self.plan, job, self.out) == State::Begun;
        if begun && task != Task::Knn {
            words.push("--resume".to_string());
        }
        // The folder of a model of another task holds all that it was begun with.
        if begun && task.is_transfer() {
            return words;
        }
        if let Some(weights) = self.weights(job) {
            words.extend(["--weights".to_string(), weights]);
        }
        let run = &self.plan.runs[job.run].recipe;
        match task {
            Task::Knn => words.push("--json".to_string()),
            Task::LinearEval | Task::Finetune => {
                words.push("--json".to_string());
                if evaluate.given("seed").next().is_none() {
                    words.push(format!("--seed={}", run.run.seed));
                }
            }
            Task::Detect | Task::Segment => {
                words.extend(of_run(run).into_iter().map(|text| format!("--set={text}")));
            }
        }
        words.extend(options(evaluate));
        words
    }

    /// The weights that a job evaluates; none for random ones.
    fn weights(&self, job: &Job) -> Option<String> {
        let path = match &job.kind {
            JobKind::Evaluate {
                anchor: Some(Anchor::Random),
                ..
            } => return None,
            JobKind::Evaluate {
                anchor: Some(anchor),
                ..
            } if anchor.rescales() => self.plan.rescaled(self.out, job.run, anchor),
            _ => self.plan.folder(self.out, job.run),
        };
        Some(path.display().to_string())
    }

    /// Keeps what `knn` printed as the results of evaluations are kept: one in its folder, or one a checkpoint.
    fn keep_knn(&self, place: &Path, weights: &str, text: &str) -> Result<()> {
        for line in text.lines().filter(|line| line.starts_with('{')) {
            let mut result: Value = serde_json::from_str(line).context("knn printed no JSON")?;
            let folder = match result["step"].as_u64() {
                Some(step) => place.join(format!("step-{step}")),
                None => place.to_path_buf(),
            };
            result["task"] = "knn".into();
            result["weights"] = weights.into();
            if result["step"].is_null() {
                let last = checkpoints::list(Path::new(weights)).pop();
                result["step"] = last.map(|(step, _)| step).into();
            }
            fs::create_dir_all(&folder)
                .with_context(|| format!("{} cannot be made", folder.display()))?;
            write_whole(&folder.join(RESULT), &serde_json::to_vec_pretty(&result)?)?;
        }
        Ok(())
    }
}

enum Next {
    Job(usize),
    /// What is left needs jobs that are running.
    Wait,
    Nothing,
}

/// The first job whose needs are met. Jobs that need a failed one are skipped.
fn next(jobs: &[Job], outcomes: &mut [Outcome]) -> Next {
    let mut waits = false;
    for at in 0..jobs.len() {
        if outcomes[at] != Outcome::Waiting {
            continue;
        }
        let needs = || jobs[at].needs.iter().map(|need| &outcomes[*need]);
        if needs().all(|outcome| *outcome == Outcome::Done) {
            return Next::Job(at);
        }
        match needs().any(|outcome| {
            matches!(
                outcome,
                Outcome::Failed(_) | Outcome::Skipped | Outcome::Stopped
            )
        }) {
            true => outcomes[at] = Outcome::Skipped,
            false => waits = true,
        }
    }
    match waits {
        true => Next::Wait,
        false => Next::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(needs: &[usize]) -> Job {
        Job {
            run: 0,
            kind: JobKind::Pretrain,
            needs: needs.to_vec(),
        }
    }

    #[test]
    fn what_needs_a_failed_job_is_skipped_and_the_rest_goes_on() {
        let jobs = [job(&[]), job(&[0]), job(&[1]), job(&[]), job(&[3])];
        let mut outcomes = vec![Outcome::Waiting; 5];
        assert!(matches!(next(&jobs, &mut outcomes), Next::Job(0)));
        outcomes[0] = Outcome::Failed(String::new());
        assert!(matches!(next(&jobs, &mut outcomes), Next::Job(3)));
        assert_eq!(outcomes[1..3], [Outcome::Skipped, Outcome::Skipped]);
        outcomes[3] = Outcome::Running;
        assert!(matches!(next(&jobs, &mut outcomes), Next::Wait));
        outcomes[3] = Outcome::Done;
        assert!(matches!(next(&jobs, &mut outcomes), Next::Job(4)));
        outcomes[4] = Outcome::Done;
        assert!(matches!(next(&jobs, &mut outcomes), Next::Nothing));
    }
}
