//! The file of a study: `studies/README.md` describes it.

mod evaluate;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use toml::{Table, Value};

use super::named;
use crate::usage::BadArgument;
pub use evaluate::{Anchor, Evaluate, Task};

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
        let names: Vec<String> = finetune.anchors("byol").iter().map(Anchor::name).collect();
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
                &format!("{grid}[[evaluate]]\ntask = 'knn'\nrescale = 'random'"),
                "'random' is for detect and segment",
            ),
            (
                &format!("{grid}[[evaluate]]\ntask = 'knn'\nrescale.moco-v1 = 'none'"),
                "moco-v1",
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
