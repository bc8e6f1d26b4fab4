//! No crate under `crates/` opens a file, starts a thread or reads a clock by itself.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::Member;
use crate::repo;

const FORBIDDEN: [(&str, &str); 9] = [
    ("std::fs", "opens files"),
    ("std::net", "opens connections"),
    ("std::process", "starts programs"),
    ("std::thread", "starts threads"),
    ("std::time::Instant", "reads a clock"),
    ("Instant::now", "reads a clock"),
    ("SystemTime", "reads a clock"),
    ("rayon::", "starts threads"),
    ("std::env::", "reads the environment"),
];

/// The CPU's kernels run on the threads of Burn's own pool.
const ALLOWED: [(&str, &str); 1] = [("crates/kernels/src/backend/cpu/threads.rs", "rayon::")];

pub fn check(members: &[Member]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for member in members {
        for path in repo::files(&member.folder.join("src"), &takes)? {
            let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
            let shown = path.strip_prefix(repo::root()).unwrap_or(&path);
            let allowed = |what: &str| {
                ALLOWED.iter().any(|(file, pattern)| {
                    shown == Path::new(file) && what.starts_with(&format!("`{pattern}`"))
                })
            };
            for (line, what) in breaches_in(&text) {
                if allowed(&what) {
                    continue;
                }
                breaches.push(format!(
                    "{}:{line}: {what}; native/ and web/ hand such things in",
                    shown.display()
                ));
            }
        }
    }
    Ok(breaches)
}

/// Every Rust file but the tests', which run natively and may read their fixtures.
fn takes(path: &Path) -> bool {
    match path.is_dir() {
        true => !path.ends_with("tests"),
        false => repo::is_rust(path) && !path.ends_with("tests.rs"),
    }
}

/// The breaches before the file's tests, each with its line.
fn breaches_in(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        if *line == "#[cfg(test)]" && opens_module(&lines[at + 1..]) {
            break;
        }
        let code = line.split("//").next().unwrap_or_default();
        let hit = FORBIDDEN.iter().find(|(word, _)| code.contains(word));
        if let Some((word, what)) = hit {
            found.push((at + 1, format!("`{word}` {what}")));
        } else if let Some(word) = grouped(code) {
            found.push((at + 1, format!("`std::{word}` is not for a library crate")));
        }
    }
    found
}

/// Whether a module's body begins here, after more attributes perhaps.
fn opens_module(lines: &[&str]) -> bool {
    lines
        .iter()
        .find(|line| !line.starts_with("#["))
        .is_some_and(|line| line.starts_with("mod ") && line.ends_with('{'))
}

/// A forbidden module within `use std::{...}` on one line.
fn grouped(code: &str) -> Option<&'static str> {
    let (_, group) = code.split_once("use std::{")?;
    let words: Vec<&str> = group
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .collect();
    ["fs", "thread", "net", "process", "Instant", "env"]
        .into_iter()
        .find(|word| words.contains(word))
}

#[cfg(test)]
mod tests {
    use super::breaches_in;

    #[test]
    fn breaches_are_found_with_their_lines() {
        let text = "use std::fs;\n// std::thread in a comment\nuse std::{collections::HashMap, thread};\nlet t = Instant::now();\n";
        let lines: Vec<usize> = breaches_in(text)
            .into_iter()
            .map(|(line, _)| line)
            .collect();
        assert_eq!(lines, [1, 3, 4]);
    }

    #[test]
    fn tests_may_read_files() {
        assert!(
            breaches_in("fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n").is_empty()
        );
    }
}
