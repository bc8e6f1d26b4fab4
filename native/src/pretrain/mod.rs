//! `parallax pretrain`.

mod session;
mod table;

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use parallax_train::{DataShape, RECIPE_FILE, Recipe, Run};

use crate::cli::Pretrain;
use crate::device::{self, Opened};
use crate::eval::check_linear_probe;
use crate::run_folder::{RunFolder, free_folder, last_folder};
use crate::sources::Sources;
use crate::stop::stop_on_ctrl_c;
use crate::usage::BadArgument;
use crate::{memory, recipe};

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
        None => {
            check_linear_probe(&recipe, sources.bank.len())?;
            begin(arguments, recipe, data, &opened)?
        }
        Some(folder) => resume(folder, recipe, data, &opened)?,
    };
    let stop = stop_on_ctrl_c()?;
    session::train(folder, run, sources, &opened, arguments, stop)
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
    announce(&recipe, data.targets, opened);
    let run = Run::new(recipe, data, &opened.device)?;
    let name = recipe::short_name(&arguments.recipe);
    let path = arguments.out.clone().unwrap_or_else(|| free_folder(name));
    let text = run.recipe().to_toml()?;
    Ok((RunFolder::create(&path, RECIPE_FILE, &text)?, run))
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
        None => last_folder(name, RECIPE_FILE).ok_or_else(nothing)?,
    };
    if !path.is_dir() {
        return Err(BadArgument(format!(
            "{} does not exist: nothing to resume",
            path.display()
        ))
        .into());
    }
    let folder = RunFolder::open(&path)?;
    let recipe = Recipe::parse(&folder.read(RECIPE_FILE)?, &[])
        .with_context(|| path.join(RECIPE_FILE).display().to_string())?;
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
fn announce(recipe: &Recipe, targets: usize, opened: &Opened) {
    memory::announce(recipe, targets, opened.name == "cpu");
    if !recipe.run.accumulates_equally(&recipe.method) {
        eprintln!(
            "note: with run.accumulate batch norm sees one micro-batch at a time; the result differs from that \
             of a run without it"
        );
    }
}
