//! Embedded recipes by name, and the systems that the page offers.

use parallax_methods::MethodKind;
use parallax_train::{Recipe, RecipeError};
use tsify::{Ts, Tsify};
use wasm_bindgen::prelude::*;

use crate::types::{RecipeFacts, System};

/// The TOML of an embedded recipe, such as `demo`, `byol-cifar10` or `page/byol-tiny`, with values replaced, each as
/// `section.key=value`. The command line's `--set` takes the same.
#[wasm_bindgen]
pub fn recipe(name: &str, overrides: Vec<String>) -> Result<String, JsError> {
    Ok(Recipe::named(name, &overrides)?.to_toml()?)
}

/// A recipe's TOML with values replaced, each as `section.key=value`.
#[wasm_bindgen(js_name = overrideRecipe)]
pub fn override_recipe(toml: &str, overrides: Vec<String>) -> Result<String, JsError> {
    Ok(Recipe::parse(toml, &overrides)?.to_toml()?)
}

/// The systems with recipes for the page, `page/NAME-tiny` and `page/NAME-small`.
#[wasm_bindgen]
pub fn systems() -> Result<Vec<Ts<System>>, JsError> {
    let all = known().map(|system| system.into_ts());
    Ok(all.collect::<Result<_, _>>()?)
}

fn known() -> impl Iterator<Item = System> {
    MethodKind::ALL.into_iter().flat_map(|kind| {
        let spec = kind.spec();
        spec.page_recipes.iter().map(|recipe| System {
            name: recipe.name.to_string(),
            label: recipe.label.to_string(),
            supervised: spec.labels,
            target: spec.heads.target.is_some(),
            queue: spec.queue,
            predictor: spec.heads.has_predictor(),
        })
    })
}

/// What a recipe says, for display.
pub(crate) fn facts(recipe: &Recipe) -> Result<RecipeFacts, RecipeError> {
    let system = recipe.system();
    let label = known().find(|known| known.name == system);
    Ok(RecipeFacts {
        label: label.map_or_else(|| system.clone(), |known| known.label),
        system,
        toml: recipe.to_toml()?,
    })
}
