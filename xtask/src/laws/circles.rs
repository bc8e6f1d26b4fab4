//! Modules of a crate that import each other in a circle.
//!
//! The rule holds for the modules of each folder, and for the folders as wholes: among the children of one module, A imports
//! B when a file of A, or of a module within A, names an item that a file of B or within B defines. Following these imports
//! from any child must never lead back to it. Imports between a module and one that contains it do not count, because a
//! parent and its children are one subject, and a re-export counts as what it re-exports. Tests do not count.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::Result;

use super::Member;
use super::modules::{Import, Modules, Name};
use crate::repo;

/// Crates in which circles are refused.
const CHECKED: [&str; 3] = ["kernels", "train", "views"];

/// Every circle of the checked crates in words.
pub fn check(members: &[Member]) -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for member in members
        .iter()
        .filter(|member| CHECKED.contains(&member.name.as_str()))
    {
        let imports = Modules::read(&member.folder.join("src"))?.imports();
        breaches.extend(
            circles(&imports)
                .iter()
                .map(|circle| circle.words(&member.name)),
        );
    }
    Ok(breaches)
}

/// Children of one module that import each other, with an import for each pair.
struct Circle {
    parent: Name,
    children: BTreeSet<String>,
    imports: BTreeMap<(String, String), Vec<(PathBuf, usize)>>,
}

impl Circle {
    fn words(&self, member: &str) -> String {
        let place = [&["crates".to_owned(), member.to_owned()], &self.parent[..]]
            .concat()
            .join("/");
        let children: Vec<&str> = self.children.iter().map(String::as_str).collect();
        let mut words = format!(
            "{place}: modules import each other: {}",
            children.join(", ")
        );
        for ((from, to), places) in &self.imports {
            let shown: Vec<String> = places
                .iter()
                .take(3)
                .map(|(file, line)| shown(file, *line))
                .collect();
            let more = places.len().saturating_sub(shown.len());
            let more = if more > 0 {
                format!(" and {more} more")
            } else {
                String::new()
            };
            words += &format!("\n    {from} -> {to}: {}{more}", shown.join(" "));
        }
        words
    }
}

fn shown(file: &Path, line: usize) -> String {
    let file = file.strip_prefix(repo::root()).unwrap_or(file);
    format!("{}:{line}", file.display())
}

type Edges = BTreeMap<(String, String), Vec<(PathBuf, usize)>>;

fn circles(imports: &[Import]) -> Vec<Circle> {
    // The imports between the children of each module.
    let mut levels: BTreeMap<Name, Edges> = BTreeMap::new();
    for import in imports {
        let shared = import
            .from
            .iter()
            .zip(&import.to)
            .take_while(|(a, b)| a == b)
            .count();
        let (Some(from), Some(to)) = (import.from.get(shared), import.to.get(shared)) else {
            continue;
        };
        let edges = levels.entry(import.from[..shared].to_vec()).or_default();
        edges
            .entry((from.clone(), to.clone()))
            .or_default()
            .push((import.file.clone(), import.line));
    }
    let mut found = Vec::new();
    for (parent, edges) in levels {
        for children in components(&edges) {
            let inside =
                |(from, to): &(String, String)| children.contains(from) && children.contains(to);
            let imports = edges.iter().filter(|(pair, _)| inside(pair));
            let imports = imports
                .map(|(pair, places)| (pair.clone(), places.clone()))
                .collect();
            found.push(Circle {
                parent: parent.clone(),
                children,
                imports,
            });
        }
    }
    found
}

/// Groups of two and more names that all reach each other.
fn components(edges: &Edges) -> Vec<BTreeSet<String>> {
    let reached: BTreeMap<&String, BTreeSet<&String>> = edges
        .keys()
        .map(|(from, _)| (from, reach(edges, from)))
        .collect();
    let mut groups: Vec<BTreeSet<String>> = Vec::new();
    for (from, targets) in &reached {
        if !targets.contains(from) || groups.iter().any(|group| group.contains(*from)) {
            continue;
        }
        let back = targets
            .iter()
            .filter(|to| reached.get(*to).is_some_and(|seen| seen.contains(from)));
        groups.push(back.map(|name| (*name).clone()).collect());
    }
    groups
}

/// Every name that imports lead to from `start`, which is one of them only on a circle.
fn reach<'a>(edges: &'a Edges, start: &'a String) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![start];
    while let Some(name) = waiting.pop() {
        for (_, to) in edges.keys().filter(|(from, _)| from == name) {
            if seen.insert(to) {
                waiting.push(to);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::modules::Modules;
    use super::circles;
    use crate::sh;

    /// Circles of a crate of these files, as lists of names.
    fn found(name: &str, files: &[(&str, &str)]) -> anyhow::Result<Vec<String>> {
        let folder = sh::scratch(name)?;
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap_or(&folder))?;
            fs::write(path, text)?;
        }
        let imports = Modules::read(&folder)?.imports();
        sh::remove(&folder)?;
        let names = circles(&imports).into_iter().map(|circle| {
            let children: Vec<String> = circle.children.into_iter().collect();
            format!("{}: {}", circle.parent.join("::"), children.join(" "))
        });
        Ok(names.collect())
    }

    #[test]
    fn circles_are_found_through_re_exports_globs_and_folders() -> anyhow::Result<()> {
        let files = [
            ("lib.rs", "mod a; mod b; mod c; mod d;\npub use b::B;"),
            ("a.rs", "use crate::B;\npub fn a() { B }"),
            ("b.rs", "pub struct B;\nfn b() { super::a::a() }"),
            ("c/mod.rs", "pub mod x; pub mod y;"),
            ("c/x.rs", "use super::y::*; pub fn x() {}"),
            ("c/y.rs", "pub fn y() { crate::d::d(); }"),
            ("d.rs", "use crate::c::{x, y as z};\npub fn d() {}"),
        ];
        assert_eq!(found("circles", &files)?, [": a b", ": c d"]);
        Ok(())
    }

    #[test]
    fn parents_tests_and_other_crates_make_no_circle() -> anyhow::Result<()> {
        let files = [
            (
                "lib.rs",
                "mod a; mod b;\npub struct Root;\nfn f() { a::a() }",
            ),
            ("a.rs", "use super::Root; use b::other; pub fn a() {}"),
            ("b.rs", "use crate::a;\n#[cfg(test)]\nmod tests;"),
            ("b/tests.rs", "use crate::b;"),
            ("a/tests.rs", "use crate::b::B;"),
        ];
        assert!(found("no-circles", &files)?.is_empty());
        Ok(())
    }
}
