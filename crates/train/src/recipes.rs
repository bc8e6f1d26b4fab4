//! The recipes that come with Parallax, embedded.

use crate::error::RecipeError;
use crate::recipe::Recipe;

impl Recipe {
    /// The text of an embedded recipe.
    pub fn embedded(name: &str) -> Option<&'static str> {
        parallax_recipes::text(name)
    }

    /// An embedded recipe with overrides of the form `section.key=value`.
    ///
    /// # Errors
    /// When there is none of this name, or as [`Recipe::parse`].
    pub fn named(name: &str, overrides: &[String]) -> Result<Self, RecipeError> {
        let text = Self::embedded(name).ok_or_else(|| RecipeError::Unknown(name.to_string()))?;
        Self::parse(text, overrides)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use parallax_recipes::{PAGE_RECIPES, RECIPES};

    #[test]
    fn every_recipe_is_whole_and_survives_a_round_trip() {
        for (name, text) in RECIPES.iter().chain(&PAGE_RECIPES) {
            let recipe = Recipe::parse(text, &[]).unwrap_or_else(|e| panic!("{name}: {e}"));
            let again = Recipe::parse(&recipe.to_toml().unwrap(), &[]).unwrap();
            assert_eq!(again, recipe, "{name}");
        }
    }

    #[test]
    fn page_recipes_are_the_systems_that_they_are_called_after() {
        for (name, text) in PAGE_RECIPES {
            let recipe = Recipe::parse(text, &[]).unwrap();
            let arch = match recipe.model.arch {
                parallax_nets::Arch::Tiny => "tiny",
                _ => "small",
            };
            assert_eq!(name, format!("page/{}-{arch}", recipe.system()));
        }
    }

    #[test]
    fn recipes_are_found_by_name_and_overridden() {
        let overrides = ["run.seed=3".to_string()];
        let recipe = Recipe::named("page/byol-lars-tiny", &overrides).unwrap();
        assert_eq!(
            (recipe.run.seed, recipe.system().as_str()),
            (3, "byol-lars")
        );
        let message = Recipe::named("simclr", &[]).unwrap_err().to_string();
        assert!(message.contains("simclr"), "{message}");
    }
}
