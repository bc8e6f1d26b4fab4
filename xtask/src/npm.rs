//! The npm package `parallax-web`: the modules of `web/pkg` with the loader and the worker of `web/npm`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::setup::{browser, npm::npm};
use crate::{repo, sh, wasm};

/// What the package takes from `web/pkg`.
const MODULE: [&str; 3] = ["parallax_web.js", "parallax_web.d.ts", wasm::MODULE];

/// Where the package and its tarball are made.
fn folder() -> PathBuf {
    repo::target().join("npm")
}

/// Makes the package in `target/npm/parallax-web` of the modules in `web/pkg`, and its tarball beside it.
pub fn pack() -> Result<PathBuf> {
    let (source, built) = (repo::root().join("web/npm"), repo::root().join("web/pkg"));
    let package = folder().join("parallax-web");
    sh::remove(&package)?;
    fs::create_dir_all(&package)?;
    for name in MODULE.into_iter().chain([wasm::RELAXED]) {
        fs::copy(built.join(name), package.join(name))
            .with_context(|| format!("web/pkg has no {name}: `cargo xtask wasm` builds it"))?;
    }
    let texts = [source.join("README.md")];
    let licences = ["LICENSE-MIT", "LICENSE-APACHE"].map(|name| repo::root().join(name));
    for path in texts.iter().chain(&licences) {
        let name = path.file_name().context("a file without a name")?;
        fs::copy(path, package.join(name)).with_context(|| path.display().to_string())?;
    }
    let mut tsc = npm("exec");
    tsc.args(["--", "tsc", "-p"])
        .arg(source.join("tsconfig.json"));
    sh::run(tsc.arg("--outDir").arg(&package))?;
    let mut files = Vec::new();
    for entry in fs::read_dir(&package)? {
        files.push(entry?.file_name().to_string_lossy().into_owned());
    }
    files.sort();
    let manifest = manifest(&built.join("package.json"), files)?;
    let text = serde_json::to_string_pretty(&manifest)?;
    fs::write(package.join("package.json"), text)?;
    let mut pack = npm("pack");
    pack.arg(&package).arg("--pack-destination").arg(folder());
    sh::run(pack.arg("--silent"))?;
    let version = manifest["version"].as_str().unwrap_or_default();
    let tarball = folder().join(format!("parallax-web-{version}.tgz"));
    let size = fs::metadata(&tarball)
        .with_context(|| format!("npm left no {}", tarball.display()))?
        .len();
    println!("{}: {}", tarball.display(), wasm::size(size));
    Ok(tarball)
}

/// The package's manifest; version and licence are those that wasm-pack has read in `web/Cargo.toml`.
fn manifest(built: &std::path::Path, files: Vec<String>) -> Result<Value> {
    let text = fs::read_to_string(built).with_context(|| built.display().to_string())?;
    let built: Value = serde_json::from_str(&text)?;
    Ok(json!({
        "name": "parallax-web",
        "version": built["version"],
        "description": "Self-supervised visual pre-training in a browser, on the CPU or WebGPU",
        "license": built["license"],
        "keywords": ["self-supervised", "pre-training", "byol", "moco", "webgpu", "wasm"],
        "type": "module",
        "main": "./index.js",
        "types": "./index.d.ts",
        "exports": {
            ".": { "types": "./index.d.ts", "default": "./index.js" },
            "./*": "./*",
        },
        "sideEffects": ["./worker.js"],
        "files": files,
    }))
}

/// Packs, and trains with the tarball in a Vite project and in a page without a bundler.
pub fn test() -> Result<()> {
    let tarball = pack()?;
    let mut node = sh::cmd("node");
    node.arg(repo::root().join("web/npm/test/run.mjs"))
        .arg(tarball)
        .arg(folder().join("test"))
        .env("CHROME", browser::find()?.chrome);
    sh::run(&mut node)
}
