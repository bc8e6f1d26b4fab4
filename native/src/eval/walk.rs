//! One encoder, or every checkpoint of a run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use parallax_data::Source;
use parallax_eval::{History, Scores};
use parallax_train::{Event, Recipe};

use super::Evaluated;
use super::encoder::Encoder;
use super::folder::{SETTINGS, place};
use super::outcome::{Outcome, RESULT};
use crate::checkpoints;
use crate::device::{self, Opened};
use crate::ranks;
use crate::session::Report;
use crate::sources::Pair;
use crate::usage::BadArgument;

/// What every evaluation of a command shares.
pub struct Shared<'a> {
    /// Its arguments.
    pub arguments: &'a Evaluated,
    /// The device.
    pub opened: Opened,
    /// Training and test images, opened for the first encoder.
    sources: Option<Pair>,
}

impl Shared<'_> {
    /// Training and test images.
    pub fn sources(&mut self, recipe: &Recipe) -> Result<[Arc<dyn Source>; 2]> {
        let pair = match self.sources.take() {
            Some(pair) => pair,
            None => {
                let Evaluated { train, test, .. } = self.arguments;
                Pair::open(recipe, train.as_deref(), test.as_deref())?
            }
        };
        let both = [Arc::clone(&pair.train), Arc::clone(&pair.test)];
        self.sources = Some(pair);
        Ok(both)
    }
}

/// Evaluates what the arguments name with `evaluate`, which gets an encoder and its folder, and returns nothing where it was
/// stopped; prints the outcomes.
pub fn walk(
    task: &str,
    arguments: &Evaluated,
    mut evaluate: impl FnMut(&mut Shared, Encoder, &Path) -> Result<Option<Outcome>>,
) -> Result<()> {
    let mut shared = Shared {
        arguments,
        opened: device::open(&arguments.on.device)?,
        sources: None,
    };
    let ranks = ranks::here();
    if !arguments.every {
        let path = place(task, arguments)?;
        let lacks = ranks.is_first() && arguments.resume && !path.join(SETTINGS).is_file();
        let encoder = match lacks {
            true => {
                let message = format!("{} holds no evaluation to resume", path.display());
                Err(BadArgument(message).into())
            }
            false => Encoder::read(arguments, &shared.opened.device),
        };
        let encoder = ranks::agree(ranks, encoder)?;
        let outcome = evaluate(&mut shared, encoder, &path)?;
        if let Some(outcome) = outcome.filter(|_| ranks.is_first()) {
            outcome.print(arguments.json)?;
            if !arguments.json {
                println!("\nrun: {}", path.display());
            }
        }
        return Ok(());
    }
    let (mut root, mut first, mut stopped) = (None::<PathBuf>, true, false);
    checkpoints::walk(&arguments.weights, |saved| {
        if stopped {
            return Ok(());
        }
        let encoder = Encoder::saved(&saved, arguments, &shared.opened.device);
        let encoder = ranks::agree(ranks, encoder)?;
        let root = match &root {
            Some(root) => root.clone(),
            None => root.insert(place(task, arguments)?).clone(),
        };
        let path = root.join(format!("step-{}", saved.step));
        match evaluate(&mut shared, encoder, &path)? {
            Some(outcome) if ranks.is_first() => {
                outcome.print_row(arguments.json, std::mem::take(&mut first))
            }
            Some(_) => Ok(()),
            None => {
                stopped = true;
                Ok(())
            }
        }
    })
}

/// Ends an evaluation in its reports and writes its result; nothing where it was not scored.
pub fn conclude(
    report: &mut Report,
    step: u64,
    outcome: Outcome,
    measured: (&History, Option<&Scores>),
) -> Result<Option<Outcome>> {
    let table = Vec::new();
    report.emit(&Event::Done { step, table })?;
    report.progress.finish();
    let (history, Some(scores)) = measured else {
        return Ok(None);
    };
    let outcome = outcome.with_scores(history, scores);
    let mut text = serde_json::to_vec(&outcome)?;
    text.push(b'\n');
    report.folder.write(RESULT, &text)?;
    Ok(Some(outcome))
}
