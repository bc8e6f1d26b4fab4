//! The rules of ARCHITECTURE.md that no compiler checks: which crate may import which, what a crate under `crates/` must not
//! do, that modules do not import each other in circles, and which words the tree must not hold.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::repo;

mod circles;
mod directions;
mod modules;
mod sources;
mod terms;
mod tokens;
mod trees;

/// Checks every rule and prints every violation.
pub fn check() -> Result<()> {
    let members = members()?;
    let mut breaches = directions::check(&members)?;
    breaches.extend(sources::check(&members)?);
    breaches.extend(trees::check(&members)?);
    breaches.extend(circles::check(&members)?);
    breaches.extend(terms::check()?);
    for breach in &breaches {
        println!("{breach}");
    }
    if !breaches.is_empty() {
        bail!(
            "{} violations of the rules of ARCHITECTURE.md",
            breaches.len()
        );
    }
    println!("laws: {} crates follow them", members.len());
    Ok(())
}

/// A library crate: one under `crates/`, or `recipes`.
pub struct Member {
    pub name: String,
    pub folder: PathBuf,
}

fn members() -> Result<Vec<Member>> {
    let crates = repo::root().join("crates");
    let mut members = Vec::new();
    for entry in fs::read_dir(&crates).with_context(|| crates.display().to_string())? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            let name = folder.file_name().unwrap_or_default();
            members.push(Member {
                name: name.to_string_lossy().into_owned(),
                folder,
            });
        }
    }
    members.push(Member {
        name: "recipes".into(),
        folder: repo::root().join("recipes"),
    });
    members.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(members)
}
