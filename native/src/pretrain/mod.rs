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
    let (recipe, old) = match arguments.resume {
        false => (read(arguments)?, None),
        true => stored(arguments).map(|(recipe, folder)| (recipe, Some(folder)))?,
    };
    let opened = device::open(&arguments.on.device)?;
    opened.suits(&recipe)?;
    let sources = Sources::open(&recipe, arguments.on_bad_image)?;
    let data = DataShape::of(sources.train.as_ref());
    let (folder, run) = match old {
        None => begin(arguments, recipe, data, &opened)?,
        Some(folder) => resume(folder, recipe, data, &opened)?,
    };
    let stop = stop_on_ctrl_c()?;
    let mut session = Session::new(folder, run, sources, opened, arguments)?;
    session.train(&stop)
}

fn read(arguments: &Pretrain) -> Result<Recipe> {
    let data = arguments.data.as_deref();
    recipe::read(&arguments.recipe, data, &arguments.overrides)
}

/// A new run in a new folder.
fn begin(
    arguments: &Pretrain,
    recipe: Recipe,
    data: DataShape,
    opened: &Opened,
) -> Result<(RunFolder, Run)> {
    announce(&recipe, data.classes, opened);
    let run = Run::new(recipe, data, &opened.device)?;
    let name = recipe::short_name(&arguments.recipe);
    let path = arguments.out.clone().unwrap_or_else(|| free_folder(name));
    Ok((RunFolder::create(&path, run.recipe())?, run))
}

/// The folder of the run to resume, and the recipe that it was started with.
fn stored(arguments: &Pretrain) -> Result<(Recipe, RunFolder)> {
    let name = recipe::short_name(&arguments.recipe);
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
    let folder = RunFolder::open(&path)?;
    let recipe = folder.recipe()?;
    let asked = !arguments.overrides.is_empty() || arguments.data.is_some();
    if asked && recipe != read(arguments)? {
        let message =
            "a run is resumed with its own recipe; drop --set and --data, or start a new run";
        return Err(BadArgument(message.to_string()).into());
    }
    Ok((recipe, folder))
}

/// The run at the newest checkpoint of its folder.
fn resume(
    mut folder: RunFolder,
    recipe: Recipe,
    data: DataShape,
    opened: &Opened,
) -> Result<(RunFolder, Run)> {
    let path = folder.path().display().to_string();
    let run = match folder.newest()? {
        Some(checkpoint) => Run::resume(&checkpoint, data, &opened.device)
            .with_context(|| format!("{path} step {}", checkpoint.step))?,
        None => {
            eprintln!("no checkpoint in {path} yet: starting at step 0");
            Run::new(recipe, data, &opened.device)?
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
