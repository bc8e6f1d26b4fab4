//! What was found out about a driver, kept in the cache folder so that it is found out once.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};
use burn::tensor::wgpu::wgpu::AdapterInfo;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::data::cache;
use crate::usage::BadArgument;
use crate::whole::write_whole;

/// Which drivers run kernels in SPIR-V; in the cache folder.
const SPIRV: &str = "spirv.json";
/// Set for the process that tries it.
const TRYING: &str = "PARALLAX_TRIES_SPIRV";

/// What `file` holds about a driver, by version of the program and of the driver, or what `find` finds out now.
pub fn fact<T: Serialize + DeserializeOwned + Clone>(
    file: &str,
    adapter: &AdapterInfo,
    about: &str,
    find: impl FnOnce() -> T,
) -> T {
    let path = cache::folder().ok().map(|folder| folder.join(file));
    let text = path.as_ref().and_then(|path| std::fs::read(path).ok());
    let known = text.and_then(|text| serde_json::from_slice(&text).ok());
    let mut known: BTreeMap<String, T> = known.unwrap_or_default();
    let AdapterInfo {
        name,
        driver,
        driver_info,
        ..
    } = adapter;
    let version = env!("CARGO_PKG_VERSION");
    let key = format!("{version}; {name}; {driver} {driver_info}; {about}");
    if let Some(known) = known.get(&key) {
        return known.clone();
    }
    let found = find();
    known.insert(key, found.clone());
    // Without a cache folder every process finds out.
    if let (Some(path), Ok(text)) = (path, serde_json::to_vec_pretty(&known)) {
        let folder = path.parent().map(std::fs::create_dir_all);
        if matches!(folder, Some(Ok(()))) {
            drop(write_whole(&path, &text));
        }
    }
    found
}

/// Refuses a device whose driver fails on kernels in SPIR-V. A step of a small network tries it in a process of its own, because
/// such drivers end the process.
pub fn runs_spirv(device: &str, adapter: &AdapterInfo) -> Result<()> {
    if std::env::var_os(TRYING).is_some() {
        return Ok(());
    }
    let program = std::env::current_exe().context("the program does not find itself")?;
    if fact(SPIRV, adapter, "a step", || step(&program, device)) {
        return Ok(());
    }
    let message = format!(
        "the driver of {} ({} {}) fails on kernels in SPIR-V, the only ones that this build has for Vulkan: take a newer driver, or \
         a build without the feature tensor-cores, whose kernels are WGSL",
        adapter.name, adapter.driver, adapter.driver_info
    );
    Err(BadArgument(message).into())
}

/// Whether a step on the device ends well.
fn step(program: &Path, device: &str) -> bool {
    eprintln!("trying kernels in SPIR-V on this driver, once");
    let size = [
        "--width", "4", "--size", "16", "--batch", "4", "--steps", "1",
    ];
    let mut command = Command::new(program);
    command
        .args(["bench", "step", "--device", device])
        .args(size);
    command.env(TRYING, "1").stdin(Stdio::null());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}
