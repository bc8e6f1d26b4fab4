//! The folder of an evaluation: new, or to be resumed with the same settings.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use parallax_train::Checkpoint;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::Evaluated;
use super::encoder::Encoder;
use super::outcome::{Outcome, RESULT};
use crate::ranks;
use crate::run_folder::{RunFolder, free_folder, last_folder};
use crate::usage::BadArgument;

/// The file with an evaluation's settings.
pub const SETTINGS: &str = "eval.toml";

/// All that an evaluation depends on.
#[derive(Serialize, Deserialize)]
pub struct Settings<T> {
    /// `linear-eval` or `finetune`.
    pub task: String,
    /// As on the command line.
    weights: String,
    /// Which network of the file.
    branch: String,
    /// CRC-32 of its tensors.
    checksum: String,
    /// Training images; none where they are the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    train: Option<String>,
    /// Test images; none where they are the run's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    test: Option<String>,
    /// Those of the training.
    pub training: T,
}

impl<T: Serialize> Settings<T> {
    /// Of a task on an encoder.
    pub fn new(task: &str, encoder: &Encoder, arguments: &Evaluated, training: T) -> Self {
        let branch = parallax_weights::Branch::from(arguments.branch);
        Self {
            task: task.to_string(),
            weights: encoder.name.clone(),
            branch: branch.prefix().trim_end_matches("_encoder.").to_string(),
            checksum: format!("{:08x}", encoder.checksum),
            train: arguments.train.clone(),
            test: arguments.test.clone(),
            training,
        }
    }
}

/// Where an evaluation stands.
pub enum Begun {
    /// It has a new folder.
    New(RunFolder),
    /// It goes on from a checkpoint, or from its beginning where there is none.
    Resumed(RunFolder, Option<Checkpoint>),
    /// It is over.
    Over(Box<Outcome>),
}

/// The folder of one evaluation, or with `--every` of several.
pub fn place(task: &str, arguments: &Evaluated) -> Result<PathBuf> {
    let path = ranks::of_first(ranks::here(), || {
        ranks::bytes_of(&own_place(task, arguments)?)
    })?;
    Ok(ranks::path_of(&path))
}

fn own_place(task: &str, arguments: &Evaluated) -> Result<PathBuf> {
    match (&arguments.out, arguments.resume) {
        (Some(path), _) => Ok(path.clone()),
        (None, false) => Ok(free_folder(task)),
        (None, true) => {
            let nothing = || {
                BadArgument(format!(
                    "there is no {task} in runs/ to resume; name it by --out"
                ))
            };
            Ok(last_folder(task, SETTINGS).ok_or_else(nothing)?)
        }
    }
}

/// Makes the folder of an evaluation, or finds out where it stands.
///
/// Rank 0 does; the others follow.
pub fn begin<T: Serialize>(path: &Path, settings: &Settings<T>, resume: bool) -> Result<Begun> {
    let (ranks, mut begun) = (ranks::here(), None);
    let state = ranks::of_first(ranks, || {
        let own = begun.insert(begin_alone(path, settings, resume)?);
        Ok(match own {
            Begun::New(_) => b"new".to_vec(),
            Begun::Resumed(..) => b"resumed".to_vec(),
            Begun::Over(outcome) => serde_json::to_vec(outcome)?,
        })
    })?;
    let followed = || RunFolder::followed(path);
    Ok(match (begun, state.as_slice()) {
        (Some(Begun::Resumed(folder, checkpoint)), _) => Begun::Resumed(
            folder,
            ranks::checkpoint_of_first(ranks, || Ok(checkpoint))?,
        ),
        (Some(begun), _) => begun,
        (None, b"new") => Begun::New(followed()),
        (None, b"resumed") => {
            Begun::Resumed(followed(), ranks::checkpoint_of_first(ranks, || Ok(None))?)
        }
        (None, outcome) => Begun::Over(Box::new(serde_json::from_slice(outcome)?)),
    })
}

fn begin_alone<T: Serialize>(path: &Path, settings: &Settings<T>, resume: bool) -> Result<Begun> {
    let text = toml::to_string(settings).context("the settings cannot be written")?;
    if !resume || !path.join(SETTINGS).is_file() {
        return Ok(Begun::New(RunFolder::create(path, SETTINGS, &text)?));
    }
    let mut folder = RunFolder::open(path)?;
    let stored = folder.read(SETTINGS)?;
    let stored = stored.parse::<Table>();
    let stored = stored.with_context(|| path.join(SETTINGS).display().to_string())?;
    if let Some(difference) = difference(&stored, &text.parse::<Table>()?) {
        let message = format!(
            "{} was begun with other settings: {difference}. Resume it with its own, or name another --out",
            path.display()
        );
        return Err(BadArgument(message).into());
    }
    if let Ok(bytes) = fs::read(path.join(RESULT)) {
        let outcome = serde_json::from_slice(&bytes);
        let outcome = outcome.with_context(|| path.join(RESULT).display().to_string())?;
        return Ok(Begun::Over(Box::new(outcome)));
    }
    let checkpoint = folder.newest()?;
    folder.rewind_events(checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step))?;
    Ok(Begun::Resumed(folder, checkpoint))
}

/// The first key in which two sets of settings differ.
fn difference(stored: &Table, asked: &Table) -> Option<String> {
    let mut keys: Vec<&String> = stored.keys().chain(asked.keys()).collect();
    keys.dedup();
    keys.into_iter()
        .find_map(|key| match (stored.get(key), asked.get(key)) {
            (a, b) if a == b => None,
            (Some(Value::Table(a)), Some(Value::Table(b))) => difference(a, b),
            // The message must be of use for what the checksum stands for.
            _ if key == "checksum" => Some("the weights have changed since".to_string()),
            (a, b) => {
                let text =
                    |value: Option<&Value>| value.map_or("none".to_string(), Value::to_string);
                let key = key.replace('_', "-");
                Some(format!("{key} was {}, not {}", text(a), text(b)))
            }
        })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_first_difference_is_named() {
        let of = |text: &str| text.parse::<Table>().unwrap();
        let stored = of("a = 1\n[training]\nbatch_size = 8\nseed = 0");
        let same = of("a = 1\n[training]\nbatch_size = 8\nseed = 0");
        assert_eq!(difference(&stored, &same), None);
        let other = of("a = 1\n[training]\nbatch_size = 9\nseed = 0");
        let message = difference(&stored, &other).unwrap();
        assert_eq!(message, "batch-size was 8, not 9");
        let more = of("a = 1\nb = 'x'\n[training]\nbatch_size = 8\nseed = 0");
        assert_eq!(difference(&stored, &more).unwrap(), "b was none, not \"x\"");
    }
}
