//! wasm-bindgen, wasm-pack and wasm-opt.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::{apt, getting, have};
use crate::{repo, sh};

/// The version to install; `--no-opt` came with the oldest that will do.
const WASM_PACK: &str = "0.15.1";
const WASM_PACK_OLDEST: (u32, u32) = (0, 13);

/// Installs wasm-bindgen in the version of Cargo.lock: module and tool must have exactly the same.
pub fn get_wasm_bindgen() -> Result<()> {
    let wanted = repo::locked_version("wasm-bindgen")?;
    let found = sh::version("wasm-bindgen");
    let has = |found: &Option<String>| found.as_deref().is_some_and(|v| word(v, 1) == wanted);
    if has(&found) && sh::which("wasm-bindgen-test-runner").is_some() {
        have("wasm-bindgen", &wanted);
        return Ok(());
    }
    let why = match &found {
        Some(other) => format!("Cargo.lock has {wanted}, here is {other}"),
        None => "it generates the module's JavaScript".into(),
    };
    getting(&format!("wasm-bindgen {wanted} (minutes)"), &why);
    cargo_install("wasm-bindgen-cli", &wanted)?;
    let now = sh::version("wasm-bindgen");
    if !has(&now) {
        let now = now.unwrap_or_else(|| "none".into());
        bail!("wasm-bindgen {wanted} was installed, but PATH leads to: {now}");
    }
    Ok(())
}

/// Installs wasm-pack.
pub fn get_wasm_pack() -> Result<()> {
    if let Some(found) = sh::version("wasm-pack") {
        if number(&found) >= WASM_PACK_OLDEST {
            have("wasm-pack", word(&found, 1));
            return Ok(());
        }
        getting("wasm-pack (minutes)", &format!("{found} is too old"));
    } else {
        getting(
            "wasm-pack (minutes)",
            "it builds the module and runs its tests in a browser",
        );
    }
    cargo_install("wasm-pack", WASM_PACK)
}

/// Finds wasm-opt, or installs Debian's or npm's.
pub fn get_wasm_opt() -> Result<()> {
    if let Some(tool) = wasm_opt() {
        have("wasm-opt", &sh::version(tool).unwrap_or_default());
        return Ok(());
    }
    let why = "it makes the module half as large";
    if apt::can_install() {
        getting("wasm-opt from apt", why);
        match apt::install(&["binaryen"]) {
            Ok(()) if wasm_opt().is_some() => return Ok(()),
            Ok(()) => println!("setup: apt's binaryen has no wasm-opt"),
            Err(error) => println!("setup: {error:#}"),
        }
    }
    getting("wasm-opt from npm, a slow one", why);
    let folder = npm_folder();
    std::fs::create_dir_all(&folder)?;
    sh::run(
        sh::words("npm install --no-audit --no-fund --prefix")
            .arg(&folder)
            .arg("binaryen"),
    )
    .context("install binaryen, which has wasm-opt, and put it in PATH")?;
    if wasm_opt().is_none() {
        bail!("npm's binaryen has no wasm-opt; install binaryen yourself");
    }
    Ok(())
}

/// Where wasm-opt is.
pub fn wasm_opt() -> Option<PathBuf> {
    let local = npm_folder().join("node_modules/.bin/wasm-opt");
    sh::which("wasm-opt").or_else(|| local.is_file().then_some(local))
}

fn npm_folder() -> PathBuf {
    repo::target().join("xtask").join("npm")
}

/// Installs with the tool's own lock file, and without it where the registry lacks one of its versions.
pub fn cargo_install(package: &str, version: &str) -> Result<()> {
    let command = |locked: bool| {
        let mut command = sh::words("cargo install");
        command.args([package, "--version", version]);
        // Its build is of no use to the project's target folder.
        command.env_remove("CARGO_TARGET_DIR");
        if package != "wasm-bindgen-cli" {
            // They only start other programs: without optimising they are built in less than half the time.
            command.env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0");
        }
        if locked {
            command.arg("--locked");
        }
        command
    };
    if sh::run(&mut command(true)).is_ok() {
        return Ok(());
    }
    println!("setup: not with its own lock file; trying with the versions that the registry has");
    sh::run(&mut command(false)).with_context(|| {
        format!("install it yourself: cargo install {package} --version {version}")
    })
}

fn word(text: &str, at: usize) -> &str {
    text.split_whitespace().nth(at).unwrap_or_default()
}

/// `(0, 13)` of `wasm-pack 0.13.1`.
fn number(text: &str) -> (u32, u32) {
    let mut parts = word(text, 1)
        .split('.')
        .map(|part| part.parse().unwrap_or(0));
    (parts.next().unwrap_or(0), parts.next().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn versions_compare_by_number() {
        assert_eq!(number("wasm-pack 0.15.1"), (0, 15));
        assert!(number("wasm-pack 0.9.9") < super::WASM_PACK_OLDEST);
    }
}
