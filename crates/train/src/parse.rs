//! Recipes as text: reading and overriding.

use serde::Deserialize as _;
use toml::{Table, Value};

use crate::error::RecipeError;
use crate::paper;
use crate::recipe::Recipe;

impl Recipe {
    /// Reads a recipe and applies overrides of the form `section.key=value`.
    ///
    /// # Errors
    /// On invalid TOML, unknown keys (the message lists the known ones), wrong types, and values out of range.
    ///
    /// ```
    /// use parallax_train::Recipe;
    ///
    /// let text = "[run]\nepochs = 100\n[method]\nname = 'byol'";
    /// let recipe = Recipe::parse(text, &["run.batch_size=256".to_string()])?;
    /// assert_eq!(recipe.method.momentum, 0.99); // the paper's
    /// assert!(Recipe::parse("[method]\nname = 'simclr'", &[]).is_err());
    /// # Ok::<(), parallax_train::RecipeError>(())
    /// ```
    pub fn parse(text: &str, overrides: &[String]) -> Result<Self, RecipeError> {
        let mut table = overridden(text, overrides)?;
        paper::fill(&mut table)?;
        let mut recipe = Recipe::deserialize(Value::Table(table)).map_err(RecipeError::Toml)?;
        recipe.data.taxonomy.resolve()?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML, defaults included.
    ///
    /// # Errors
    /// When a value cannot be written as TOML, such as a seed above 2^63.
    pub fn to_toml(&self) -> Result<String, RecipeError> {
        toml::to_string(self).map_err(|error| RecipeError::Write(error.to_string()))
    }
}

/// A recipe's table with overrides of the form `section.key=value`.
///
/// # Errors
/// On invalid TOML and malformed overrides.
pub fn overridden(text: &str, overrides: &[String]) -> Result<Table, RecipeError> {
    let mut table: Table = text.parse().map_err(RecipeError::Toml)?;
    for text in overrides {
        set(&mut table, text)?;
    }
    Ok(table)
}

/// Applies one override.
fn set(table: &mut Table, text: &str) -> Result<(), RecipeError> {
    let malformed = || RecipeError::Override(text.to_string());
    let (path, value) = text.split_once('=').ok_or_else(malformed)?;
    let (sections, key) = path.trim().rsplit_once('.').ok_or_else(malformed)?;
    // Anything that is not a TOML value is a string: `--set data.source=cifar10`.
    let value = match format!("v = {value}").parse::<Table>() {
        Ok(mut parsed) => parsed.remove("v").ok_or_else(malformed)?,
        Err(_) => Value::String(value.trim().to_string()),
    };
    let mut table = table;
    for section in sections.split('.') {
        let section = table
            .entry(section)
            .or_insert_with(|| Value::Table(Table::new()));
        table = section.as_table_mut().ok_or_else(malformed)?;
    }
    table.insert(key.to_string(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use parallax_probes::EvaluatorKind;

    use super::*;
    use crate::data_shape::DataShape;

    fn demo(text: &str) -> Result<Recipe, RecipeError> {
        Recipe::named("demo", &[text.to_string()])
    }

    #[test]
    fn overrides_reach_their_key() {
        assert_eq!(
            demo("optimizer.base_lr=0.06").unwrap().optimizer.base_lr,
            0.06
        );
        assert_eq!(demo("data.source=cifar10").unwrap().data.source, "cifar10");
        let data = DataShape::new(64, 2);
        assert_eq!(demo("run.total_steps=7").unwrap().total_steps(data), 7);
    }

    #[test]
    fn evaluators_are_chosen_by_name() {
        let chosen = demo("probe.evaluators=['linear']").unwrap();
        assert_eq!(chosen.probe.evaluators, [EvaluatorKind::Linear]);
        assert!(chosen.to_toml().unwrap().contains("evaluators"));
        let default = demo("run.seed=1").unwrap();
        assert_eq!(default.probe.evaluators, EvaluatorKind::ALL);
        assert!(!default.to_toml().unwrap().contains("evaluators"));
        let message = demo("probe.evaluators=['svm']").unwrap_err();
        let message = message.to_string();
        assert!(
            message.contains("svm") && message.contains("knn"),
            "{message}"
        );
        let message = demo("probe.evaluators=[]").unwrap_err().to_string();
        assert!(message.contains("probe.table=false"), "{message}");
    }

    #[test]
    fn linear_evaluation_has_a_section_of_its_own() {
        let overrides = [
            "probe.linear_eval.every=10",
            "probe.linear_eval.preset=large-norm",
            "probe.linear_eval.epochs=20",
            "probe.evaluators=['knn', 'linear-eval']",
        ];
        let overrides = overrides.map(str::to_string);
        let recipe = Recipe::named("demo", &overrides).unwrap();
        let section = &recipe.probe.linear_eval;
        assert_eq!((section.every, section.epochs), (10, Some(20)));
        assert!(recipe.evaluates_linearly() && recipe.probe.evaluators.len() == 2);
        let again = Recipe::parse(&recipe.to_toml().unwrap(), &[]).unwrap();
        assert_eq!(again, recipe);
        let data = DataShape::new(64, 10);
        // kNN every 5 epochs of two steps, linear evaluation every 10.
        assert_eq!(recipe.probes_at(10, data), [EvaluatorKind::Knn]);
        let both = [EvaluatorKind::Knn, EvaluatorKind::LinearEval];
        assert_eq!(recipe.probes_at(20, data), both);
        let message = demo("probe.linear_eval.speed=1").unwrap_err().to_string();
        assert!(
            message.contains("speed") && message.contains("base_lr"),
            "{message}"
        );
    }

    #[test]
    fn the_predictor_can_be_left_out_where_there_is_one() {
        let without = ["method.predictor=false".to_string()];
        let byol = Recipe::named("byol", &without).unwrap();
        assert!(byol.to_toml().unwrap().contains("predictor = false"));
        let byol = Recipe::named("byol", &[]).unwrap();
        assert!(!byol.to_toml().unwrap().contains("predictor"));
        for name in ["moco-v2", "s-moco-v2-plus", "supervised"] {
            let message = Recipe::named(name, &without).unwrap_err().to_string();
            assert!(message.contains("byol"), "{message}");
        }
    }

    #[test]
    fn an_unknown_key_lists_the_known_ones() {
        let message = demo("optimizer.speed=1").unwrap_err().to_string();
        assert!(
            message.contains("speed") && message.contains("base_lr"),
            "{message}"
        );
        let message = demo("optimiser.base_lr=1").unwrap_err().to_string();
        assert!(
            message.contains("optimiser") && message.contains("optimizer"),
            "{message}"
        );
    }

    #[test]
    fn wrong_types_and_values_are_named() {
        let message = demo("run.epochs=many").unwrap_err().to_string();
        assert!(message.contains("epochs"), "{message}");
        let message = demo("method.name=simclr").unwrap_err().to_string();
        assert!(
            message.contains("simclr") && message.contains("moco-v2-plus"),
            "{message}"
        );
        let message = demo("run.batch_size=1").unwrap_err().to_string();
        assert!(message.contains("run.batch_size"), "{message}");
        assert!(matches!(demo("epochs"), Err(RecipeError::Override(_))));
    }
}
