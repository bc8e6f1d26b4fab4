//! `parallax pretrain`.

mod distributed;
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
use crate::{memory, plan, ranks, recipe};

/// Trains, probes, saves and evaluates.
pub fn run(arguments: &Pretrain) -> Result<()> {
    let ranks = ranks::here();
    let mut old = None;
    let text = ranks::of_first(ranks, || {
        let recipe = match arguments.resume {
            false => read(arguments)?,
            true => {
                let (recipe, folder) = stored(arguments)?;
                distributed::check_number(&folder, &recipe, ranks, arguments.ranks_changed)?;
                old = Some(folder);
                recipe
            }
        };
        Ok(recipe.to_toml()?.into_bytes())
    })?;
    let recipe = Recipe::parse(&String::from_utf8_lossy(&text), &[])?;
    let device = &arguments.on.device;
    let opened = ranks::agree(ranks, device::open(device))?;
    let prepared = || {
        opened.suits(&recipe)?;
        recipe.check_ranks(ranks)?;
        Sources::open(&recipe, arguments.on_bad_image)
    };
    let sources = ranks::agree(ranks, prepared())?;
    let data = DataShape::of(sources.train.as_ref());
    ranks::agree(ranks, distributed::same_data(ranks, data))?;
    let begun = match (arguments.resume, old) {
        (false, _) => begin(arguments, recipe, &sources, data, &opened)?,
        (true, folder) => resume(folder, recipe, data, &opened)?,
    };
    let (folder, run) = begun;
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
    sources: &Sources,
    data: DataShape,
    opened: &Opened,
) -> Result<(RunFolder, Run)> {
    let ranks = ranks::here();
    if ranks.is_first() {
        eprintln!("{}", plan::line(&recipe, data));
        announce(&recipe.of_rank(ranks), data.targets, opened);
    }
    let built = || {
        check_linear_probe(&recipe, sources.bank.len())?;
        Ok(Run::on(recipe, data, &opened.device, ranks)?)
    };
    let run = ranks::agree(ranks, built())?;
    let name = recipe::short_name(&arguments.recipe);
    let mut folder = None;
    let path = ranks::of_first(ranks, || {
        let path = arguments.out.clone().unwrap_or_else(|| free_folder(name));
        folder = Some(RunFolder::create(
            &path,
            RECIPE_FILE,
            &run.recipe().to_toml()?,
        )?);
        distributed::bytes_of(&path)
    })?;
    let folder = folder.unwrap_or_else(|| RunFolder::followed(&distributed::path_of(&path)));
    Ok((folder, run))
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

/// The run at the newest checkpoint of its folder, which rank 0 has and reads for all.
fn resume(
    folder: Option<RunFolder>,
    recipe: Recipe,
    data: DataShape,
    opened: &Opened,
) -> Result<(RunFolder, Run)> {
    let ranks = ranks::here();
    let path = ranks::of_first(ranks, || {
        let own = folder.as_ref().context("there is no folder to resume")?;
        distributed::bytes_of(own.path())
    })?;
    let path = distributed::path_of(&path);
    let mut folder = folder.unwrap_or_else(|| RunFolder::followed(&path));
    let shown = path.display();
    let checkpoint = distributed::newest(&folder, ranks)?;
    let built = || match &checkpoint {
        Some(checkpoint) => Run::resume_on(checkpoint, data, &opened.device, ranks)
            .with_context(|| format!("{shown} step {}", checkpoint.step)),
        None => {
            if ranks.is_first() {
                eprintln!("no checkpoint in {shown} yet: starting at step 0");
            }
            Ok(Run::on(recipe, data, &opened.device, ranks)?)
        }
    };
    let run = ranks::agree(ranks, built())?;
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
