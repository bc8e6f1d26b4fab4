//! Recipes of detection and segmentation by name or file, and their learning rate for another batch.

use anyhow::{Context as _, Result};
use parallax_recipes::{TRANSFER_RECIPES, transfer};
use parallax_transfer::TransferRecipe;

use crate::recipe;

/// Reads a recipe, and returns what was scaled because the batch is not the recipe's own.
pub fn read(name: &str, overrides: &[String]) -> Result<(TransferRecipe, Option<String>)> {
    let of_these = "detection or segmentation";
    let text = recipe::text(name, transfer(name), &TRANSFER_RECIPES, of_these)?;
    let of = |overrides: &[String]| {
        TransferRecipe::parse(&text, overrides).with_context(|| format!("recipe {name}"))
    };
    // Values that do not fit each other before they are overridden are no error of the recipe's own batch.
    let own = of(&[]).map(|recipe| recipe.run.batch_size).ok();
    let mut recipe = of(overrides)?;
    let own = own.unwrap_or(recipe.run.batch_size);
    let note = scale(&mut recipe, own, overrides);
    Ok((recipe, note))
}

/// Adapts learning rate and length to a batch that is not the recipe's own, `own`: the rate is multiplied by their ratio, steps,
/// warm-up, milestones and intervals are divided by it and rounded, so that as many images are seen. What `overrides` name stays as given.
fn scale(recipe: &mut TransferRecipe, own: usize, overrides: &[String]) -> Option<String> {
    let batch = recipe.run.batch_size;
    if batch == own {
        return None;
    }
    let ratio = batch as f64 / own as f64;
    let given = |key: &str| {
        let names = |text: &String| {
            text.split('=')
                .next()
                .is_some_and(|name| name.trim() == key)
        };
        overrides.iter().any(names)
    };
    let steps = |value: u64| (value as f64 / ratio).round_ties_even() as u64;
    let mut scaled = Vec::new();
    if !given("optimizer.base_lr") {
        recipe.optimizer.base_lr *= ratio;
        scaled.push(format!(
            "optimizer.base_lr={}",
            short(recipe.optimizer.base_lr)
        ));
    }
    if !given("run.total_steps") {
        recipe.run.total_steps = steps(recipe.run.total_steps).max(1);
        scaled.push(format!("run.total_steps={}", recipe.run.total_steps));
    }
    if !given("schedule.warmup_steps") {
        recipe.schedule.warmup_steps = steps(recipe.schedule.warmup_steps);
        scaled.push(format!(
            "schedule.warmup_steps={}",
            recipe.schedule.warmup_steps
        ));
    }
    if !given("schedule.milestones") && !recipe.schedule.milestones.is_empty() {
        let milestones = recipe.schedule.milestones.iter_mut();
        milestones.for_each(|milestone| *milestone = steps(*milestone));
        scaled.push(format!(
            "schedule.milestones={:?}",
            recipe.schedule.milestones
        ));
    }
    for (key, every) in [
        ("checkpoint.every", &mut recipe.checkpoint.every),
        (
            "checkpoint.evaluate_every",
            &mut recipe.checkpoint.evaluate_every,
        ),
    ] {
        if !given(key) && *every > 0 {
            *every = steps(*every).max(1);
            scaled.push(format!("{key}={every}"));
        }
    }
    (!scaled.is_empty()).then(|| {
        format!(
            "scaled for {batch} images a step instead of {own}:\n  {}\n  (--set with a key keeps its value)",
            scaled.join("\n  ")
        )
    })
}

/// A rate without the last digits of its binary fraction.
fn short(rate: f64) -> String {
    let digits = format!("{rate:.6e}").parse::<f64>().unwrap_or(rate);
    digits.to_string()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn read_with(overrides: &[&str]) -> (TransferRecipe, Option<String>) {
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_string()).collect();
        read("voc07-c4", &overrides).unwrap()
    }

    #[test]
    fn rate_and_length_follow_the_batch() {
        let (recipe, note) = read_with(&[]);
        assert_eq!((recipe.optimizer.base_lr, note), (0.02, None));
        let (recipe, note) = read_with(&["run.batch_size=2"]);
        assert_eq!(recipe.optimizer.base_lr, 0.0025);
        assert_eq!(recipe.run.total_steps, 72_000);
        assert_eq!(recipe.schedule.warmup_steps, 800);
        assert_eq!(recipe.schedule.milestones, [54_000, 66_000]);
        assert_eq!(recipe.checkpoint.every, 12_000);
        let note = note.unwrap();
        assert!(note.contains("optimizer.base_lr=0.0025"), "{note}");
        assert!(note.lines().all(|line| line.len() <= 80), "{note}");
    }

    #[test]
    fn given_values_stay() {
        let (recipe, note) = read_with(&[
            "run.batch_size=6",
            "optimizer.base_lr=0.01",
            "run.total_steps=100",
            "schedule.milestones=[60, 80]",
        ]);
        assert_eq!(recipe.optimizer.base_lr, 0.01);
        assert_eq!(recipe.run.total_steps, 100);
        assert_eq!(recipe.schedule.milestones, [60, 80]);
        // 100 / (6 / 16) = 266.67
        assert_eq!(recipe.schedule.warmup_steps, 267);
        assert!(!note.unwrap().contains("base_lr"));
    }

    #[test]
    fn unknown_names_list_the_recipes() {
        let error = read("voc", &[]).unwrap_err();
        assert!(
            error.to_string().contains("voc07-c4, voc0712-c4"),
            "{error}"
        );
    }
}
