//! A crate imports only crates below it.

use std::fs;

use anyhow::{Context, Result};

use super::Member;

/// Every crate with the crates that it may import.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("ranks", &[]),
    ("rng", &[]),
    ("views", &["rng"]),
    ("gpu-views", &["views"]),
    ("data", &["rng", "views"]),
    ("kernels", &["ranks"]),
    ("nets", &["kernels", "ranks", "rng"]),
    ("methods", &["kernels", "nets", "ranks", "rng", "views"]),
    ("weights", &["nets"]),
    ("probes", &["kernels", "ranks", "views"]),
    ("recipes", &[]),
    ("score", &["data"]),
    ("boxes", &["score"]),
    (
        "train",
        &[
            "data",
            "gpu-views",
            "kernels",
            "methods",
            "nets",
            "probes",
            "ranks",
            "recipes",
            "rng",
            "views",
            "weights",
        ],
    ),
    (
        "eval",
        &["data", "nets", "probes", "train", "views", "weights"],
    ),
    (
        "transfer",
        &[
            "boxes", "kernels", "nets", "ranks", "rng", "train", "views", "weights",
        ],
    ),
    (
        "bench",
        &["gpu-views", "kernels", "nets", "rng", "train", "views"],
    ),
];

pub fn check(members: &[Member]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for member in members {
        let Some((_, may)) = MAY_IMPORT.iter().find(|(name, _)| *name == member.name) else {
            breaches.push(format!(
                "crates/{}: say in xtask/src/laws/directions.rs which crates it may import",
                member.name
            ));
            continue;
        };
        let path = member.folder.join("Cargo.toml");
        let manifest = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        for (line, import) in imports(&manifest) {
            if !may.contains(&import.as_str()) {
                breaches.push(format!(
                    "crates/{}/Cargo.toml:{line}: {} must not import parallax-{import}",
                    member.name, member.name
                ));
            }
        }
    }
    Ok(breaches)
}

/// The project's own crates among the dependencies, with their lines; those of tests may point upwards.
fn imports(manifest: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut counts = false;
    for (at, line) in manifest.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if let Some(section) = line.strip_prefix('[') {
            counts = section.contains("dependencies") && !section.contains("dev-dependencies");
        }
        let in_features = line.starts_with("features");
        if let (true, false, Some((_, rest))) = (counts, in_features, line.split_once("parallax-"))
        {
            let name = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
                .collect();
            found.push((at + 1, name));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::imports;

    #[test]
    fn imports_are_read_from_every_form_of_dependency() {
        let manifest = "[package]\nname = \"parallax-x\"\n[dependencies]\nparallax-views.workspace = true\n\
            v = { package = \"parallax-nets\" }\n[dev-dependencies]\nparallax-train.workspace = true\n\
            [target.'cfg(unix)'.dependencies.parallax-data]\npath = \"../data\"\n";
        let names: Vec<String> = imports(manifest)
            .into_iter()
            .map(|(_, name)| name)
            .collect();
        assert_eq!(names, ["views", "nets", "data"]);
    }
}
