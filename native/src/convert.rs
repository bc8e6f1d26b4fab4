//! `parallax convert`.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use parallax_weights::{Branch, Export, Import, Structure};
use serde_json::json;

use crate::cli::Convert;
use crate::weights::{self, Format};

/// Writes a weight file in another format or layout and reports what became of its tensors.
pub fn run(arguments: &Convert) -> Result<()> {
    let format = Format::of(&arguments.out, arguments.to)?;
    weights::keep_apart(&arguments.from, &arguments.out)?;
    let mut import = weights::read(&arguments.from)?;
    let missing = [Branch::Online, Branch::Target].map(|branch| missing(&import, branch));
    let file = std::mem::take(&mut import.file);
    let export = Export::of(file, format.names, arguments.branch.map(Branch::from))?;
    format.write(&arguments.out, &export)?;

    let report = Report::new(&import, &export, missing.concat());
    if let Some(first) = report.missing.first() {
        eprintln!(
            "warning: {} tensors of the backbone are missing in {}; the first is '{first}'",
            report.missing.len(),
            arguments.from.display(),
        );
    }
    match arguments.json {
        true => println!("{}", report.json(arguments, format)),
        false => report.print(arguments, format),
    }
    Ok(())
}

/// Tensors that a network's backbone has and the file lacks, under our names.
fn missing(import: &Import, branch: Branch) -> Vec<String> {
    let prefix = branch.prefix();
    let structure = Structure::of(&import.file, prefix);
    let names = structure.into_iter().flat_map(|found| found.missing);
    names.map(|name| format!("{prefix}{name}")).collect()
}

/// What became of every tensor.
struct Report<'a> {
    import: &'a Import,
    /// Name in the file read, name in the file written, shape.
    written: Vec<(&'a str, &'a str, &'a [usize])>,
    skipped: Vec<&'a str>,
    /// Of the networks that are written.
    missing: Vec<String>,
}

impl<'a> Report<'a> {
    fn new(import: &'a Import, export: &'a Export, mut missing: Vec<String>) -> Self {
        let original: HashMap<&str, &str> = import
            .placed
            .iter()
            .map(|(theirs, ours)| (ours.as_str(), theirs.as_str()))
            .collect();
        let name = |ours: &'a str| original.get(ours).copied().unwrap_or(ours);
        let written = export.written.iter().map(|(ours, new)| {
            let tensor = export.file.tensors.get(new);
            let shape = tensor.map(|tensor| &tensor.shape[..]);
            (name(ours), new.as_str(), shape.unwrap_or_default())
        });
        let network = |ours: &str| ours.split_once('.').map(|(network, _)| network.to_string());
        let networks: Vec<_> = export
            .written
            .iter()
            .map(|(ours, _)| network(ours))
            .collect();
        missing.retain(|name| networks.contains(&network(name)));
        Self {
            written: written.collect(),
            skipped: export.skipped.iter().map(|ours| name(ours)).collect(),
            missing,
            import,
        }
    }

    fn json(&self, arguments: &Convert, format: Format) -> serde_json::Value {
        let tensors: Vec<_> = self
            .written
            .iter()
            .map(|(from, to, shape)| json!({ "from": from, "to": to, "shape": shape }))
            .collect();
        let unused: Vec<_> = self
            .import
            .unused
            .iter()
            .map(|unused| json!({ "name": unused.name, "reason": unused.reason }))
            .collect();
        json!({
            "in": arguments.from,
            "packing": self.import.packing.to_string(),
            "layout": self.import.layout.to_string(),
            "out": arguments.out,
            "format": format.label(),
            "tensors": tensors,
            "skipped": self.skipped,
            "missing": self.missing,
            "unused": unused,
        })
    }

    fn print(&self, arguments: &Convert, format: Format) {
        let renamed = self
            .written
            .iter()
            .filter(|(from, to, _)| from != to)
            .count();
        if arguments.verbose {
            self.list();
        }
        println!(
            "{} ({}, names of {}) -> {} ({})",
            arguments.from.display(),
            self.import.packing,
            self.import.layout,
            arguments.out.display(),
            format.label()
        );
        println!(
            "{} taken, {renamed} renamed, {} skipped, {} missing, {} unused",
            self.written.len() - renamed,
            self.skipped.len(),
            self.missing.len(),
            self.import.unused.len()
        );
        if !arguments.verbose {
            println!("--verbose lists every tensor");
        }
    }

    /// Every tensor, a line each.
    fn list(&self) {
        for (from, to, shape) in &self.written {
            match from == to {
                true => println!("taken    {from} {shape:?}"),
                false => println!("renamed  {from} -> {to} {shape:?}"),
            }
        }
        for name in &self.skipped {
            println!("skipped  {name}");
        }
        for name in &self.missing {
            println!("missing  {name}");
        }
        for line in self.unused() {
            println!("unused   {line}");
        }
        println!();
    }

    /// Tensors that no name is known for; many under one name, as an optimiser's, in one line.
    fn unused(&self) -> Vec<String> {
        const MANY: usize = 8;
        let mut groups: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for unused in &self.import.unused {
            let group = unused.name.split('.').next().unwrap_or_default();
            let key = (group, unused.reason.as_str());
            groups.entry(key).or_default().push(&unused.name);
        }
        let mut lines = Vec::new();
        for ((group, reason), names) in groups {
            match names.len() > MANY {
                true => lines.push(format!("{group}.*, {} tensors: {reason}", names.len())),
                false => lines.extend(names.iter().map(|name| format!("{name}: {reason}"))),
            }
        }
        lines
    }
}
