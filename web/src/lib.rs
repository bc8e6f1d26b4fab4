//! The same core as a WebAssembly module, for a worker of a browser tab or for the tab itself.
//!
//! Everything that waits for a device is a promise. A panic ends the module: its message goes to the console, and the call that
//! caused it throws a `WebAssembly.RuntimeError` or never settles.

mod augment;
mod bench;
mod data;
mod detect;
mod device;
mod linear;
#[cfg(target_arch = "wasm32")]
mod memory;
mod norms;
mod recipes;
mod representation;
mod run;
mod seen;
mod shown;
pub mod types;

use wasm_bindgen::prelude::*;

pub use augment::{Augmenter, pipelines};
pub use bench::{bench_kernels, bench_plan, bench_step, bench_view_plan, bench_views};
pub use data::Data;
pub use detect::ObjectDetector;
pub use device::{inspect_adapter, watch_device};
pub use linear::LinearCurve;
pub use norms::{layer_norms_of, norm_rescale_to};
pub use recipes::{override_recipe, recipe, systems};
pub use representation::Representation;
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
