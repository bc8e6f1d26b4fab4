//! Node, and Rust's tools: rustfmt and Clippy.

use anyhow::{Context, Result};

use super::{getting, have};
use crate::sh;

pub fn get() -> Result<()> {
    let node = sh::version("node").context(
        "Node is not here: install Node 20 or newer (on Debian: apt-get install nodejs npm)",
    )?;
    have("Node", &node);
    for (name, program) in [("rustfmt", "rustfmt"), ("clippy", "cargo-clippy")] {
        if let Some(version) = sh::version(program) {
            have(name, &version);
            continue;
        }
        getting(name, "the checks of the sources use it");
        sh::run(sh::words("rustup component add").arg(name)).with_context(|| {
            format!("install {name} for this Rust (on Debian: the package rustfmt or rust-clippy)")
        })?;
    }
    Ok(())
}
