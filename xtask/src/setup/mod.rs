//! Installs what tests and builds need. Every step looks first, so running it again costs seconds.

use std::time::Instant;

use anyhow::{Context, Result, bail};

pub mod apt;
pub mod browser;
pub mod firefox;
pub mod geckodriver;
pub mod mesa;
pub mod mpi;
pub mod nasm;
pub mod npm;
mod rust_src;
mod target;
mod toolchain;
pub mod tools;
mod vulkan;
pub mod webkit;

type Step = (&'static str, fn() -> Result<()>);

/// Every step, in order.
const STEPS: [Step; 14] = [
    ("rust", toolchain::get),
    ("nasm", nasm::get),
    ("mpi", mpi::get),
    ("target", target::get),
    ("wasm-bindgen", tools::get_wasm_bindgen),
    ("wasm-pack", tools::get_wasm_pack),
    ("wasm-opt", tools::get_wasm_opt),
    ("vulkan", vulkan::get),
    ("mesa", mesa::get),
    ("browser", browser::get),
    ("firefox", firefox::get),
    ("npm", npm::get),
    ("geckodriver", geckodriver::get),
    ("webkit", webkit::get),
];

/// What the slow tests alone need.
const FOR_SLOW: [&str; 2] = ["geckodriver", "webkit"];

/// What building the module needs.
pub const FOR_WASM: [&str; 4] = ["target", "wasm-bindgen", "wasm-pack", "wasm-opt"];

/// Runs every step, or the one named.
pub fn run(only: Option<&str>) -> Result<()> {
    match only {
        Some(name) => run_these(&[name]),
        None => run_these(&STEPS.map(|(name, _)| name)),
    }
}

/// Runs the steps that all tests but the slow ones need.
pub fn run_default() -> Result<()> {
    let names = STEPS.map(|(name, _)| name).into_iter();
    let names: Vec<&str> = names.filter(|name| !FOR_SLOW.contains(name)).collect();
    run_these(&names)
}

/// Runs the steps named, in their own order.
pub fn run_these(names: &[&str]) -> Result<()> {
    for name in names {
        if !STEPS.iter().any(|(step, _)| step == name) {
            let known = STEPS.map(|(step, _)| step).join(", ");
            bail!("there is no set-up step `{name}`; there are {known}");
        }
    }
    for (name, get) in STEPS.iter().filter(|(step, _)| names.contains(step)) {
        let start = Instant::now();
        get().with_context(|| {
            format!("set-up step `{name}` failed; `cargo xtask setup --only {name}` tries it again")
        })?;
        let seconds = start.elapsed().as_secs();
        if seconds > 4 {
            println!("setup: {name} took {seconds} s");
        }
    }
    Ok(())
}

/// Prints that something is installed.
pub fn have(what: &str, version: &str) {
    println!("setup: have {what} ({version})");
}

/// Prints that something is being installed, and why.
pub fn getting(what: &str, why: &str) {
    println!("setup: getting {what}: {why}");
}
