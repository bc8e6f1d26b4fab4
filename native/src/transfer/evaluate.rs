//! An evaluation of a given model.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use anyhow::Result;
use burn::tensor::Device;
use serde_json::json;

use super::kind::FOUND;
use super::train::RESULT;
use super::{Evaluated, Evaluation, Watch, Weights};
use crate::data::progress::Progress;
use crate::device;
use crate::whole::write_whole;

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
    found.write(&folder)?;
    write_whole(&folder.join(RESULT), format!("{result}\n").as_bytes())?;
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
