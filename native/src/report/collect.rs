//! Reading the folders of runs, evaluations and studies.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use parallax_train::RECIPE_FILE;
use serde::Deserialize;
use serde_json::Value;

use super::setting::Setting;
use crate::transfer::SETTINGS;
use crate::usage::BadArgument;

/// The file with the events of a run.
const EVENTS: &str = "events.jsonl";
/// The file with the result of an evaluation.
pub const RESULT: &str = "result.json";
/// The folder of rescaled weights in a run's folder; a file's name is that of its anchor.
pub const RESCALED: &str = "rescaled";
/// What takes the place of an anchor's name where the weights were random.
pub const RANDOM: &str = "random";
/// Folders are searched so deep.
const DEPTH: usize = 8;

/// A pre-training run.
#[derive(Clone, Debug)]
pub struct Run {
    pub path: PathBuf,
    pub setting: Setting,
    pub seed: u64,
    /// Steps of its epoch, where it has logged any.
    pub steps_per_epoch: f64,
    /// Epoch and loss of the logged steps.
    pub losses: Vec<(f64, f64)>,
    /// Epoch and kNN accuracy of the probes during the run.
    pub probes: Vec<(f64, f64)>,
    /// Final kNN and linear accuracy of the trained encoder, by the run's own comparison.
    pub table: [Option<f64>; 2],
    /// Whether it came to its end.
    pub done: bool,
    pub evaluations: Vec<Evaluation>,
}

/// What was measured of a checkpoint.
#[derive(Clone, Debug)]
pub struct Evaluation {
    pub result: Found,
    /// The anchor to whose norms the weights were rescaled, or [`RANDOM`].
    pub anchor: Option<String>,
}

/// A `result.json`. Keys that a report does not need are ignored.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Found {
    /// `knn`, `linear-eval`, `finetune`, `detect` or `segment`.
    pub task: String,
    pub preset: Option<String>,
    /// Of detection and segmentation.
    pub recipe: Option<String>,
    /// None of random ones.
    pub weights: Option<String>,
    pub step: Option<u64>,
    pub epoch: Option<f64>,
    pub seed: Option<u64>,
    pub classes: Vec<String>,
    /// Percent.
    pub top1: Option<f64>,
    pub top5: Option<f64>,
    pub best_top1: Option<f64>,
    /// Test images by true and predicted class.
    pub confusion: Option<Vec<Vec<f64>>>,
    /// Of detection and segmentation, by benchmark.
    pub scores: Value,
}

/// The runs in folders of runs, evaluations and studies, by path.
///
/// # Errors
/// When a folder is missing, holds none of them, or a file cannot be read.
pub fn runs(folders: &[PathBuf]) -> Result<Vec<Run>> {
    let mut runs: Vec<Run> = Vec::new();
    let mut results = Vec::new();
    for folder in folders {
        if !folder.is_dir() {
            let message = format!("{} is no folder of a run or a study", folder.display());
            return Err(BadArgument(message).into());
        }
        let (mut found, mut files) = (Vec::new(), Vec::new());
        walk(folder, DEPTH, &mut found, &mut files)?;
        if found.is_empty() && files.is_empty() {
            let message = format!(
                "{} holds neither a run ({RECIPE_FILE}) nor an evaluation ({RESULT})",
                folder.display()
            );
            return Err(BadArgument(message).into());
        }
        found.retain(|path| runs.iter().all(|run| run.path != *path));
        for path in found {
            runs.push(Run::read(&path)?);
        }
        results.extend(files);
    }
    results.sort();
    results.dedup();
    for file in results {
        let evaluation = Evaluation::read(&file)?;
        let owner = evaluation.owner(&file);
        let at = match runs
            .iter()
            .position(|run| Some(&run.path) == owner.as_ref())
        {
            Some(at) => at,
            None => {
                runs.push(match owner {
                    // Not its losses: only folders that were asked for are drawn.
                    Some(path) => Run {
                        losses: Vec::new(),
                        probes: Vec::new(),
                        ..Run::read(&path)?
                    },
                    None => Run::unknown(&evaluation),
                });
                runs.len() - 1
            }
        };
        runs[at].evaluations.push(evaluation);
    }
    runs.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(runs)
}

/// Finds folders of runs and results of evaluations.
fn walk(
    folder: &Path,
    depth: usize,
    runs: &mut Vec<PathBuf>,
    results: &mut Vec<PathBuf>,
) -> Result<()> {
    if is_run(folder) {
        runs.push(folder.to_path_buf());
    }
    if folder.join(RESULT).is_file() {
        results.push(folder.join(RESULT));
    }
    if depth == 0 {
        return Ok(());
    }
    let entries =
        fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let mut folders: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir() && !path.ends_with("checkpoints"));
    folders.sort();
    folders
        .iter()
        .try_for_each(|folder| walk(folder, depth - 1, runs, results))
}

/// Whether a folder is that of a pre-training run. A checkpoint has a recipe, too, but no events; a detector has both, and settings
/// of its own.
fn is_run(folder: &Path) -> bool {
    let has = |name: &str| folder.join(name).is_file();
    has(RECIPE_FILE) && has(EVENTS) && !has(SETTINGS)
}

impl Run {
    fn read(path: &Path) -> Result<Self> {
        let recipe = path.join(RECIPE_FILE);
        let text = read(&recipe)?;
        let table = text.parse().with_context(|| recipe.display().to_string())?;
        let mut run = Self {
            path: path.to_path_buf(),
            seed: Setting::seed_of(&table),
            setting: Setting::of(&table),
            ..Self::empty()
        };
        // The last line may be half written.
        let events = read(&path.join(EVENTS))?;
        let events = events
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut knn = Vec::new();
        for event in events {
            let number = |key: &str| event[key].as_f64();
            match (event["event"].as_str(), number("step")) {
                (Some("step"), Some(step)) => {
                    let (Some(epoch), Some(loss)) = (number("epoch"), number("loss")) else {
                        continue;
                    };
                    if epoch > 0.0 {
                        run.steps_per_epoch = step / epoch;
                    }
                    run.losses.push((epoch, loss));
                }
                (Some("probe"), Some(step)) => knn.extend(number("knn").map(|knn| (step, knn))),
                (Some("done"), Some(_)) => {
                    run.done = true;
                    let rows = event["table"].as_array();
                    let trained = |row: &&Value| row["encoder"] == "trained";
                    if let Some(row) = rows.and_then(|rows| rows.iter().find(trained)) {
                        run.table = ["knn", "linear"].map(|key| row[key].as_f64());
                    }
                }
                _ => {}
            }
        }
        let epochs = knn
            .into_iter()
            .map(|(step, knn)| (step / run.steps_per_epoch, knn));
        run.probes = epochs.filter(|(epoch, _)| epoch.is_finite()).collect();
        Ok(run)
    }

    /// The run of an evaluation whose weights do not say where they come from.
    fn unknown(evaluation: &Evaluation) -> Self {
        let weights = evaluation.result.weights.as_deref().unwrap_or(RANDOM);
        Self {
            path: PathBuf::from(weights),
            setting: Setting::unknown(weights),
            seed: evaluation.result.seed.unwrap_or_default(),
            done: true,
            ..Self::empty()
        }
    }

    fn empty() -> Self {
        Self {
            path: PathBuf::new(),
            setting: Setting::default(),
            seed: 0,
            steps_per_epoch: f64::NAN,
            losses: Vec::new(),
            probes: Vec::new(),
            table: [None; 2],
            done: false,
            evaluations: Vec::new(),
        }
    }

    /// The epoch of an evaluation's checkpoint; none where it is unknown.
    pub fn epoch(&self, found: &Found) -> Option<f64> {
        let by_step = || found.step.map(|step| step as f64 / self.steps_per_epoch);
        found
            .epoch
            .or_else(by_step)
            .filter(|epoch| epoch.is_finite())
    }
}

impl Evaluation {
    fn read(file: &Path) -> Result<Self> {
        let mut result: Found = serde_json::from_str(&read(file)?)
            .with_context(|| format!("{} is no result of an evaluation", file.display()))?;
        if result.scores.is_object() {
            // The steps of a detector are not those of its backbone.
            result.step = None;
        }
        let anchor = match result.weights.as_deref().map(Path::new) {
            None => Some(RANDOM.to_string()),
            Some(weights) => {
                let parent = weights.parent();
                let rescaled = parent.is_some_and(|parent| parent.ends_with(RESCALED));
                let stem = weights.file_stem().filter(|_| rescaled);
                stem.map(|stem| stem.to_string_lossy().into_owned())
            }
        };
        Ok(Self { result, anchor })
    }

    /// The folder of the run that was evaluated: the one that the result lies in, or else its weights.
    fn owner(&self, file: &Path) -> Option<PathBuf> {
        let above = |path: &Path| {
            let mut folders = path.ancestors();
            folders.find(|path| is_run(path)).map(Path::to_path_buf)
        };
        above(file).or_else(|| above(Path::new(self.result.weights.as_ref()?)))
    }
}

fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))
}
