//! The laws of the house that no compiler checks: who may use whom, and what a crate under `crates/` must not do.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::repo;

mod directions;
mod sources;
mod trees;

/// Checks all of them and reports every breach.
pub fn check() -> Result<()> {
    let rooms = rooms()?;
    let mut breaches = directions::check(&rooms)?;
    breaches.extend(sources::check(&rooms)?);
    breaches.extend(trees::check(&rooms)?);
    if breaches.is_empty() {
        println!("laws: {} crates keep them", rooms.len());
        return Ok(());
    }
    for breach in &breaches {
        println!("{breach}");
    }
    bail!("{} breaches of the laws of ARCHITECTURE.md", breaches.len())
}

/// One crate under `crates/`.
pub struct Room {
    pub name: String,
    pub folder: PathBuf,
}

fn rooms() -> Result<Vec<Room>> {
    let crates = repo::root().join("crates");
    let mut rooms = Vec::new();
    for entry in fs::read_dir(&crates).with_context(|| crates.display().to_string())? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            let name = folder.file_name().unwrap_or_default();
            rooms.push(Room {
                name: name.to_string_lossy().into_owned(),
                folder,
            });
        }
    }
    rooms.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(rooms)
}
