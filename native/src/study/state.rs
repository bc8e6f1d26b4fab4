//! Where a study stands: by what is on disk, and nothing else.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use parallax_train::{RECIPE_FILE, Recipe};
use serde_json::Value;

use super::file::bad;
use super::jobs::{Job, JobKind};
use super::plan::Plan;
use crate::checkpoints;
use crate::report::RESULT;

/// How far a job is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing is on disk.
    New,
    /// It was begun, and can be resumed.
    Begun,
    Done,
}

/// How far a job of a study in `out` is.
pub fn of(plan: &Plan, job: &Job, out: &Path) -> State {
    let folder = plan.folder(out, job.run);
    match &job.kind {
        JobKind::Pretrain if trained(&folder) => State::Done,
        JobKind::Pretrain if folder.join(RECIPE_FILE).is_file() => State::Begun,
        JobKind::Pretrain => State::New,
        JobKind::Rescale { anchor, .. } => match plan.rescaled(out, job.run, anchor).is_file() {
            true => State::Done,
            false => State::New,
        },
        JobKind::Evaluate { evaluation, anchor } => {
            let place = plan.evaluated(out, job.run, *evaluation, anchor.as_ref());
            let evaluate = &plan.evaluations[*evaluation];
            let every = evaluate.every;
            let whole = match every {
                false => place.join(RESULT).is_file(),
                true => {
                    let saved = checkpoints::list(&folder);
                    let has =
                        |step: &u64| place.join(format!("step-{step}")).join(RESULT).is_file();
                    !saved.is_empty() && saved.iter().all(|(step, _)| has(step))
                }
            };
            match whole {
                true => State::Done,
                false if every && place.exists() => State::Begun,
                false => {
                    let begun = evaluate.task.settings().map(|name| place.join(name));
                    match begun.is_some_and(|file| file.is_file()) {
                        true => State::Begun,
                        false => State::New,
                    }
                }
            }
        }
    }
}

/// Whether a run came to its end: the last whole line of its log says so.
fn trained(run: &Path) -> bool {
    let events = fs::read_to_string(run.join("events.jsonl")).unwrap_or_default();
    let last = events
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str::<Value>(line).ok());
    last.is_some_and(|event| event["event"] == "done")
}

/// Refuses a folder whose runs are not those of the plan.
pub fn check(plan: &Plan, out: &Path) -> Result<()> {
    for (at, run) in plan.runs.iter().enumerate() {
        let path = plan.folder(out, at).join(RECIPE_FILE);
        if !path.is_file() {
            continue;
        }
        let text = fs::read_to_string(&path)
            .with_context(|| format!("{} cannot be read", path.display()))?;
        let stored = Recipe::parse(&text, &[]).with_context(|| path.display().to_string())?;
        if stored != run.recipe {
            return bad(format!(
                "{} holds a run with another recipe than the study gives it; name another --out",
                plan.folder(out, at).display()
            ));
        }
    }
    Ok(())
}
