//! The modules of a crate, and which module's items each of them names.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::tokens::{Token, tokens};
use crate::repo;

/// A module's path from the crate's root, which is empty.
pub type Name = Vec<String>;

/// One module names an item of another.
pub struct Import {
    pub from: Name,
    pub to: Name,
    pub file: PathBuf,
    pub line: usize,
}

/// What a file says.
#[derive(Default)]
struct Module {
    file: PathBuf,
    /// Names that `use` brings, with the paths they stand for.
    aliases: BTreeMap<String, Name>,
    /// Paths that `use` opens as a whole.
    globs: Vec<Name>,
    /// Names of the items defined here.
    items: BTreeSet<String>,
    /// Every path into the crate, with its line.
    paths: Vec<(Name, usize)>,
}

/// The modules of one crate.
pub struct Modules(BTreeMap<Name, Module>);

impl Modules {
    /// Reads the files under `src` that are no tests.
    pub fn read(src: &Path) -> Result<Self> {
        let mut modules = Self(BTreeMap::new());
        modules.read_folder(src, &[])?;
        for module in modules.0.values_mut() {
            let file = &module.file;
            let source = fs::read_to_string(file).with_context(|| file.display().to_string())?;
            module.items = items(&tokens(&source));
        }
        let names: BTreeSet<Name> = modules.0.keys().cloned().collect();
        for (name, module) in &mut modules.0 {
            let source = fs::read_to_string(&module.file)?;
            Reader {
                tokens: &tokens(&source),
                at: 0,
                name,
                names: &names,
            }
            .read(module);
        }
        Ok(modules)
    }

    fn read_folder(&mut self, folder: &Path, name: &[String]) -> Result<()> {
        for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
            let file = entry?.path();
            let stem = file
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            if stem == "tests" || stem.ends_with("_tests") {
                continue;
            }
            let mut own = name.to_vec();
            if !["lib", "mod"].contains(&stem.as_str()) {
                own.push(stem);
            }
            if file.is_dir() {
                self.read_folder(&file, &own)?;
            } else if repo::is_rust(&file) {
                self.0.insert(
                    own,
                    Module {
                        file,
                        ..Module::default()
                    },
                );
            }
        }
        Ok(())
    }

    /// Every import, resolved to the module that defines the item: re-exports are followed.
    pub fn imports(&self) -> Vec<Import> {
        let mut found = Vec::new();
        for (from, module) in &self.0 {
            for (path, line) in &module.paths {
                let to = self.definition(path, 0);
                if to != *from {
                    let (file, line) = (module.file.clone(), *line);
                    found.push(Import {
                        from: from.clone(),
                        to,
                        file,
                        line,
                    });
                }
            }
        }
        found
    }

    /// The module that defines what a path leads to.
    fn definition(&self, path: &[String], depth: usize) -> Name {
        let known = (0..=path.len())
            .rev()
            .find(|length| self.0.contains_key(&path[..*length]));
        let length = known.unwrap_or(0);
        let (module, rest) = path.split_at(length);
        let Some((first, more)) = rest.split_first() else {
            return module.to_vec();
        };
        let Some(here) = self.0.get(module) else {
            return module.to_vec();
        };
        // Imports that import each other cannot be compiled; the depth is for what this reader misreads.
        if here.items.contains(first) || depth > 16 {
            return module.to_vec();
        }
        if let Some(alias) = here.aliases.get(first) {
            return self.definition(&[alias, more].concat(), depth + 1);
        }
        for glob in &here.globs {
            let path = [glob, rest].concat();
            let defined = self.definition(&path, depth + 1);
            if self
                .0
                .get(&defined)
                .is_some_and(|module| module.items.contains(first))
            {
                return defined;
            }
        }
        module.to_vec()
    }
}

/// Names of the items that a file defines outside of any block.
fn items(tokens: &[Token<'_>]) -> BTreeSet<String> {
    const DEFINES: [&str; 9] = [
        "fn",
        "struct",
        "enum",
        "trait",
        "type",
        "const",
        "static",
        "union",
        "macro_rules",
    ];
    let (mut depth, mut found) = (0, BTreeSet::new());
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "{" | "(" => depth += 1,
            "}" | ")" => depth -= 1,
            text if depth == 0 && DEFINES.contains(&text) => {
                let mut names = tokens[at + 1..].iter().filter(|token| token.text != "!");
                found.extend(names.next().map(|name| name.text.to_owned()));
            }
            _ => {}
        }
    }
    found
}

/// Reads the paths of one file.
struct Reader<'a> {
    tokens: &'a [Token<'a>],
    at: usize,
    name: &'a Name,
    names: &'a BTreeSet<Name>,
}

impl Reader<'_> {
    fn read(mut self, module: &mut Module) {
        while self.at < self.tokens.len() {
            let first = self.at == 0 || self.tokens[self.at - 1].text != "::";
            match self.text(0) {
                "use" => {
                    self.at += 1;
                    self.tree(Vec::new(), module);
                }
                "crate" | "super" | "self" if first && self.text(1) == "::" => {
                    let (path, line) = self.path();
                    if let Some(path) = self.absolute(&path) {
                        module.paths.push((path, line));
                    }
                }
                _ => self.at += 1,
            }
        }
    }

    fn text(&self, ahead: usize) -> &str {
        self.tokens
            .get(self.at + ahead)
            .map_or("", |token| token.text)
    }

    /// A path's segments, and the line of the first.
    fn path(&mut self) -> (Name, usize) {
        let line = self.tokens.get(self.at).map_or(0, |token| token.line);
        let mut path = Vec::new();
        while is_word(self.text(0)) {
            path.push(self.text(0).to_owned());
            self.at += 1;
            if self.text(0) != "::" || !is_word(self.text(1)) {
                break;
            }
            self.at += 1;
        }
        (path, line)
    }

    /// One branch of a `use`, behind `before`.
    fn tree(&mut self, before: Name, module: &mut Module) {
        let (more, line) = self.path();
        let mut path = [before, more].concat();
        if self.text(0) == "::" {
            self.at += 1;
        }
        match self.text(0) {
            "{" => {
                self.at += 1;
                while self.at < self.tokens.len() && self.text(0) != "}" {
                    let at = self.at;
                    self.tree(path.clone(), module);
                    if self.text(0) == "," || self.at == at {
                        self.at += 1;
                    }
                }
                self.at += 1;
            }
            "*" => {
                self.at += 1;
                if let Some(path) = self.absolute(&path) {
                    module.paths.push((path.clone(), line));
                    module.globs.push(path);
                }
            }
            _ => {
                if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
                    path.pop();
                }
                let mut alias = path.last().cloned();
                if self.text(0) == "as" {
                    alias = Some(self.text(1).to_owned());
                    self.at += 2;
                }
                if let (Some(path), Some(alias)) = (self.absolute(&path), alias) {
                    module.paths.push((path.clone(), line));
                    module.aliases.insert(alias, path);
                }
            }
        }
    }

    /// The path from the crate's root; none for one that leads to another crate.
    fn absolute(&self, path: &[String]) -> Option<Name> {
        let mut base = self.name.clone();
        let mut rest = path;
        match path.first()?.as_str() {
            "crate" => {
                base.clear();
                rest = &rest[1..];
            }
            "self" => rest = &rest[1..],
            "super" => {}
            child => {
                let own = [&base[..], &[child.to_owned()]].concat();
                self.names.contains(&own).then_some(())?;
            }
        }
        while rest.first().is_some_and(|segment| segment == "super") {
            base.pop();
            rest = &rest[1..];
        }
        base.extend_from_slice(rest);
        Some(base)
    }
}

fn is_word(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_') && text != "as"
}
