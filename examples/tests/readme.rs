//! The snippets of the README are code that the tests run.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;

/// A file of the repository.
fn read(path: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    fs::read_to_string(root.join(path)).unwrap()
}

/// The README's code blocks of a language.
fn blocks(language: &str) -> Vec<String> {
    let text = read("README.md");
    let opening = format!("```{language}\n");
    let parts = text.split(&opening).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap().to_string())
        .collect()
}

/// Lines without their indentation, so that an excerpt may have another.
fn lines(text: &str) -> Vec<&str> {
    text.lines().map(str::trim).collect()
}

#[test]
fn the_rust_snippet_is_an_excerpt_of_the_example() {
    let example = read("examples/pretrain.rs");
    let example = lines(&example);
    let blocks = blocks("rust");
    assert_eq!(blocks.len(), 1);
    let excerpt: Vec<&str> = lines(&blocks[0])
        .into_iter()
        .take_while(|line| !line.starts_with("// ..."))
        .collect();
    assert!(excerpt.len() > 10);
    let found = example
        .windows(excerpt.len())
        .any(|window| window == excerpt);
    assert!(found, "{}", blocks[0]);
}

#[test]
fn the_javascript_snippet_is_the_packages() {
    let package = read("web/npm/README.md");
    let blocks = blocks("js");
    assert_eq!(blocks.len(), 2);
    for block in blocks {
        assert!(package.contains(&block), "{block}");
    }
}
