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

use parallax_methods::MethodKind;
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
    #[cfg(target_arch = "wasm32")]
    register();
}

/// Fills the registries of the GPU compiler, once. Where nobody calls the constructors by name, the linker calls them at
/// the entry of every exported function: thousands of registrations, some milliseconds a call.
#[cfg(target_arch = "wasm32")]
#[allow(unsafe_code)]
fn register() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    static ONCE: std::sync::Once = std::sync::Once::new();
    // SAFETY: the linker makes this function, without arguments and result; it is meant to be called once, at first.
    ONCE.call_once(|| unsafe { __wasm_call_ctors() });
}

/// LARS takes a step in proportion to a layer's weights, so its rate is far above that of SGD.
const LARS: [&str; 3] = [
    "optimizer.name=lars",
    "optimizer.base_lr=16.0",
    "optimizer.weight_decay=1e-6",
];

/// The page's recipe for a system of the paper (by the name of its recipe: a method's, with `-lars` behind it where LARS
/// moves the network) and a size (`tiny`, `small`), as TOML: the default recipe of the command line with another method,
/// optimiser or network.
#[wasm_bindgen]
pub fn recipe(system: &str, size: &str) -> Result<String, JsError> {
    // The page has room for a curve of many points.
    let probe = ["probe.knn_every=1"];
    // BYOL keeps the default's learning rate. Mean kNN accuracy over the passes 9 to 23 of 45, in percent: 34.0 with a
    // base of 0.1, 32.1 with 0.2, 29.9 with 0.4; over the first 8 passes 30.2, 30.9, 29.1, and 28.6 with 0.03. An
    // untrained network has 25.2. (`parallax pretrain --set` the overrides below, `optimizer.base_lr` and
    // `probe.knn_every=1`.)
    let method = system.strip_suffix("-lars");
    let kind = MethodKind::ALL
        .into_iter()
        .find(|kind| kind.name() == method.unwrap_or(system));
    let kind = kind.ok_or_else(|| JsError::new(&format!("there is no method '{system}'")))?;
    let optimizer: &[&str] = match method {
        Some(_) => &LARS,
        None => &[],
    };
    let overrides: &[&str] = match kind {
        MethodKind::MocoV2Plus => &[],
        MethodKind::SMocoV2Plus => &["method.name=s-moco-v2-plus"],
        MethodKind::Byol => &["method.name=byol", "views.pipeline=byol-asymmetric"],
        MethodKind::Supervised => &["method.name=supervised", "views.pipeline=supervised"],
        MethodKind::MocoV1 => &[
            "method.name=moco-v1",
            "views.pipeline=moco-v1",
            "method.temperature=0.07",
            "method.momentum_schedule=constant",
        ],
        MethodKind::MocoV2 => &["method.name=moco-v2", "method.momentum_schedule=constant"],
    };
    let network: &[&str] = match size {
        "tiny" => &[],
        "small" => &["model.arch=resnet18", "model.stem=cifar", "model.width=16"],
        other => return Err(JsError::new(&format!("there is no size '{other}'"))),
    };
    let overrides = [&probe, overrides, optimizer, network].concat();
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
