//! `parallax study`: a grid of runs and their evaluations, each a process of its own.

mod carry_out;
mod child;
mod estimate;
mod eta;
mod file;
mod jobs;
mod named;
mod plan;
mod progress;
mod state;

use std::fs;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::{Value, json};

use crate::device;
use crate::stop::stop_on_ctrl_c;
use carry_out::{Outcome, Work};
use file::{StudyFile, bad};
use plan::Plan;
pub use progress::duration;

/// Arguments of `parallax study`.
#[derive(Args)]
pub struct Study {
    /// A study's name (see `studies/`) or a file
    #[arg(value_name = "STUDY")]
    pub study: String,
    /// Images, in place of those that the recipes name
    #[arg(long, value_name = "SRC")]
    pub data: Option<String>,
    /// cpu, auto, vulkan, metal, dx12 or webgpu, with :N for the N-th adapter
    #[arg(long, default_value = "auto", value_name = "DEVICE")]
    pub device: String,
    /// Folder of the study [default: runs/STUDY]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Go on with a study: what is done is skipped, what was begun is resumed
    #[arg(long)]
    pub resume: bool,
    /// Runs and evaluations at a time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// Time a few steps of each kind of run, and print runs, steps, hours and disk
    #[arg(long)]
    pub dry_run: bool,
    /// Print what became of each run and evaluation as JSON
    #[arg(long)]
    pub json: bool,
}

/// Carries out a study, or says what it would take.
pub fn run(arguments: &Study) -> Result<()> {
    let (name, study) = StudyFile::read(&arguments.study)?;
    let plan =
        Plan::of(&study, arguments.data.as_deref()).with_context(|| format!("study {name}"))?;
    // Before anything runs: a device that is not there would fail every run.
    device::open(&arguments.device)?;
    for (at, evaluation) in plan.evaluations.iter().enumerate() {
        if evaluation.task.is_transfer()
            && let Some(job) = plan.jobs.iter().find(|job| job.evaluates(at))
        {
            jobs::check_sources(evaluation, &plan.runs[job.run].recipe)?;
        }
    }
    if arguments.dry_run {
        return estimate::print(&plan, &study.title, arguments);
    }
    let out = arguments
        .out
        .clone()
        .unwrap_or_else(|| PathBuf::from("runs").join(&name));
    let begun = (0..plan.runs.len()).any(|run| plan.folder(&out, run).exists());
    if begun && !arguments.resume {
        return bad(format!(
            "{} already holds a study; add --resume to go on with it, or name another --out",
            out.display()
        ));
    }
    state::check(&plan, &out)?;
    fs::create_dir_all(&out).with_context(|| format!("{} cannot be made", out.display()))?;
    let stop = stop_on_ctrl_c()?;
    let title = match study.title.is_empty() {
        true => &name,
        false => &study.title,
    };
    let (runs, jobs) = (plan.runs.len(), plan.jobs.len());
    eprintln!(
        "{}\n{runs} runs, {} evaluations and other jobs, in {}",
        title,
        jobs - runs,
        out.display()
    );

    let began = Instant::now();
    let work = Work {
        plan: &plan,
        out: &out,
        device: &arguments.device,
        stop: &stop,
    };
    let outcomes = work.run(usize::from(arguments.jobs));
    if arguments.json {
        println!("{}", as_json(&plan, &outcomes, &out));
    } else {
        print!("{}", summary(&plan, &outcomes));
        let (took, out) = (duration(began.elapsed().as_secs_f64()), out.display());
        println!("took {took}; tables and figures: parallax report {out} --out {out}/report");
    }
    let is =
        |wanted: fn(&Outcome) -> bool| outcomes.iter().filter(|outcome| wanted(outcome)).count();
    let failed = is(|outcome| matches!(outcome, Outcome::Failed(_)));
    if failed > 0 {
        let skipped = is(|outcome| *outcome == Outcome::Skipped);
        bail!(
            "{failed} of {jobs} jobs failed and {skipped} that need them were not begun; what is done is kept. Once the cause \
             is repaired, --resume does the rest"
        );
    }
    if is(|outcome| *outcome == Outcome::Done) < jobs {
        eprintln!(
            "stopped; go on with: parallax study {} --resume --out {}",
            arguments.study,
            out.display()
        );
    }
    Ok(())
}

/// What was done, and each failure with its message.
fn summary(plan: &Plan, outcomes: &[Outcome]) -> String {
    let done = outcomes
        .iter()
        .filter(|outcome| **outcome == Outcome::Done)
        .count();
    let mut text = format!("{done} of {} jobs done\n", plan.jobs.len());
    for (job, outcome) in plan.jobs.iter().zip(outcomes) {
        if let Outcome::Failed(message) = outcome {
            text += &format!("failed: {}\n  {message}\n", plan.name(job));
        }
    }
    text
}

fn as_json(plan: &Plan, outcomes: &[Outcome], out: &std::path::Path) -> Value {
    let jobs = plan.jobs.iter().zip(outcomes).map(|(job, outcome)| {
        let (state, error) = match outcome {
            Outcome::Done => ("done", None),
            Outcome::Failed(message) => ("failed", Some(message)),
            Outcome::Skipped => ("skipped", None),
            Outcome::Waiting | Outcome::Running | Outcome::Stopped => ("left", None),
        };
        json!({ "run": plan.runs[job.run].name, "job": plan.name(job), "state": state, "error": error })
    });
    json!({ "out": out, "jobs": jobs.collect::<Vec<_>>() })
}
