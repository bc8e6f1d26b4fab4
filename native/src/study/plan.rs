//! The runs of a study and what is done with each.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use parallax_train::Recipe;
use toml::Value;

use super::file::{Anchor, Evaluate, Grid, StudyFile, bad, plain};
use super::jobs::{Job, JobKind, check_options, jobs};
use crate::recipe;
use crate::report::RESCALED;

/// A pre-training run.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Its folder in the study's.
    pub name: String,
    /// The recipe's name or file.
    pub recipe_name: String,
    /// `section.key=value`
    pub overrides: Vec<String>,
    /// With the overrides.
    pub recipe: Recipe,
    /// What the grid gave it, without the recipe: the same for runs that belong together.
    pub values: Vec<(String, String)>,
}

/// All runs and jobs, the jobs in the order in which they are done.
#[derive(Clone, Debug)]
pub struct Plan {
    pub runs: Vec<PlannedRun>,
    pub jobs: Vec<Job>,
    pub evaluations: Vec<Evaluate>,
}

impl Plan {
    /// Expands a study; every recipe and option is checked.
    pub fn of(study: &StudyFile, data: Option<&str>) -> Result<Self> {
        let mut runs: Vec<PlannedRun> = Vec::new();
        for grid in &study.grids {
            for run in expand(study, grid, data)? {
                if runs.iter().any(|other| other.name == run.name) {
                    return bad(format!(
                        "grid: two runs are called '{}'; list what they differ in",
                        run.name
                    ));
                }
                runs.push(run);
            }
        }
        // All settings of a seed come before the next seed: what is done at any time can be compared.
        runs.sort_by_key(|run| run.recipe.run.seed);
        for evaluation in &study.evaluations {
            check_options(evaluation)?;
        }
        let jobs = jobs(&runs, &study.evaluations)?;
        Ok(Self {
            runs,
            jobs,
            evaluations: study.evaluations.clone(),
        })
    }

    /// What a job is called in messages.
    pub fn name(&self, job: &Job) -> String {
        let run = &self.runs[job.run].name;
        match &job.kind {
            JobKind::Pretrain => format!("{run}: pretrain"),
            JobKind::Rescale { anchor, .. } => format!("{run}: norm-rescale, {}", anchor.name()),
            JobKind::Evaluate { evaluation, anchor } => {
                let name = &self.evaluations[*evaluation].name;
                match anchor {
                    Some(anchor) => format!("{run}: {name}, {}", anchor.name()),
                    None => format!("{run}: {name}"),
                }
            }
        }
    }

    /// The folder of a run.
    pub fn folder(&self, out: &Path, run: usize) -> PathBuf {
        out.join(&self.runs[run].name)
    }

    /// The rescaled weights of a run.
    pub fn rescaled(&self, out: &Path, run: usize, anchor: &Anchor) -> PathBuf {
        let name = format!("{}.safetensors", anchor.name());
        self.folder(out, run).join(RESCALED).join(name)
    }

    /// The folder of an evaluation.
    pub fn evaluated(
        &self,
        out: &Path,
        run: usize,
        evaluation: usize,
        anchor: Option<&Anchor>,
    ) -> PathBuf {
        let name = &self.evaluations[evaluation].name;
        let name = match anchor {
            Some(anchor) => format!("{name}-{}", anchor.name()),
            None => name.clone(),
        };
        self.folder(out, run).join("evaluations").join(name)
    }
}

/// Every combination of a grid's values.
fn expand(study: &StudyFile, grid: &Grid, data: Option<&str>) -> Result<Vec<PlannedRun>> {
    let mut combinations: Vec<Vec<(usize, &Value)>> = vec![Vec::new()];
    for (at, axis) in grid.axes.iter().enumerate() {
        let longer = combinations.iter().flat_map(|combination| {
            let with = move |value| combination.iter().copied().chain([(at, value)]).collect();
            axis.values.iter().map(with)
        });
        combinations = longer.collect();
    }
    let steps = study.set.iter().any(|(key, _)| key == "run.total_steps");
    if steps && grid.axes.iter().any(|axis| axis.key == "run.epochs") {
        return bad(
            "grid: run.epochs has no effect where run.total_steps is set; list run.total_steps"
                .to_string(),
        );
    }
    let mut runs = Vec::new();
    for recipe_name in &grid.recipes {
        for combination in &combinations {
            let mut name = recipe::short_name(recipe_name).to_string();
            let mut seed = String::new();
            let mut values = Vec::new();
            let own = study
                .set_for
                .iter()
                .filter(|(recipe, _)| recipe == recipe_name);
            let set = study.set.iter().chain(own.flat_map(|(_, values)| values));
            let mut overrides: Vec<String> =
                set.map(|(key, value)| format!("{key}={value}")).collect();
            for (at, value) in combination {
                let axis = &grid.axes[*at];
                overrides.push(format!("{}={value}", axis.key));
                values.push((axis.key.clone(), plain(value)));
                if axis.listed {
                    let part = format!("-{}-{}", last(&axis.key), in_name(&plain(value)));
                    match axis.key == "run.seed" {
                        true => seed = part,
                        false => name += &part,
                    }
                }
            }
            name += &seed;
            if let Some(data) = data {
                overrides.push(format!("data.source={}", Value::String(data.to_string())));
            }
            let recipe = recipe::read(recipe_name, None, &overrides)
                .with_context(|| format!("run {name}"))?;
            let labels = recipe.method.name.spec().labels;
            if let Some((key, value)) = values.iter().find(|(key, _)| key == "data.taxonomy")
                && !labels
                && value != "none"
            {
                return bad(format!(
                    "run {name}: {key} groups labels, which {recipe_name} does not use; list it in a [[grid]] of its own"
                ));
            }
            let recipe_name = recipe_name.clone();
            runs.push(PlannedRun {
                name,
                recipe_name,
                overrides,
                recipe,
                values,
            });
        }
    }
    Ok(runs)
}

/// The last part of a key, with hyphens.
fn last(key: &str) -> String {
    key.rsplit('.').next().unwrap_or(key).replace('_', "-")
}

/// A value as part of a folder's name: files without folder and ending.
fn in_name(value: &str) -> String {
    let name = value.rsplit(['/', '\\']).next().unwrap_or(value);
    let name = name.trim_end_matches(".json").trim_end_matches(".txt");
    let plain = |letter: char| {
        if letter.is_alphanumeric() || ".-".contains(letter) {
            letter
        } else {
            '-'
        }
    };
    name.chars().map(plain).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan> {
        Plan::of(&StudyFile::parse(text).unwrap(), None)
    }

    fn names(plan: &Plan) -> Vec<String> {
        plan.jobs.iter().map(|job| plan.name(job)).collect()
    }

    #[test]
    fn a_grid_is_every_combination_seed_by_seed() {
        let text = "
            [[grid]]
            recipe = ['moco-v2-plus', 'byol']
            run.epochs = [1, 2]
            run.seed = [0, 1]
            run.batch_size = 64
            [[grid]]
            recipe = 'supervised'
            run.seed = [0]
            [set]
            views.size = 32
            [for.byol]
            views.size = 16
            [[evaluate]]
            task = 'knn'
            recipes = 'byol'
        ";
        let plan = plan(text).unwrap();
        let runs: Vec<&str> = plan.runs.iter().map(|run| run.name.as_str()).collect();
        let expected = [
            "moco-v2-plus-epochs-1-seed-0",
            "moco-v2-plus-epochs-2-seed-0",
            "byol-epochs-1-seed-0",
            "byol-epochs-2-seed-0",
            "supervised-seed-0",
            "moco-v2-plus-epochs-1-seed-1",
            "moco-v2-plus-epochs-2-seed-1",
            "byol-epochs-1-seed-1",
            "byol-epochs-2-seed-1",
        ];
        assert_eq!(runs, expected);
        let byol = &plan.runs[3].recipe;
        assert_eq!(
            (byol.run.epochs, byol.run.batch_size, byol.views.size),
            (2, 64, 16)
        );
        assert_eq!(plan.runs[0].recipe.views.size, 32);
        let names = names(&plan);
        assert_eq!(names.len(), 9 + 4);
        assert_eq!(names[3], "byol-epochs-1-seed-0: knn");
        assert_eq!(plan.jobs[3].needs, [2]);
    }

    #[test]
    fn rescaled_weights_wait_for_their_anchors_run() {
        let text = "
            [[grid]]
            recipe = ['byol-lars', 'byol']
            run.epochs = 100
            run.seed = [0, 1]
            [[evaluate]]
            task = 'knn'
            recipes = 'byol-lars'
            rescale = ['none', 'constant:0.1', 'byol']
        ";
        let plan = plan(text).unwrap();
        let names = names(&plan);
        assert_eq!(names[4], "byol-lars-seed-0: knn, none");
        assert_eq!(names[5], "byol-lars-seed-0: norm-rescale, constant-0.1");
        assert_eq!(names[7], "byol-lars-seed-0: norm-rescale, byol");
        let at = |name: &str| names.iter().position(|other| other == name).unwrap();
        let needs = &plan.jobs[at("byol-lars-seed-1: norm-rescale, byol")].needs;
        assert_eq!(
            *needs,
            [
                at("byol-lars-seed-1: pretrain"),
                at("byol-seed-1: pretrain")
            ]
        );
        let last = plan.jobs.last().unwrap();
        assert_eq!(
            last.needs,
            [at("byol-lars-seed-1: pretrain"), names.len() - 2]
        );
    }

    #[test]
    fn impossible_combinations_name_their_key() {
        let error = |text: &str| format!("{:#}", plan(text).unwrap_err());
        let of = |rest: &str| error(&format!("[[grid]]\nrecipe = 'byol'\n{rest}"));
        let message = of("optimizer.speed = [1]");
        assert!(
            message.contains("byol-speed-1") && message.contains("speed"),
            "{message}"
        );
        assert!(of("[set]\nrun.epohcs = 3").contains("epohcs"));
        assert!(of("run.epochs = [1, 2]\n[set]\nrun.total_steps = 5").contains("run.epochs"));
        assert!(error("[[grid]]\nrecipe = 'byoll'").contains("byoll"));
        assert!(error("[[grid]]\nrecipe = ['byol', 'byol']").contains("two runs"));
        let message = of("[[evaluate]]\ntask = 'knn'\nspeed = 3");
        assert!(
            message.contains("'speed'") && message.contains("knn"),
            "{message}"
        );
        let rescale = "[[grid]]\nrecipe = 'byol'\nrun.seed = [0]\n[[grid]]\nrecipe = 'moco-v2'\nrun.seed = [1]\n\
            [[evaluate]]\ntask = 'knn'\nrecipes = 'byol'\nrescale = 'moco-v2'";
        assert!(error(rescale).contains("evaluate.rescale"));
    }
}
