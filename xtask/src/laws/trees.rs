//! Dependencies of every crate when it is compiled for the browser.

use std::collections::BTreeSet;

use anyhow::Result;

use super::Member;
use crate::sh;

const TARGET: &str = "wasm32-unknown-unknown";

/// Dependencies that a module for the browser must not have: threads, terminals, signals.
const NOWHERE: [&str; 8] = [
    "clap",
    "crossterm",
    "ctrlc",
    "indicatif",
    "mio",
    "rayon",
    "rayon-core",
    "tokio",
];

/// Crates without tensors, and the dependencies that they must not have.
const NO_DEVICE: [&str; 3] = ["data", "rng", "views"];
const DEVICE: [&str; 4] = ["burn", "burn-tensor", "cubecl", "wgpu"];

pub fn check(members: &[Member]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for member in members {
        let package = format!("parallax-{}", member.name);
        let tree = packages(&tree(&package, "normal", "{p}")?);
        let without_device = NO_DEVICE.contains(&member.name.as_str());
        let device = if without_device { &DEVICE[..] } else { &[] };
        for forbidden in NOWHERE
            .iter()
            .chain(device)
            .filter(|name| tree.contains(**name))
        {
            breaches.push(breach(&package, forbidden));
        }
    }
    let tree = packages(&tree("parallax-web", "normal", "{p}")?);
    for forbidden in NOWHERE.iter().filter(|name| tree.contains(**name)) {
        breaches.push(breach("parallax-web", forbidden));
    }
    breaches.extend(features_agree()?);
    Ok(breaches)
}

/// The module and its tests must ask for the same features of every crate, or all is built twice.
fn features_agree() -> Result<Vec<String>> {
    let module = packages_with_features(&tree("parallax-web", "normal,build", "{p} [{f}]")?);
    let tests = packages_with_features(&tree("parallax-web", "normal,build,dev", "{p} [{f}]")?);
    Ok(module
        .difference(&tests)
        .map(|line| {
            format!("parallax-web: its tests build another `{line}`: name the missing features in its dependencies")
        })
        .collect())
}

fn breach(package: &str, forbidden: &str) -> String {
    format!(
        "{package} brings {forbidden} into the browser; \
         `cargo tree -p {package} --target {TARGET} -e normal -i {forbidden}` shows how"
    )
}

fn tree(package: &str, edges: &str, format: &str) -> Result<String> {
    sh::capture(
        sh::words("cargo tree --locked --prefix none")
            .args(["-p", package, "--target", TARGET, "-e", edges, "-f", format]),
    )
}

/// The first word of every line.
fn packages(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next().map(str::to_owned))
        .collect()
}

/// Every package of a registry with its version and features, without the marks of the tree.
fn packages_with_features(tree: &str) -> BTreeSet<String> {
    tree.lines()
        .map(|line| line.replace(" (*)", "").replace(" (proc-macro)", ""))
        .filter(|line| !line.contains('('))
        .collect()
}
