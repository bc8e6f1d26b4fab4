//! The folder of a run: recipe, events, checkpoints, each written atomically.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use parallax_train::{Checkpoint, Event, Keep};

use crate::checkpoints::{self, CHECKPOINTS};
use crate::lock;
use crate::usage::BadArgument;
use crate::whole::write_whole;

/// What a run is computed with.
pub const RUN_FILE: &str = "run.json";
const EVENTS: &str = "events.jsonl";
/// A checkpoint that is being deleted.
const DOOMED: &str = ".deleted";

/// A run on disk.
pub struct RunFolder {
    path: PathBuf,
    /// None where another rank writes.
    own: Option<Own>,
}

/// What the process that writes a folder has of it.
struct Own {
    events: File,
    /// Keeps other processes out.
    _lock: File,
}

impl RunFolder {
    /// Makes the folder of a new run, which `settings` describe in the file of this name.
    pub fn create(path: &Path, name: &str, settings: &str) -> Result<Self> {
        let used = path.join(name);
        if used.exists() {
            let message = format!(
                "{} already holds a run; add --resume to continue it, or name another --out",
                path.display()
            );
            return Err(BadArgument(message).into());
        }
        fs::create_dir_all(path.join(CHECKPOINTS))
            .with_context(|| format!("{} cannot be made", path.display()))?;
        write_whole(&used, settings.as_bytes())?;
        Self::open(path)
    }

    /// Opens the folder of a run that exists. No other process has it then.
    pub fn open(path: &Path) -> Result<Self> {
        let lock = lock::take(path)?;
        Ok(Self {
            path: path.to_path_buf(),
            own: Some(Own {
                events: open_events(path)?,
                _lock: lock,
            }),
        })
    }

    /// The folder of a run that another rank writes: this one leaves it alone.
    pub fn followed(path: &Path) -> Self {
        Self {
            path: path.to_path_buf(),
            own: None,
        }
    }

    /// Whether this process writes it.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Where the run is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A small file of the run.
    pub fn read(&self, name: &str) -> Result<String> {
        let path = self.path.join(name);
        fs::read_to_string(&path).with_context(|| {
            format!(
                "{} holds no run to resume ({name} is missing)",
                self.path.display()
            )
        })
    }

    /// Writes a small file of the run.
    pub fn write(&self, name: &str, content: &[u8]) -> Result<()> {
        match self.is_own() {
            true => write_whole(&self.path.join(name), content),
            false => Ok(()),
        }
    }

    /// Appends one line to the log of events.
    pub fn log(&mut self, event: &Event) -> Result<()> {
        let Some(own) = &mut self.own else {
            return Ok(());
        };
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        own.events
            .write_all(&line)
            .context("events.jsonl cannot be written")
    }

    /// Drops what was logged after `step`: a run that was killed is resumed from its checkpoint, and takes and logs the
    /// steps since then again.
    pub fn rewind_events(&mut self, step: u64) -> Result<()> {
        let Some(own) = &mut self.own else {
            return Ok(());
        };
        let path = self.path.join(EVENTS);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let kept = |line: &&str| {
            serde_json::from_str::<serde_json::Value>(line)
                .is_ok_and(|event| event["step"].as_u64().is_some_and(|at| at <= step))
        };
        let text: String = text
            .lines()
            .filter(kept)
            .flat_map(|line| [line, "\n"])
            .collect();
        write_whole(&path, text.as_bytes())?;
        own.events = open_events(&self.path)?;
        Ok(())
    }

    /// Saves a checkpoint atomically: written to a temporary folder, synced, renamed. Returns its path relative to the
    /// run.
    ///
    /// A whole checkpoint of the same step is left as it is; a damaged one is replaced once the new one is on disk.
    pub fn save(&self, checkpoint: &Checkpoint) -> Result<String> {
        let name = name_of(checkpoint);
        let place = self.path.join(&name);
        if !self.is_own() {
            return Ok(name);
        }
        if place.exists() && checkpoints::read(&place, checkpoint.step).is_ok() {
            return Ok(name);
        }
        self.replace(checkpoint)
    }

    /// As [`RunFolder::save`], in place of any checkpoint of the same step.
    pub fn replace(&self, checkpoint: &Checkpoint) -> Result<String> {
        let name = name_of(checkpoint);
        let place = self.path.join(&name);
        let old = place.exists();
        let partial = self
            .path
            .join(format!("{CHECKPOINTS}/.step-{}.partial", checkpoint.step));
        let written = write_folder(&partial, checkpoint).and_then(|()| {
            if old {
                fs::remove_dir_all(&place)?;
            }
            fs::rename(&partial, &place)?;
            File::open(self.path.join(CHECKPOINTS))?.sync_all()
        });
        if let Err(error) = written {
            // A partial checkpoint is of no use, and may be what fills the disk.
            let _ = fs::remove_dir_all(&partial);
            return Err(error).with_context(|| {
                format!(
                    "checkpoint {} could not be saved; older checkpoints are untouched. Free some \
                     space and continue with --resume --out {}",
                    place.display(),
                    self.path.display()
                )
            });
        }
        Ok(name)
    }

    /// Deletes all but the newest checkpoints up to `step`, whose checkpoint is on disk.
    pub fn prune(&self, step: u64, keep: Keep) -> Result<()> {
        let Keep::Newest(keep) = keep else {
            return Ok(());
        };
        if !self.is_own() {
            return Ok(());
        }
        let found = checkpoints::list(&self.path);
        let older = found.iter().rev().filter(|(found, _)| *found <= step);
        // Renamed first: what is left of one if this is interrupted is not taken for a damaged checkpoint.
        let doomed = self.path.join(CHECKPOINTS).join(DOOMED);
        for (_, place) in older.skip(keep.get()) {
            let deleted = match fs::remove_dir_all(&doomed) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => fs::rename(place, &doomed).and_then(|()| fs::remove_dir_all(&doomed)),
            };
            deleted.with_context(|| {
                let place = place.display();
                format!("the old checkpoint {place} cannot be deleted (checkpoint.keep = {keep})")
            })?;
        }
        Ok(())
    }

    /// The newest undamaged checkpoint; damaged ones are named on standard error.
    pub fn newest(&self) -> Result<Option<Checkpoint>> {
        let found = checkpoints::list(&self.path);
        let mut newest_first = found.iter().rev();
        let whole = newest_first.find_map(|(step, path)| checkpoints::read_undamaged(path, *step));
        if whole.is_none() && !found.is_empty() {
            bail!(checkpoints::none_is_whole(&self.path, found.len()));
        }
        Ok(whole)
    }
}

/// A checkpoint's folder, relative to the run.
fn name_of(checkpoint: &Checkpoint) -> String {
    format!("{CHECKPOINTS}/step-{}", checkpoint.step)
}

fn write_folder(partial: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    if partial.exists() {
        fs::remove_dir_all(partial)?;
    }
    fs::create_dir_all(partial)?;
    for (name, content) in &checkpoint.files {
        let mut file = File::create(partial.join(name))?;
        file.write_all(content)?;
        file.sync_all()?;
    }
    File::open(partial)?.sync_all()
}

/// The log of events, to be appended to.
fn open_events(run: &Path) -> Result<File> {
    let path = run.join(EVENTS);
    File::options()
        .create(true)
        .append(true)
        .open(&path)
        .with_context(|| format!("{} cannot be written", path.display()))
}

/// A folder for a new run: `runs/NAME`, or the first free `runs/NAME-N`.
pub fn free_folder(name: &str) -> PathBuf {
    let numbered = (2..).map(|number| PathBuf::from(format!("runs/{name}-{number}")));
    let mut candidates = std::iter::once(PathBuf::from(format!("runs/{name}"))).chain(numbered);
    candidates.find(|path| !path.exists()).unwrap_or_default()
}

/// The run that was changed last among `runs/NAME` and `runs/NAME-N`, by the file that describes its settings.
pub fn last_folder(name: &str, settings: &str) -> Option<PathBuf> {
    let entries = fs::read_dir("runs").ok()?.flatten();
    let own = entries.filter(|entry| {
        let file = entry.file_name();
        let rest = file.to_str().and_then(|file| file.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
            && entry.path().join(settings).is_file()
    });
    own.max_by_key(|entry| {
        fs::metadata(entry.path().join(EVENTS))
            .and_then(|m| m.modified())
            .ok()
    })
    .map(|entry| entry.path())
}
