//! A recipe by name or file, with what the arguments override.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use parallax_train::{RECIPES, Recipe, Taxonomy};

use crate::taxonomy;
use crate::usage::BadArgument;

/// Reads a recipe; `data` overrides `data.source`.
pub fn read(name: &str, data: Option<&str>, overrides: &[String]) -> Result<Recipe> {
    let text = text(name, Recipe::embedded(name), &RECIPES, "Parallax")?;
    let mut recipe = Recipe::parse(&text, overrides).with_context(|| format!("recipe {name}"))?;
    if let Some(data) = data {
        recipe.data.source = data.to_string();
    }
    if let Taxonomy::File(name) = &recipe.data.taxonomy
        && Path::new(name).is_file()
    {
        recipe.data.taxonomy = Taxonomy::Groups(taxonomy::read(Path::new(name))?);
    }
    recipe.data.taxonomy.groups()?;
    Ok(recipe)
}

/// The text of a recipe: `embedded`, where it has one of the `known` names, else that of a file. `of` says in an error whose
/// recipes are known.
pub fn text(
    name: &str,
    embedded: Option<&str>,
    known: &[(&str, &str)],
    of: &str,
) -> Result<String> {
    match embedded {
        Some(text) => Ok(text.to_string()),
        None if Path::new(name).is_file() => {
            fs::read_to_string(name).with_context(|| format!("{name} cannot be read"))
        }
        None => {
            let known: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
            let known = known.join(", ");
            let message =
                format!("'{name}' is neither a file nor a recipe of {of}; there are {known}");
            Err(BadArgument(message).into())
        }
    }
}

/// Name of a run's folder by default.
pub fn short_name(name: &str) -> &str {
    Path::new(name)
        .file_stem()
        .and_then(|stem| stem.to_str())
        .unwrap_or("run")
}
