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

use parallax_train::Recipe;
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

/// An embedded recipe, such as `demo` or `page/byol-tiny`, with values replaced, each as `section.key=value`: TOML.
#[wasm_bindgen]
pub fn recipe(name: &str, overrides: Vec<String>) -> Result<String, JsError> {
    Ok(Recipe::named(name, &overrides)?.to_toml()?)
}

/// A recipe's TOML with values replaced, each as `section.key=value`.
#[wasm_bindgen]
pub fn override_recipe(text: &str, overrides: Vec<String>) -> Result<String, JsError> {
    Ok(Recipe::parse(text, &overrides)?.to_toml()?)
}
