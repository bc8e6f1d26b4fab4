//! What is done with the runs of a study, one call of the program each.

use anyhow::{Context as _, Result};
use clap::Parser as _;
use clap::error::ErrorKind;
use parallax_train::Recipe;
use parallax_transfer::TransferRecipe;

use super::file::{Anchor, Evaluate, Task, bad};
use super::plan::PlannedRun;
use crate::cli::Cli;
use crate::detect::Detection;
use crate::segment::Segmentation;
use crate::transfer::{self, Kind as _};

/// One call of the program.
#[derive(Clone, Debug)]
pub struct Job {
    /// Its run, by index.
    pub run: usize,
    pub kind: JobKind,
    /// Jobs that must be done before, by index.
    pub needs: Vec<usize>,
}

impl Job {
    /// Whether it is the evaluation of this index.
    pub fn evaluates(&self, at: usize) -> bool {
        matches!(self.kind, JobKind::Evaluate { evaluation, .. } if evaluation == at)
    }
}

/// What a job does.
#[derive(Clone, Debug)]
pub enum JobKind {
    Pretrain,
    /// Rescales the run's weights to an anchor's norms.
    Rescale {
        anchor: Anchor,
        /// The anchor's run, by index.
        of: Option<usize>,
    },
    /// An evaluation, by index, of weights as they are, rescaled or random.
    Evaluate {
        evaluation: usize,
        anchor: Option<Anchor>,
    },
}

/// Pre-training, its evaluations, and at last those of weights that are rescaled to other runs' norms.
pub fn jobs(runs: &[PlannedRun], evaluations: &[Evaluate]) -> Result<Vec<Job>> {
    let mut jobs = Vec::new();
    let mut last = Vec::new();
    let mut trained = Vec::new();
    for (run, planned) in runs.iter().enumerate() {
        trained.push(jobs.len());
        jobs.push(Job {
            run,
            kind: JobKind::Pretrain,
            needs: Vec::new(),
        });
        for (evaluation, evaluate) in evaluations.iter().enumerate() {
            let own = evaluate.recipes.as_ref();
            if own.is_some_and(|recipes| !recipes.contains(&planned.recipe_name)) {
                continue;
            }
            if evaluate.task.is_transfer() {
                recipe(evaluate, &planned.recipe)
                    .with_context(|| format!("evaluate ({})", evaluate.name))?;
            }
            let anchors = evaluate.anchors(&planned.recipe_name);
            if anchors.is_empty() {
                let kind = JobKind::Evaluate {
                    evaluation,
                    anchor: None,
                };
                jobs.push(Job {
                    run,
                    kind,
                    needs: vec![trained[run]],
                });
            }
            last.extend(anchors.iter().map(|anchor| (run, evaluation, anchor)));
        }
    }
    let mut rescaled: Vec<(usize, &Anchor, usize)> = Vec::new();
    for (run, evaluation, anchor) in last {
        let mut needs = match anchor {
            Anchor::Random => Vec::new(),
            _ => vec![trained[run]],
        };
        if anchor.rescales() {
            let made = rescaled.iter().find(|(r, a, _)| *r == run && *a == anchor);
            let made = match made {
                Some((_, _, job)) => *job,
                None => {
                    let of = match anchor {
                        Anchor::Recipe(name) => Some(partner(runs, run, name)?),
                        _ => None,
                    };
                    let kind = JobKind::Rescale {
                        anchor: anchor.clone(),
                        of,
                    };
                    let needs = std::iter::once(run).chain(of).map(|run| trained[run]);
                    jobs.push(Job {
                        run,
                        kind,
                        needs: needs.collect(),
                    });
                    rescaled.push((run, anchor, jobs.len() - 1));
                    jobs.len() - 1
                }
            };
            needs.push(made);
        }
        let kind = JobKind::Evaluate {
            evaluation,
            anchor: Some(anchor.clone()),
        };
        jobs.push(Job { run, kind, needs });
    }
    Ok(jobs)
}

/// The run of another recipe with the same values of the grid.
fn partner(runs: &[PlannedRun], run: usize, recipe: &str) -> Result<usize> {
    let same = |other: &PlannedRun| other.recipe_name == recipe && other.values == runs[run].values;
    match runs.iter().position(same) {
        Some(at) => Ok(at),
        None => bad(format!(
            "evaluate.rescale: no run of {recipe} has the values of {}",
            runs[run].name
        )),
    }
}

/// Checks the options of an evaluation as the command line does.
pub fn check_options(evaluation: &Evaluate) -> Result<()> {
    let command = evaluation.task.command();
    let words = ["parallax"].into_iter().chain(command.iter().copied());
    let words = words.chain(["--weights", "W"]).map(str::to_string);
    let parsed = Cli::try_parse_from(words.chain(options(evaluation)));
    let Err(error) = parsed else {
        return Ok(());
    };
    let text = error.to_string();
    let first = text
        .lines()
        .next()
        .unwrap_or_default()
        .trim_start_matches("error: ");
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let found = first.split('\'').nth(1).unwrap_or_default();
            let key = found.trim_start_matches('-').replace('-', "_");
            bad(format!(
                "evaluate: unknown key '{key}'; {} has no option {found}",
                command.join(" ")
            ))
        }
        ErrorKind::MissingRequiredArgument => {
            let missing = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("--"));
            let missing: Vec<&str> = missing
                .filter_map(|line| line.split_whitespace().next())
                .collect();
            bad(format!(
                "evaluate ({}): {} is missing",
                evaluation.name,
                missing.join(", ")
            ))
        }
        _ => bad(format!("evaluate ({}): {first}", evaluation.name)),
    }
}

/// The options of an evaluation as arguments.
pub fn options(evaluation: &Evaluate) -> impl Iterator<Item = String> {
    let every = evaluation.every.then(|| "--every".to_string());
    let pairs = evaluation.options.iter();
    pairs
        .map(|(key, value)| format!("--{key}={value}"))
        .chain(every)
}

/// Overrides by which a model of another task has the network and the seed of a run. Those of the study come later, and take
/// precedence.
pub fn of_run(run: &Recipe) -> Vec<String> {
    let mut overrides = vec![
        format!("run.seed={}", run.run.seed),
        format!("model.arch={:?}", run.model.arch).to_lowercase(),
    ];
    overrides.extend(run.model.width.map(|width| format!("model.width={width}")));
    overrides
}

/// The recipe of a model of another task that is trained on a run's network.
pub fn recipe(evaluation: &Evaluate, run: &Recipe) -> Result<TransferRecipe> {
    let overrides = of_run(run).into_iter().chain(evaluation.given("set"));
    let name = evaluation.given("recipe").next().unwrap_or_default();
    let (recipe, _) = transfer::read_recipe(&name, &overrides.collect::<Vec<_>>())?;
    Ok(recipe)
}

/// Opens the images of a model of another task: a source that is not there would be found only after pre-training.
pub fn check_sources(evaluation: &Evaluate, run: &Recipe) -> Result<()> {
    let recipe = recipe(evaluation, run)?;
    let [train, test] =
        ["train", "test"].map(|key| evaluation.given(key).next().unwrap_or_default());
    let opened = match evaluation.task {
        Task::Detect => Detection::open(&recipe, &train, &test).map(|_| ()),
        Task::Segment => Segmentation::open(&recipe, &train, &test).map(|_| ()),
        Task::Knn | Task::LinearEval | Task::Finetune => Ok(()),
    };
    opened.with_context(|| format!("evaluate ({})", evaluation.name))
}
