//! An evaluation of a given model.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result};
use burn::tensor::Device;
use serde_json::json;

use super::{Evaluated, Evaluation, Watch, Weights};
use crate::data::progress::Progress;
use crate::device;
use crate::whole::write_whole;

/// The folder for results by default, beside the weights.
const FOUND: &str = "eval";

/// Evaluates a model, writes what it found and its scores, and prints them.
pub fn evaluate_given(
    arguments: &Evaluated,
    evaluate: impl FnOnce(&Weights, &Device, &Watch<'_>) -> Result<Option<Evaluation>>,
) -> Result<()> {
    let weights = Weights::read(&arguments.given)?;
    let opened = device::open(&arguments.given.on.device)?;
    // Nothing is lost by leaving at once: there is nothing to resume.
    let stop = AtomicBool::new(false);
    let watch = Watch {
        stop: &stop,
        progress: Progress::stderr(),
        threads: device::loader_threads(arguments.loader_threads),
    };
    let Some(found) = evaluate(&weights, &opened.device, &watch)? else {
        return Ok(());
    };
    let given = &arguments.given.weights;
    let beside = || match given.is_dir() {
        true => given.join(FOUND),
        false => given.with_file_name(FOUND),
    };
    let folder: PathBuf = arguments.out.clone().unwrap_or_else(beside);
    let result = json!({
        "weights": weights.path.display().to_string(),
        "test": arguments.test,
        "scores": found.scored,
    });
    let result = serde_json::to_string(&result)?;
    let files = found.files.into_iter();
    let files = files.chain([(
        "result.json".to_string(),
        format!("{result}\n").into_bytes(),
    )]);
    for (name, content) in files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(&folder);
        std::fs::create_dir_all(parent)
            .with_context(|| format!("{} cannot be made", parent.display()))?;
        write_whole(&path, &content)?;
    }
    if arguments.json {
        println!("{result}");
        return Ok(());
    }
    println!(
        "{} on {}, in percent\n",
        weights.path.display(),
        arguments.test
    );
    found.scored.print();
    println!("\n{}", folder.display());
    Ok(())
}
