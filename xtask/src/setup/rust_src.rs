//! Rust's library sources for exactly this compiler.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::getting;
use crate::sh;

mod debian;

/// Installs `library/` where Cargo looks for it, if it is not there.
pub fn install(sysroot: &Path, rustc: &str) -> Result<()> {
    let place = sysroot.join("lib/rustlib/src/rust/library");
    if is_library(&place) {
        println!("setup: the sources are in {}", place.display());
        return Ok(());
    }
    let version = rustc.split_whitespace().nth(1).unwrap_or_default();
    let scratch = sh::scratch("rust-src")?;
    let library = match std::env::var_os("PARALLAX_RUST_SRC").map(PathBuf::from) {
        Some(given) => from_copy(&given, &scratch)
            .context("PARALLAX_RUST_SRC must name Rust's `library` folder or a .tar.xz of it")?,
        None => debian::fetch(version, &scratch).with_context(|| advice(version))?,
    };
    copy(&library, &place)?;
    sh::remove(&scratch)
}

fn is_library(folder: &Path) -> bool {
    folder.join("std/Cargo.toml").is_file() && folder.join("Cargo.lock").is_file()
}

/// The library folder of a local copy: a folder, one that holds `library/`, or an archive of either.
fn from_copy(given: &Path, scratch: &Path) -> Result<PathBuf> {
    getting("Rust's sources", &format!("from {}", given.display()));
    let given = std::path::absolute(given)?;
    let folder = if given.is_file() {
        sh::run(sh::cmd("tar").arg("-xf").arg(&given).arg("-C").arg(scratch))?;
        scratch.to_owned()
    } else {
        given
    };
    find_library(&folder)
        .with_context(|| format!("{} holds no library/std/Cargo.toml", folder.display()))
}

/// The library folder at most three levels down.
fn find_library(folder: &Path) -> Option<PathBuf> {
    let mut level = vec![folder.to_owned()];
    for _ in 0..4 {
        if let Some(found) = level.iter().find(|folder| is_library(folder)) {
            return Some(found.clone());
        }
        level = level
            .iter()
            .filter_map(|folder| std::fs::read_dir(folder).ok())
            .flatten()
            .filter_map(|entry| entry.ok().map(|entry| entry.path()))
            .filter(|path| path.is_dir())
            .collect();
    }
    None
}

fn copy(library: &Path, place: &Path) -> Result<()> {
    let parent = place.parent().context("a sysroot has folders")?;
    std::fs::create_dir_all(parent)
        .with_context(|| format!("{} cannot be written", parent.display()))?;
    sh::remove(place)?;
    sh::run(sh::cmd("cp").arg("-a").arg(library).arg(place))?;
    if !is_library(place) {
        bail!("{} is incomplete", place.display());
    }
    Ok(())
}

fn advice(version: &str) -> String {
    format!(
        "the sources of Rust {version} were not found. One of these helps: let rustup download \
         (`rustup target add wasm32-unknown-unknown`); set PARALLAX_RUST_SRC to the `library` folder, or a \
         .tar.xz of it, of Rust {version}'s sources; use a Rust whose version Debian's package rust-src has; \
         with Debian's own rustc, install libstd-rust-dev-wasm32"
    )
}
