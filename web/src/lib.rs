//! The same core as a WebAssembly module for a browser worker.
//!
//! Everything that waits for a device is a promise. A panic ends the module; its message reaches the
//! console, and the worker's error reaches the page.

mod augment;
mod bench;
mod data;
mod device;
mod js;
mod run;

use parallax_train::{RECIPES, Recipe};
use wasm_bindgen::prelude::*;

pub use augment::{Augmenter, pipelines};
pub use bench::{bench_kernels, bench_plan, bench_step};
pub use data::Data;
pub use run::{WebRun, evaluate};

/// Called once, when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}

/// The page's recipe for a method (`byol`, `moco-v2-plus`) and a size (`tiny`, `small`), as TOML: the
/// default recipe of the command line with another method or network.
#[wasm_bindgen]
pub fn recipe(method: &str, size: &str) -> Result<String, JsError> {
    // The page has room for a curve of many points.
    let probe = ["probe.knn_every=1"];
    let overrides: &[&str] = match method {
        "byol" => &["method.name=byol", "views.pipeline=byol-asymmetric"],
        "moco-v2-plus" => &[],
        other => return Err(JsError::new(&format!("there is no method '{other}'"))),
    };
    let network: &[&str] = match size {
        "tiny" => &[],
        "small" => &["model.arch=resnet18", "model.stem=cifar", "model.width=16"],
        other => return Err(JsError::new(&format!("there is no size '{other}'"))),
    };
    let overrides = [&probe, overrides, network].concat();
    let demo = RECIPES
        .iter()
        .find(|(name, _)| *name == "demo")
        .map_or("", |(_, text)| text);
    override_recipe(demo, overrides.into_iter().map(str::to_string).collect())
}

/// A recipe with values replaced, each as `section.key=value`.
#[wasm_bindgen]
pub fn override_recipe(text: &str, overrides: Vec<String>) -> Result<String, JsError> {
    Ok(Recipe::parse(text, &overrides)?.to_toml()?)
}
