//! Firefox, the second engine of the page's tests. Where it cannot be installed, they say that they do not test it.

use std::path::PathBuf;

use anyhow::Result;

use super::{apt, getting, have};
use crate::sh;

const NAMES: [&str; 3] = [
    "firefox-esr",
    "firefox",
    "/Applications/Firefox.app/Contents/MacOS/firefox",
];

/// Installs Firefox unless it is there.
pub fn get() -> Result<()> {
    if let Some(firefox) = find() {
        have("Firefox", &firefox.display().to_string());
        return Ok(());
    }
    getting("Firefox", "the page is tested in it");
    if let Err(error) = apt::install(&["firefox-esr"]) {
        println!("setup: the page is not tested in Firefox: {error:#}");
    }
    Ok(())
}

/// What FIREFOX names, else the first Firefox.
pub fn find() -> Option<PathBuf> {
    match std::env::var("FIREFOX") {
        Ok(name) => sh::which(&name),
        Err(_) => NAMES.iter().find_map(|name| sh::which(name)),
    }
}
