//! What the ranks of a run agree on before it starts.

use anyhow::{Result, bail};
use parallax_methods::BnKind;
use parallax_ranks::Ranks;
use parallax_train::{Checkpoint, DataShape, Recipe};

use crate::ranks;
pub use crate::ranks::{bytes_of, path_of};
use crate::run_folder::{RUN_FILE, RunFolder};
use crate::usage::BadArgument;

/// The number of ranks of the run in a folder, 1 where it does not say.
fn number(folder: &RunFolder) -> usize {
    let record = folder.read(RUN_FILE).unwrap_or_default();
    let record = serde_json::from_str::<serde_json::Value>(&record).unwrap_or_default();
    record["ranks"].as_u64().map_or(1, |ranks| ranks as usize)
}

/// Checks that a run is resumed by as many ranks as it has had, or says what other ones change.
pub fn check_number(
    folder: &RunFolder,
    recipe: &Recipe,
    ranks: Ranks,
    changed: bool,
) -> Result<()> {
    let (before, now) = (number(folder), ranks.size());
    if before == now {
        return Ok(());
    }
    let difference = difference(recipe, before, now);
    if !changed {
        let message = format!(
            "the run in {} had {before} ranks, and {now} were started: start {before}, or go on with {now} by \
             --ranks-changed. Then {difference}",
            folder.path().display()
        );
        return Err(BadArgument(message).into());
    }
    eprintln!("note: {now} ranks instead of {before}: from here on {difference}");
    Ok(())
}

/// What a change of the number of ranks changes.
fn difference(recipe: &Recipe, before: usize, now: usize) -> String {
    let batch = recipe.run.batch_size;
    match recipe.method.bn {
        BnKind::PerGroup if recipe.method.bn_groups == 1 => format!(
            "batch norm has the statistics of {} images instead of {}, and the run is another one than before; \
             method.bn_groups={before} would have kept the groups of {before} ranks",
            batch / now,
            batch / before
        ),
        _ if recipe.method.bn_groups == 1 && recipe.method.name.spec().queue => format!(
            "there are {now} coins for the views whose keys are enqueued instead of {before}, and sums are added in other \
             parts: the run is as good as before, but its bits are others"
        ),
        _ => "sums are added in other parts: the run is the same but for rounding".to_string(),
    }
}

/// Checks that every rank sees the same data.
pub fn same_data(ranks: Ranks, data: DataShape) -> Result<()> {
    let counts = [
        data.examples,
        data.classes,
        data.targets,
        data.full_examples,
    ];
    let all = ranks.gather(&counts.map(|count| count as u64))?;
    let (first, own) = (&all[..counts.len()], counts.map(|count| count as u64));
    if *first != own {
        bail!(
            "rank {} sees {} images of {} classes, rank 0 {} of {}: every rank needs the same data",
            ranks.rank(),
            own[0],
            own[1],
            first[0],
            first[1]
        );
    }
    Ok(())
}

/// The newest undamaged checkpoint of a folder, which rank 0 reads for all.
pub fn newest(folder: &RunFolder, ranks: Ranks) -> Result<Option<Checkpoint>> {
    ranks::checkpoint_of_first(ranks, || folder.newest())
}
