//! Words that the project no longer uses, each with the standard term to use instead.
//!
//! Text is compared word by word: `Foo_bar`, `fooBar`, `foo-bar` and `foo bar` are the same two words, and a line's end with the
//! next line's comment marker is a space.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::repo;

/// Retired terms in lower case, and what to say instead.
const TERMS: [(&str, &str); 48] = [
    ("adapter that is a program", "software adapter"),
    ("adapters that are programs", "software adapters"),
    ("anew", "again, or a verb with re-: recomputed, rebuilt"),
    ("assume tile", "a tile passed as an option"),
    ("chore", "task"),
    ("chores", "tasks"),
    ("first cache", "L1 cache"),
    ("first law", "first policy"),
    ("gather product", "implicit GEMM"),
    ("gathered product", "implicit GEMM"),
    ("gradient by the bias", "bias gradient"),
    ("gradient by the input", "input gradient"),
    ("gradient by the weight", "weight gradient"),
    ("gradients by the input", "input gradients"),
    ("gradients by the weight", "weight gradients"),
    ("is no number", "is NaN, or is not finite"),
    ("judge", "evaluate"),
    ("judged", "evaluated"),
    ("laws of the house", "rules"),
    ("laws of views", "augmentation policies"),
    ("nearest cache", "L1 cache"),
    ("no numbers", "NaN"),
    ("of length one", "L2-normalised"),
    (
        "phase for each place between two strides",
        "output phase of a strided input gradient",
    ),
    (
        "phases between strides",
        "output phases of a strided input gradient",
    ),
    (
        "phases between two strides",
        "output phases of a strided input gradient",
    ),
    ("pixel sums", "weight-gradient reduction"),
    ("programs for adapters", "software adapters"),
    ("pull towards zero", "weight decay"),
    ("pulls towards zero", "weight decay"),
    ("right answer", "accuracy, or correct prediction"),
    ("right answers", "accuracy, or correct predictions"),
    ("room of augmentations", "augmentation page"),
    ("rooms", "crates, modules or pages"),
    ("sampling law", "augmentation policy"),
    ("second cache", "L2 cache"),
    ("second law", "second policy"),
    ("share of the velocity", "momentum, or dampening"),
    ("the house", "the project"),
    ("this room", "this crate or module"),
    ("verdict", "metrics"),
    ("virtual device", "BN group"),
    ("virtual devices", "BN groups"),
    ("way of a batch", "data flow"),
    ("way of a call", "call path"),
    ("way of the data", "data flow"),
    ("winograd s way", "Winograd convolution"),
    ("winograd way", "Winograd convolution"),
];

const ENDINGS: [&str; 14] = [
    "css", "html", "js", "json", "jsonc", "md", "mjs", "mts", "py", "rs", "toml", "ts", "yaml",
    "yml",
];
/// Folders of what is built, fetched or written by a run.
const SKIPPED: [&str; 6] = ["target", "node_modules", "pkg", "dist", "runs", ".git"];
/// This list.
const OWN: &str = "xtask/src/laws/terms.rs";

/// Every use of a retired term in the repository.
pub fn check() -> Result<Vec<String>> {
    let mut breaches = Vec::new();
    for file in repo::files(repo::root(), &takes)? {
        let shown = file.strip_prefix(repo::root()).unwrap_or(&file);
        if shown == Path::new(OWN) {
            continue;
        }
        let text = fs::read_to_string(&file).with_context(|| file.display().to_string())?;
        for (line, term, instead) in uses(&text) {
            breaches.push(format!(
                "{}:{line}: `{term}`: say {instead}",
                shown.display()
            ));
        }
    }
    Ok(breaches)
}

/// Folders to look into, and files of text.
fn takes(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if path.is_symlink() || SKIPPED.contains(&&*name) {
        return false;
    }
    let ending = path.extension().unwrap_or_default().to_string_lossy();
    path.is_dir() || (ENDINGS.contains(&&*ending) && !name.starts_with("package-lock"))
}

/// The retired terms in a text, with their lines.
fn uses(text: &str) -> Vec<(usize, &'static str, &'static str)> {
    let words = words(text);
    let mut found = Vec::new();
    for at in 0..words.len() {
        for (term, instead) in TERMS {
            let mut rest = words[at..].iter();
            let matches = term.split(' ').enumerate().all(|(number, part)| {
                rest.next()
                    .is_some_and(|word| word.text == part && (number == 0 || word.joined))
            });
            if matches {
                found.push((words[at].line, term, instead));
            }
        }
    }
    found
}

struct Word {
    text: String,
    line: usize,
    /// Whether only spaces, hyphens, underscores, apostrophes or comment markers part it from the word before.
    joined: bool,
}

fn words(text: &str) -> Vec<Word> {
    let mut found = Vec::new();
    let mut joined = false;
    for (number, line) in text.lines().enumerate() {
        let code = line.trim_start();
        let body = code.trim_start_matches(['/', '!', '#', '*', '>']);
        let mut word = String::new();
        let mut before = ' ';
        for c in body.chars().chain(['\n']) {
            let hump = c.is_uppercase() && before.is_lowercase();
            if (hump || !c.is_alphanumeric()) && !word.is_empty() {
                let text = std::mem::take(&mut word).to_lowercase();
                found.push(Word {
                    text,
                    line: number + 1,
                    joined,
                });
                joined = true;
            }
            if c.is_alphanumeric() {
                word.push(c);
            } else if !matches!(c, ' ' | '\n' | '-' | '_' | '\'' | '’') {
                joined = false;
            }
            before = c;
        }
        if body.is_empty() {
            joined = false;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{TERMS, uses};

    fn terms(text: &str) -> Vec<(usize, &'static str)> {
        uses(text)
            .into_iter()
            .map(|(line, term, _)| (line, term))
            .collect()
    }

    #[test]
    fn terms_are_found_in_every_spelling() {
        let text = "fn gather_product() {}\nstruct GatherProduct; // gather-product, Gather product\n/// the nearest\n    /// cache";
        let product = "gather product";
        assert_eq!(
            terms(text),
            [
                (1, product),
                (2, product),
                (2, product),
                (2, product),
                (3, "nearest cache")
            ]
        );
        assert_eq!(terms("Winograd's way"), [(1, "winograd s way")]);
    }

    #[test]
    fn other_words_and_sentences_are_left_alone() {
        assert!(
            terms("is no numbered list; the first: caches; is no\n\nnumber; verdicts").is_empty()
        );
    }

    #[test]
    fn the_list_is_sorted_and_in_lower_case() {
        assert!(TERMS.is_sorted());
        assert!(TERMS.iter().all(|(term, _)| *term == term.to_lowercase()));
    }
}
