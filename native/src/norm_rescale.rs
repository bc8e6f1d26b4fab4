//! `parallax norm-rescale`.

use anyhow::Result;
use parallax_weights::{Anchor, Branch, Export, Scope, norm_rescale};
use serde_json::json;

use crate::cli::{self, NormRescale};
use crate::usage::BadArgument;
use crate::weights::{self, Format};

/// Writes a network rescaled to the norms of another (NormRescale).
pub fn run(arguments: &NormRescale) -> Result<()> {
    let format = Format::of(&arguments.out, None)?;
    for read in std::iter::once(&arguments.weights).chain(&arguments.anchor) {
        weights::keep_apart(read, &arguments.out)?;
    }
    let file = weights::read(&arguments.weights)?.file;
    let anchor_file = match &arguments.anchor {
        Some(path) => Some(weights::read(path)?.file),
        None => None,
    };
    let anchor = match (&anchor_file, arguments.constant) {
        (Some(file), _) => Anchor::File(file),
        (None, Some(factor)) if factor.is_finite() && factor > 0.0 => Anchor::Constant(factor),
        (None, other) => {
            let found = other.unwrap_or_default();
            let message = format!("--constant must be a positive number, not {found}");
            return Err(BadArgument(message).into());
        }
    };
    // The defaults of methods.md 6: a factor on batch norm's scales would change what the network computes.
    let scope = match (arguments.scope, &anchor_file) {
        (Some(cli::Scope::All), _) | (None, Some(_)) => Scope::All,
        (Some(cli::Scope::Weights), _) | (None, None) => Scope::Weights,
    };
    let branch = Branch::from(arguments.branch);
    let (rescaled, report) = norm_rescale(&file, branch, anchor, scope)?;
    let export = Export::of(rescaled, format.names, Some(branch))?;
    format.write(&arguments.out, &export)?;

    if scope == Scope::All {
        eprintln!(
            "warning: batch norm's scales and statistics are rescaled too: use the result for fine-tuning, not for \
             frozen features"
        );
    }
    if arguments.json {
        let report = json!({
            "out": arguments.out,
            "rescaled": report.rescaled,
            "out_of_scope": report.out_of_scope,
            "zero": report.zero,
            "not_in_anchor": report.not_in_anchor,
        });
        println!("{report}");
        return Ok(());
    }
    let groups = [
        ("out of scope", &report.out_of_scope),
        ("with a norm of zero", &report.zero),
        ("not in the anchor", &report.not_in_anchor),
    ];
    if arguments.verbose {
        for name in &report.rescaled {
            println!("rescaled: {name}");
        }
        for (what, names) in groups {
            for name in names {
                println!("{what}, unchanged: {name}");
            }
        }
    }
    let unchanged = groups.iter().filter(|(_, names)| !names.is_empty());
    let unchanged: Vec<String> = unchanged
        .map(|(what, names)| format!("{} {what}", names.len()))
        .collect();
    println!(
        "{}: {} tensors rescaled, {} unchanged{}",
        arguments.out.display(),
        report.rescaled.len(),
        groups.iter().map(|(_, names)| names.len()).sum::<usize>(),
        match unchanged.is_empty() {
            true => String::new(),
            false => format!(" ({})", unchanged.join(", ")),
        }
    );
    if !arguments.verbose {
        println!("--verbose lists every tensor");
    }
    Ok(())
}
