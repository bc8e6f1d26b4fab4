//! What is measured of each run: `[[evaluate]]`.

use std::path::Path;

use anyhow::Result;
use toml::{Table, Value};

use super::{bad, plain, string, strings, taken};
use crate::recipe;
use crate::report::RANDOM;

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
    /// What the weights of each recipe are rescaled to before; nothing for weights as they are.
    rescale: Vec<(String, Vec<Anchor>)>,
    /// Options of the command: `("batch-size", "256")`; those with several values several times.
    pub options: Vec<(String, String)>,
}

/// The commands that evaluate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    Knn,
    LinearEval,
    Finetune,
    Detect,
    Segment,
}

impl Task {
    const ALL: [Self; 5] = [
        Self::Knn,
        Self::LinearEval,
        Self::Finetune,
        Self::Detect,
        Self::Segment,
    ];

    /// Its name in studies.
    pub fn name(self) -> &'static str {
        self.command()[0]
    }

    /// The command.
    pub fn command(self) -> &'static [&'static str] {
        match self {
            Self::Knn => &["knn"],
            Self::LinearEval => &["linear-eval"],
            Self::Finetune => &["finetune"],
            Self::Detect => &["detect", "train"],
            Self::Segment => &["segment", "train"],
        }
    }

    /// Whether it trains a model of another task on the backbone, which may be random.
    pub fn is_transfer(self) -> bool {
        matches!(self, Self::Detect | Self::Segment)
    }

    /// The file in its folder without which it cannot be resumed; none of what is made in one go.
    pub fn settings(self) -> Option<&'static str> {
        match self {
            Self::Knn => None,
            Self::LinearEval | Self::Finetune => Some("eval.toml"),
            Self::Detect | Self::Segment => Some(crate::transfer::SETTINGS),
        }
    }
}

/// Where the norms of rescaled weights come from (methods.md 6).
#[derive(Clone, Debug, PartialEq)]
pub enum Anchor {
    /// The weights as they are.
    None,
    /// Random weights in place of the run's.
    Random,
    /// Every norm times a number, as it is written.
    Constant(String),
    /// The run of another recipe of the study, with the same values otherwise.
    Recipe(String),
    /// A weight file or a run's folder.
    File(String),
}

impl Anchor {
    fn of(text: &str, recipes: &[&str]) -> Result<Self> {
        match text {
            "none" => return Ok(Self::None),
            "random" => return Ok(Self::Random),
            _ => {}
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
                "evaluate.rescale: '{text}' is neither none, random, constant:NUMBER, a recipe of this study nor a file"
            )),
        }
    }

    /// Whether weights must be rescaled to it.
    pub fn rescales(&self) -> bool {
        !matches!(self, Self::None | Self::Random)
    }

    /// Its name in those of files.
    pub fn name(&self) -> String {
        match self {
            Self::None => "none".to_string(),
            Self::Random => RANDOM.to_string(),
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

impl Evaluate {
    /// What the weights of a recipe's runs are rescaled to; nothing for weights as they are.
    pub fn anchors(&self, recipe: &str) -> &[Anchor] {
        let own = self.rescale.iter().find(|(name, _)| name == recipe);
        own.map_or(&[], |(_, anchors)| anchors)
    }

    /// The values of an option.
    pub fn given(&self, name: &str) -> impl Iterator<Item = String> {
        let own = self.options.iter().filter(move |(key, _)| key == name);
        own.map(|(_, value)| value.clone())
    }

    /// Reads one of a study with these recipes.
    pub fn parse(mut table: Table, recipes: &[&str]) -> Result<Self> {
        let known = Task::ALL.map(Task::name).join(", ");
        let Some(command) = taken(&mut table, "task", string)? else {
            return bad(format!("evaluate.task is missing: one of {known}"));
        };
        let Some(task) = Task::ALL.into_iter().find(|task| task.name() == command) else {
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
        let rescale = match table.remove("rescale") {
            None => Vec::new(),
            Some(value) => rescale(value, recipes)?,
        };
        let mut anchors = rescale.iter().flat_map(|(_, anchors)| anchors);
        if anchors.any(|anchor| *anchor == Anchor::Random) && !task.is_transfer() {
            return bad(format!(
                "evaluate.rescale: {command} cannot do without weights; 'random' is for detect and segment"
            ));
        }
        if every && !rescale.is_empty() {
            return bad("evaluate.every and evaluate.rescale exclude each other".to_string());
        }
        let name = taken(&mut table, "name", string)?;
        let mut options: Vec<(String, String)> = Vec::new();
        for (key, value) in table {
            match (key.as_str(), value) {
                // Overrides of a recipe are given one by one.
                ("set", value) => {
                    let values = strings("evaluate.set", value)?.into_iter();
                    options.extend(values.map(|value| ("set".to_string(), value)));
                }
                (key, value) => options.push((key.replace('_', "-"), plain(&value))),
            }
        }
        for key in ["weights", "out", "resume", "json", "device"] {
            if options.iter().any(|(option, _)| option == key) {
                return bad(format!("evaluate.{key} is the study's own affair"));
            }
        }
        let kind = options
            .iter()
            .find(|(key, _)| ["preset", "recipe"].contains(&key.as_str()));
        let default = || match kind {
            Some((_, kind)) => format!("{command}-{}", recipe::short_name(kind)),
            None => command.clone(),
        };
        Ok(Self {
            task,
            name: name.unwrap_or_else(default),
            recipes: own,
            every,
            rescale,
            options,
        })
    }
}

/// A list for all recipes, or a table with a list for each of those that it names.
fn rescale(value: Value, recipes: &[&str]) -> Result<Vec<(String, Vec<Anchor>)>> {
    let anchors = |value: Value| -> Result<Vec<Anchor>> {
        let texts = strings("evaluate.rescale", value)?;
        texts.iter().map(|text| Anchor::of(text, recipes)).collect()
    };
    let Value::Table(table) = value else {
        let anchors = anchors(value)?;
        let of = |recipe: &&str| ((*recipe).to_string(), anchors.clone());
        return Ok(recipes.iter().map(of).collect());
    };
    let of = |(recipe, value): (String, Value)| match recipes.contains(&recipe.as_str()) {
        true => Ok((recipe, anchors(value)?)),
        false => bad(format!(
            "evaluate.rescale: no grid has the recipe '{recipe}'"
        )),
    };
    table.into_iter().map(of).collect()
}
