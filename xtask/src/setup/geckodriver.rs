//! Firefox's driver, for the module's tests in Firefox.

use std::path::PathBuf;

use anyhow::Result;

use super::{firefox, getting, have, tools};
use crate::sh;

const NAME: &str = "geckodriver";
const VERSION: &str = "0.37.0";

/// Installs it, unless it is there or there is no Firefox.
pub fn get() -> Result<()> {
    if let Some(driver) = find() {
        have(NAME, &sh::version(driver).unwrap_or_default());
        return Ok(());
    }
    if firefox::find().is_none() {
        return Ok(());
    }
    getting(
        &format!("{NAME} {VERSION} (minutes)"),
        "the module is tested in Firefox",
    );
    tools::cargo_install(NAME, VERSION)
}

/// What GECKODRIVER names, else the first in PATH.
pub fn find() -> Option<PathBuf> {
    match std::env::var("GECKODRIVER") {
        Ok(name) => sh::which(&name),
        Err(_) => sh::which(NAME),
    }
}
