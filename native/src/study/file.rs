//! The file of a study: `studies/README.md` describes it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use super::named;
use crate::recipe;
use crate::usage::BadArgument;

/// A study.
#[derive(Clone, Debug, Default)]
pub struct StudyFile {
    pub title: String,
    pub grids: Vec<Grid>,
    /// Overrides of every run: keys and values of a recipe.
    pub set: Vec<(String, Value)>,
    /// Overrides of the runs of one recipe.
    pub set_for: Vec<(String, Vec<(String, Value)>)>,
    pub evaluations: Vec<Evaluate>,
}

/// Runs with every combination of the listed values.
#[derive(Clone, Debug, Default)]
pub struct Grid {
    pub recipes: Vec<String>,
    pub axes: Vec<Axis>,
}

/// A key of the recipe and the values that it takes.
#[derive(Clone, Debug)]
pub struct Axis {
    pub key: String,
    pub values: Vec<Value>,
    /// Whether it was written as a list, and so belongs to the names of runs.
    pub listed: bool,
}

/// What is measured of each run.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluate {
    pub task: Task,
    /// Its folder in a run's folder `evaluations`.
    pub name: String,
    /// The recipes whose runs are evaluated; none for all.
    pub recipes: Option<Vec<String>>,
    /// Whether every checkpoint is evaluated, or the last one.
    pub every: bool,
    /// What the weights are rescaled to before; empty for weights as they are.
    pub anchors: Vec<Anchor>,
    /// Options of the command: `("batch-size", "256")`.
    pub options: Vec<(String, String)>,
}

/// The commands that evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Knn,
    LinearEval,
    Finetune,
}

impl Task {
    const ALL: [Self; 3] = [Self::Knn, Self::LinearEval, Self::Finetune];

    /// The command's name.
    pub fn command(self) -> &'static str {
        match self {
            Self::Knn => "knn",
            Self::LinearEval => "linear-eval",
            Self::Finetune => "finetune",
        }
    }
}

/// Where the norms of rescaled weights come from (methods.md 6).
#[derive(Clone, Debug, PartialEq)]
pub enum Anchor {
    /// The weights as they are.
    None,
    /// Every norm times a number, as it is written.
    Constant(String),
    /// The run of another recipe of the study, with the same values otherwise.
    Recipe(String),
    /// A weight file or a run's folder.
    File(String),
}

impl Anchor {
    fn of(text: &str, recipes: &[&str]) -> Result<Self> {
        if text == "none" {
            return Ok(Self::None);
        }
        if let Some(factor) = text.strip_prefix("constant:") {
            return match factor.parse::<f64>() {
                Ok(value) if value > 0.0 && value.is_finite() => {
                    Ok(Self::Constant(factor.to_string()))
                }
                _ => bad(format!(
                    "evaluate.rescale: '{text}' needs a positive number behind the colon"
                )),
            };
        }
        if recipes.contains(&text) {
            return Ok(Self::Recipe(text.to_string()));
        }
        match Path::new(text).exists() {
            true => Ok(Self::File(text.to_string())),
            false => bad(format!(
                "evaluate.rescale: '{text}' is neither none, constant:NUMBER, a recipe of this study nor a file"
            )),
        }
    }

    /// Its name in those of files.
    pub fn name(&self) -> String {
        match self {
            Self::None => "none".to_string(),
            Self::Constant(factor) => format!("constant-{factor}"),
            Self::Recipe(name) => recipe::short_name(name).to_string(),
            Self::File(path) => {
                let name = Path::new(path)
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy();
                name.split('.').next().unwrap_or_default().to_string()
            }
        }
    }
}

impl StudyFile {
    /// Reads a study by name or from a file; returns its short name, too.
    pub fn read(name: &str) -> Result<(String, Self)> {
        let path = Path::new(name);
        let text = match named::text(name) {
            Some(text) => text.to_string(),
            None if path.is_file() => {
                fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?
            }
            None => {
                let known = named::names().join(", ");
                return bad(format!(
                    "'{name}' is neither a file nor a study of Parallax; there are {known}"
                ));
            }
        };
        let short = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or("study");
        let file = Self::parse(&text).with_context(|| format!("study {name}"))?;
        Ok((short.to_string(), file))
    }

    /// Reads the text of a study.
    pub fn parse(text: &str) -> Result<Self> {
        let mut table: Table = match text.parse() {
            Ok(table) => table,
            Err(error) => return bad(error.to_string().trim_end().to_string()),
        };
        let mut study = Self {
            title: taken(&mut table, "title", string)?.unwrap_or_default(),
            ..Self::default()
        };
        study.set = taken(&mut table, "set", flat)?.unwrap_or_default();
        for grid in taken(&mut table, "grid", tables)?.unwrap_or_default() {
            study.grids.push(Grid::parse(grid)?);
        }
        if study.grids.is_empty() {
            return bad("a study needs a [[grid]] with the recipes to run".to_string());
        }
        let recipes: Vec<&str> = study
            .grids
            .iter()
            .flat_map(|grid| &grid.recipes)
            .map(String::as_str)
            .collect();
        if let Some(own) = taken(&mut table, "for", section)? {
            for (recipe, value) in own {
                if !recipes.contains(&recipe.as_str()) {
                    return bad(format!("for.{recipe}: no grid has the recipe '{recipe}'"));
                }
                study
                    .set_for
                    .push((recipe.clone(), flat(&format!("for.{recipe}"), value)?));
            }
        }
        for evaluation in taken(&mut table, "evaluate", tables)?.unwrap_or_default() {
            study
                .evaluations
                .push(Evaluate::parse(evaluation, &recipes)?);
        }
        if let Some(key) = table.keys().next() {
            return bad(format!(
                "unknown key '{key}'; a study has title, grid, set, for and evaluate"
            ));
        }
        for (at, evaluation) in study.evaluations.iter().enumerate() {
            if study.evaluations[..at]
                .iter()
                .any(|other| other.name == evaluation.name)
            {
                return bad(format!(
                    "evaluate.name: two evaluations are called '{}'; give one of them another name",
                    evaluation.name
                ));
            }
        }
        Ok(study)
    }
}

impl Grid {
    fn parse(mut table: Table) -> Result<Self> {
        let recipes = taken(&mut table, "recipe", strings)?.unwrap_or_default();
        if recipes.is_empty() {
            return bad("grid.recipe must name a recipe, or list several".to_string());
        }
        let mut axes = Vec::new();
        for (key, value) in flat("grid", Value::Table(table))? {
            let (values, listed) = match value {
                Value::Array(values) if values.is_empty() => {
                    return bad(format!("grid: {key} lists no value"));
                }
                Value::Array(values) => (values, true),
                value => (vec![value], false),
            };
            axes.push(Axis {
                key,
                values,
                listed,
            });
        }
        Ok(Self { recipes, axes })
    }
}

impl Evaluate {
    fn parse(mut table: Table, recipes: &[&str]) -> Result<Self> {
        let known = Task::ALL.map(Task::command).join(", ");
        let Some(command) = taken(&mut table, "task", string)? else {
            return bad(format!("evaluate.task is missing: one of {known}"));
        };
        let Some(task) = Task::ALL.into_iter().find(|task| task.command() == command) else {
            return bad(format!("evaluate.task: '{command}' is none of {known}"));
        };
        let own = taken(&mut table, "recipes", strings)?;
        if let Some(name) = own
            .iter()
            .flatten()
            .find(|name| !recipes.contains(&name.as_str()))
        {
            return bad(format!("evaluate.recipes: no grid has the recipe '{name}'"));
        }
        let every = match table.remove("every") {
            None => false,
            Some(Value::Boolean(every)) => every,
            Some(other) => {
                return bad(format!("evaluate.every must be true or false, not {other}"));
            }
        };
        let anchors = taken(&mut table, "rescale", strings)?.unwrap_or_default();
        let anchors = anchors
            .iter()
            .map(|text| Anchor::of(text, recipes))
            .collect::<Result<Vec<_>>>()?;
        if every && !anchors.is_empty() {
            return bad("evaluate.every and evaluate.rescale exclude each other".to_string());
        }
        let name = taken(&mut table, "name", string)?;
        let options: Vec<(String, String)> = table
            .into_iter()
            .map(|(key, value)| (key.replace('_', "-"), plain(&value)))
            .collect();
        for key in ["weights", "out", "resume", "json", "device"] {
            if options.iter().any(|(option, _)| option == key) {
                return bad(format!("evaluate.{key} is the study's own affair"));
            }
        }
        let preset = options.iter().find(|(key, _)| key == "preset");
        let default = || match preset {
            Some((_, preset)) => format!("{command}-{preset}"),
            None => command.clone(),
        };
        Ok(Self {
            task,
            name: name.unwrap_or_else(default),
            recipes: own,
            every,
            anchors,
            options,
        })
    }
}

/// A value without quotes, as on a command line; lists by commas.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    }
}

/// The keys and values of sections: `run.epochs`.
fn flat(key: &str, value: Value) -> Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    for (name, value) in section(key, value)? {
        let Value::Table(values) = value else {
            return bad(format!(
                "{key}: '{name}' is no key of a recipe, which are written section.key"
            ));
        };
        found.extend(
            values
                .into_iter()
                .map(|(key, value)| (format!("{name}.{key}"), value)),
        );
    }
    Ok(found)
}

fn taken<T>(
    table: &mut Table,
    key: &str,
    read: impl Fn(&str, Value) -> Result<T>,
) -> Result<Option<T>> {
    table.remove(key).map(|value| read(key, value)).transpose()
}

fn string(key: &str, value: Value) -> Result<String> {
    match value {
        Value::String(text) => Ok(text),
        other => bad(format!("{key} must be a text, not {other}")),
    }
}

fn strings(key: &str, value: Value) -> Result<Vec<String>> {
    match value {
        Value::Array(values) => values.into_iter().map(|value| string(key, value)).collect(),
        value => Ok(vec![string(key, value)?]),
    }
}

fn section(key: &str, value: Value) -> Result<Table> {
    match value {
        Value::Table(table) => Ok(table),
        other => bad(format!("{key} must be a table, not {other}")),
    }
}

fn tables(key: &str, value: Value) -> Result<Vec<Table>> {
    match value {
        Value::Array(values) => values
            .into_iter()
            .map(|value| section(key, value))
            .collect(),
        _ => bad(format!("{key} is written [[{key}]]: there may be several")),
    }
}

pub fn bad<T>(message: String) -> Result<T> {
    Err(BadArgument(message).into())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        StudyFile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn every_part_is_read() {
        let text = "
            title = 'T'
            [[grid]]
            recipe = ['byol', 'byol-lars']
            run.epochs = [1, 2]
            run.seed = 7
            [set]
            run.batch_size = 32
            [for.byol]
            optimizer.base_lr = 0.1
            [[evaluate]]
            task = 'linear-eval'
            preset = 'sgd'
            batch_size = 64
            milestones = [6, 8]
            recipes = 'byol'
            [[evaluate]]
            task = 'finetune'
            rescale = ['none', 'constant:0.1', 'byol']
        ";
        let study = StudyFile::parse(text).unwrap();
        let grid = &study.grids[0];
        assert_eq!(grid.recipes, ["byol", "byol-lars"]);
        let axes: Vec<_> = grid
            .axes
            .iter()
            .map(|a| (a.key.as_str(), a.values.len(), a.listed))
            .collect();
        assert_eq!(axes, [("run.epochs", 2, true), ("run.seed", 1, false)]);
        assert_eq!(
            study.set,
            [("run.batch_size".to_string(), Value::Integer(32))]
        );
        assert_eq!(study.set_for[0].0, "byol");
        let [linear, finetune] = study.evaluations.as_slice() else {
            unreachable!()
        };
        assert_eq!(linear.name, "linear-eval-sgd");
        let option = |key: &str| {
            linear
                .options
                .iter()
                .find(|(k, _)| k == key)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(
            (option("batch-size"), option("milestones")),
            ("64".into(), "6,8".into())
        );
        let names: Vec<String> = finetune.anchors.iter().map(Anchor::name).collect();
        assert_eq!(names, ["none", "constant-0.1", "byol"]);
    }

    #[test]
    fn every_error_names_its_key() {
        let grid = "[[grid]]\nrecipe = 'byol'\n";
        for (text, key) in [
            ("", "[[grid]]"),
            ("[[grid]]\nrun.seed = 1", "grid.recipe"),
            ("[grid]\nrecipe = 'byol'", "[[grid]]"),
            (&format!("colour = 1\n{grid}"), "colour"),
            (&format!("{grid}seed = 1"), "seed"),
            (&format!("{grid}run.seed = []"), "run.seed"),
            (
                &format!("{grid}[for.moco-v2]\nrun.epochs = 1"),
                "for.moco-v2",
            ),
            (&format!("{grid}[[evaluate]]\nk = 3"), "evaluate.task"),
            (&format!("{grid}[[evaluate]]\ntask = 'svm'"), "svm"),
            (
                &format!("{grid}[[evaluate]]\ntask = 'knn'\nevery = 3"),
                "evaluate.every",
            ),
            (
                &format!("{grid}[[evaluate]]\ntask = 'knn'\nrecipes = 'moco-v1'"),
                "moco-v1",
            ),
            (
                &format!("{grid}[[evaluate]]\ntask = 'knn'\nrescale = 'constant:x'"),
                "constant:x",
            ),
            (
                &format!("{grid}[[evaluate]]\ntask = 'knn'\nrescale = 'nowhere.pth'"),
                "nowhere.pth",
            ),
            (
                &format!("{grid}[[evaluate]]\ntask = 'knn'\n[[evaluate]]\ntask = 'knn'"),
                "evaluate.name",
            ),
            (
                &format!("{grid}[[evaluate]]\ntask = 'knn'\nout = 'x'"),
                "evaluate.out",
            ),
        ] {
            let message = error(text);
            assert!(message.contains(key), "{key}: {message}");
        }
    }
}
