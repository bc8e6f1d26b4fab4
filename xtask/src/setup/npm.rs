//! The page's npm packages.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use super::{getting, have};
use crate::{repo, sh};

/// Installs the page's packages unless they match its lock file already.
pub fn get() -> Result<()> {
    if !repo::has_page() {
        println!("setup: web/page has no package.json, so there are no npm packages to get");
        return Ok(());
    }
    let lock = repo::page().join("package-lock.json");
    let wanted = fingerprint()?;
    let stamp = repo::page().join("node_modules/.parallax-stamp");
    if std::fs::read_to_string(&stamp).is_ok_and(|stamp| stamp == wanted) {
        let npm = sh::version("npm").context("npm is not here: install Node with npm")?;
        have("the page's packages", &format!("npm {npm}"));
        return Ok(());
    }
    getting("the page's npm packages", "web/page's are missing or old");
    let how = if lock.is_file() { "ci" } else { "install" };
    sh::run(npm(how).args(["--no-audit", "--no-fund"])).context(
        "npm installs the page's packages: are Node 20 or newer and its registry available?",
    )?;
    // `npm install` writes the lock file, so the digest may have changed.
    std::fs::write(&stamp, fingerprint()?)?;
    Ok(())
}

/// `npm` in the page's folder; no package may download a browser of its own.
pub fn npm(command: &str) -> Command {
    let mut npm = sh::cmd(if cfg!(windows) { "npm.cmd" } else { "npm" });
    npm.arg(command)
        .current_dir(repo::page())
        .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1")
        .env("PUPPETEER_SKIP_DOWNLOAD", "1");
    npm
}

/// A digest of the files that list the packages.
fn fingerprint() -> Result<String> {
    let mut hash = DefaultHasher::new();
    for name in ["package.json", "package-lock.json"] {
        let path: PathBuf = repo::page().join(name);
        match std::fs::read(&path) {
            Ok(bytes) => bytes.hash(&mut hash),
            Err(_) => name.hash(&mut hash),
        }
    }
    Ok(format!("{:016x}", hash.finish()))
}
