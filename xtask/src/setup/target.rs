//! The standard library for `wasm32-unknown-unknown`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{getting, have, rust_src};
use crate::sh;

const TARGET: &str = "wasm32-unknown-unknown";

const TRIVIAL: &str = "\
#[unsafe(no_mangle)]
pub extern \"C\" fn count() -> usize {
    std::collections::HashMap::from([(1, String::from(\"one\"))]).len()
}
";

/// Installs the target by rustup, or else builds it from the sources of the compiler's own version.
pub fn get() -> Result<()> {
    let rustc = sh::version("rustc").context("rustc is not here: install Rust")?;
    if compiles()? {
        have(TARGET, &rustc);
        return Ok(());
    }
    getting(TARGET, "nothing compiles for it yet");
    if sh::which("rustup").is_some() {
        let mut add = sh::words("rustup target add");
        match sh::run_within(add.arg(TARGET), Duration::from_secs(300)) {
            Ok(()) if compiles()? => {
                have(TARGET, &rustc);
                return Ok(());
            }
            Ok(()) => println!("setup: rustup has the target, but nothing compiles for it"),
            Err(error) => println!("setup: {error:#}"),
        }
    }
    println!("setup: rustup cannot install it, so it is built from Rust's sources");
    let sysroot = PathBuf::from(sh::capture(&mut sh::words("rustc --print sysroot"))?.trim());
    rust_src::install(&sysroot, &rustc)?;
    build(&sysroot)?;
    if !compiles()? {
        bail!("the target was built, but nothing compiles for it");
    }
    have(TARGET, &rustc);
    Ok(())
}

/// Whether a trivial crate compiles and links.
fn compiles() -> Result<bool> {
    let folder = sh::scratch("trivial")?;
    let source = folder.join("trivial.rs");
    std::fs::write(&source, TRIVIAL)?;
    let mut rustc = sh::words("rustc --edition 2024 --crate-type cdylib -O --target");
    let good = sh::succeeds(
        rustc
            .arg(TARGET)
            .arg("-o")
            .arg(folder.join("trivial.wasm"))
            .arg(&source),
    );
    sh::remove(&folder)?;
    Ok(good)
}

/// Builds the standard library as a dependency of an empty crate and copies it to where rustup would install it.
fn build(sysroot: &Path) -> Result<()> {
    let folder = sh::scratch("std")?;
    std::fs::create_dir_all(folder.join("src"))?;
    std::fs::write(folder.join("src/lib.rs"), "")?;
    std::fs::write(
        folder.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[workspace]\n",
    )?;
    let built = folder.join("target");
    let mut cargo =
        sh::words("cargo build --release -Zbuild-std=std,panic_abort,proc_macro --target");
    cargo
        .arg(TARGET)
        .current_dir(&folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", &built)
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    sh::run(&mut cargo).context("the standard library does not build from these sources")?;

    let lib = sysroot.join("lib/rustlib").join(TARGET).join("lib");
    sh::remove(&lib)?;
    std::fs::create_dir_all(&lib)
        .with_context(|| format!("{} cannot be written", lib.display()))?;
    let mut copied = 0;
    for entry in std::fs::read_dir(built.join(TARGET).join("release/deps"))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_owned();
        let is_ours = name.to_string_lossy().starts_with("libempty");
        if path.extension().is_some_and(|end| end == "rlib") && !is_ours {
            std::fs::copy(&path, lib.join(name))?;
            copied += 1;
        }
    }
    println!("setup: {copied} libraries copied to {}", lib.display());
    sh::remove(&folder)
}
