//! Whether the library crates can be packaged.

use std::fs;
use std::path::{Component, Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{repo, sh};

/// What `cargo metadata` says.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    /// Registries that may take it: any, or none of them.
    publish: Option<Vec<String>>,
}

/// Packages every crate that may be published, without building it again, and checks that it includes no file from outside.
pub fn check() -> Result<()> {
    let packages = published()?;
    let mut breaches = Vec::new();
    for package in &packages {
        let folder = package.manifest_path.parent().unwrap_or(Path::new("."));
        for file in repo::files(folder, &|path| path.is_dir() || repo::is_rust(path))? {
            let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
            let here = file.parent().unwrap_or(folder);
            for path in included(&text).filter(|path| !is_inside(&here.join(path), folder)) {
                breaches.push(format!(
                    "{}: {path} is outside of {}",
                    file.display(),
                    package.name
                ));
            }
        }
    }
    if !breaches.is_empty() {
        bail!(
            "packages lack files that they include:\n{}",
            breaches.join("\n")
        );
    }
    let mut cargo = sh::words("cargo package --quiet --no-verify --allow-dirty --offline --locked");
    for package in &packages {
        cargo.args(["-p", &package.name]);
    }
    sh::run(&mut cargo)?;
    println!("package: {} crates can be packaged", packages.len());
    Ok(())
}

fn published() -> Result<Vec<Package>> {
    let said = sh::capture(&mut sh::words(
        "cargo metadata --no-deps --format-version 1 --offline --locked",
    ))?;
    let metadata: Metadata = serde_json::from_str(&said).context("cargo's metadata")?;
    let may = |package: &Package| {
        package
            .publish
            .as_ref()
            .is_none_or(|names| !names.is_empty())
    };
    Ok(metadata.packages.into_iter().filter(may).collect())
}

/// Paths that `include_str!`, `include_bytes!` and `include!` begin with: of a `concat!`, its first text.
fn included(text: &str) -> impl Iterator<Item = &str> {
    let calls = ["include_str!(", "include_bytes!(", "include!("];
    calls.into_iter().flat_map(move |call| {
        text.match_indices(call).filter_map(move |(at, _)| {
            let rest = text[at + call.len()..].trim_start();
            let rest = rest.strip_prefix("concat!(").unwrap_or(rest).trim_start();
            rest.strip_prefix('"')?.split('"').next()
        })
    })
}

/// Whether a path with `..` in it stays in a folder.
fn is_inside(path: &Path, folder: &Path) -> bool {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain.starts_with(folder)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{included, is_inside};

    #[test]
    fn included_paths_are_found() {
        let text = "include_str!(\"a.md\"); include_bytes!(concat!(\"../b/\", $name)); include_str!($name)";
        assert_eq!(included(text).collect::<Vec<_>>(), ["a.md", "../b/"]);
    }

    #[test]
    fn paths_that_leave_the_package_are_told_apart() {
        let inside = |path| is_inside(&Path::new("/w/a/src").join(path), Path::new("/w/a"));
        assert!(inside("../sample/x"));
        assert!(!inside("../../recipes/x"));
        assert!(!inside("../../ab/x"));
    }
}
