//! What a run depends on: `transfer.toml` in its folder.

use anyhow::{Context as _, Result};
use parallax_transfer::TransferRecipe;
use serde::{Deserialize, Serialize};

use super::arguments::Trained;
use crate::usage::BadArgument;

/// The file.
pub const SETTINGS: &str = "transfer.toml";

/// All that a run depends on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// `detect` or `segment`.
    pub task: String,
    /// The recipe's name.
    pub name: String,
    /// Weights of the backbone, as on the command line; none for random ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<String>,
    /// Which network of theirs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// Training images.
    pub train: String,
    /// Test images.
    pub test: String,
    /// The recipe, with what was overridden.
    pub recipe: TransferRecipe,
}

impl Settings {
    /// Of a new run.
    pub fn of(task: &str, arguments: &Trained, recipe: TransferRecipe) -> Result<Self> {
        let needed = |value: &Option<String>, name: &str| {
            let missing = || BadArgument(format!("--{name} is needed"));
            value.clone().ok_or_else(missing)
        };
        Ok(Self {
            task: task.to_string(),
            name: needed(&arguments.recipe, "recipe")?,
            weights: arguments
                .weights
                .as_ref()
                .map(|path| path.display().to_string()),
            branch: arguments
                .branch
                .map(|branch| format!("{branch:?}").to_lowercase()),
            train: needed(&arguments.train, "train")?,
            test: needed(&arguments.test, "test")?,
            recipe,
        })
    }

    /// The file's text.
    pub fn text(&self) -> Result<String> {
        toml::to_string(self).context("the settings cannot be written")
    }

    /// Those of a run to be resumed with arguments, which may name data and weights that lie elsewhere now, and nothing that
    /// would change the run.
    pub fn resumed(text: &str, task: &str, arguments: &Trained) -> Result<Self> {
        let mut stored: Self =
            toml::from_str(text).with_context(|| format!("{SETTINGS} cannot be read"))?;
        let refuse = |message: String| Err(BadArgument(message).into());
        if stored.task != task {
            return refuse(format!(
                "the run is one of `parallax {}`; resume it by that command",
                stored.task
            ));
        }
        if arguments
            .recipe
            .as_ref()
            .is_some_and(|name| *name != stored.name)
        {
            return refuse(format!(
                "the run was begun with the recipe {}; leave --recipe out, or name another --out",
                stored.name
            ));
        }
        if let Some(asked) = arguments.overrides.first() {
            return refuse(format!(
                "--set {asked}: a run is resumed with its own recipe; leave --set out, or name another --out"
            ));
        }
        if let Some(train) = &arguments.train {
            stored.train.clone_from(train);
        }
        if let Some(test) = &arguments.test {
            stored.test.clone_from(test);
        }
        if let Some(weights) = &arguments.weights {
            stored.weights = Some(weights.display().to_string());
        }
        Ok(stored)
    }
}
