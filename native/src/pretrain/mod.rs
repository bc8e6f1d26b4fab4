//! `parallax pretrain`.

mod report;
mod session;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use parallax_train::{DataShape, Recipe, Run};

use crate::cli::Pretrain;
use crate::device::{self, Opened};
use crate::run_folder::{RunFolder, free_folder, last_folder};
use crate::sources::Sources;
use crate::usage::BadArgument;
use crate::{memory, recipe};
use session::Session;

/// Trains, probes, saves and evaluates.
pub fn run(arguments: &Pretrain) -> Result<()> {
    let recipe = recipe::read(
        &arguments.recipe,
        arguments.data.as_deref(),
        &arguments.overrides,
    )?;
    let opened = device::open(&arguments.on.device)?;
    opened.suits(&recipe)?;
    let sources = Sources::open(&recipe, arguments.on_bad_image)?;
    let (folder, run) = begin(arguments, recipe, &sources, &opened)?;
    let stop = stop_on_ctrl_c()?;
    let mut session = Session::new(folder, run, sources, opened, arguments)?;
    session.train(&stop)
}

/// A new run in a new folder, or the newest checkpoint of an old one.
fn begin(
    arguments: &Pretrain,
    recipe: Recipe,
    sources: &Sources,
    opened: &Opened,
) -> Result<(RunFolder, Run)> {
    let name = recipe::short_name(&arguments.recipe);
    let data = DataShape::of(sources.train.as_ref());
    if !arguments.resume {
        announce(&recipe, data.classes, opened);
        let run = Run::new(recipe, data, &opened.device)?;
        let path = arguments.out.clone().unwrap_or_else(|| free_folder(name));
        return Ok((RunFolder::create(&path, run.recipe())?, run));
    }
    let nothing = || {
        BadArgument(format!(
            "there is no run of '{name}' in runs/ to resume; name it by --out"
        ))
    };
    let path: PathBuf = match &arguments.out {
        Some(path) => path.clone(),
        None => last_folder(name).ok_or_else(nothing)?,
    };
    if !path.is_dir() {
        return Err(BadArgument(format!(
            "{} does not exist: nothing to resume",
            path.display()
        ))
        .into());
    }
    let mut folder = RunFolder::open(&path)?;
    let stored = folder.recipe()?;
    let asked = !arguments.overrides.is_empty() || arguments.data.is_some();
    if asked && stored != recipe {
        let message =
            "a run is resumed with its own recipe; drop --set and --data, or start a new run";
        return Err(BadArgument(message.to_string()).into());
    }
    let run = match folder.newest()? {
        Some(checkpoint) => Run::resume(&checkpoint, data, &opened.device)
            .with_context(|| format!("{} step {}", path.display(), checkpoint.step))?,
        None => {
            eprintln!(
                "no checkpoint in {} yet: starting at step 0",
                path.display()
            );
            Run::new(stored, data, &opened.device)?
        }
    };
    folder.rewind_events(run.step_index())?;
    Ok((folder, run))
}

/// Prints the memory that the run will take, and a note where gradient accumulation changes the result.
fn announce(recipe: &Recipe, classes: usize, opened: &Opened) {
    memory::announce(recipe, classes, opened.name == "cpu");
    if !recipe.run.accumulates_equally(&recipe.method) {
        eprintln!(
            "note: with run.accumulate batch norm sees one micro-batch at a time; the result differs from that \
             of a run without it"
        );
    }
}

fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::SeqCst) {
            std::process::exit(130);
        }
        eprintln!("\nstopping after this step; press Ctrl-C again to leave at once");
    })
    .context("the handler for Ctrl-C could not be set")?;
    Ok(stop)
}
