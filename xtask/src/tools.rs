//! Checks by tools that are optional: they run where they are installed.

use anyhow::Result;

use crate::sh;

/// Licences, duplicate versions and sources of dependencies, by `deny.toml`. Advisories need a network:
/// `cargo deny check advisories`.
pub fn deny() -> Result<()> {
    if sh::which("cargo-deny").is_none() {
        println!("skipped: cargo-deny is not installed (cargo install --locked cargo-deny)");
        return Ok(());
    }
    sh::run(&mut sh::words(
        "cargo deny --offline --workspace check licenses bans sources",
    ))
}

/// Spelling, by `_typos.toml`.
pub fn typos() -> Result<()> {
    if sh::which("typos").is_none() {
        println!("skipped: typos is not installed (cargo install --locked typos-cli)");
        return Ok(());
    }
    sh::run(&mut sh::words("typos"))
}
