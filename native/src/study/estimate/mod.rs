//! What a study would take: steps, hours and disk, from short runs of each kind.

mod evaluation;

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use anyhow::{Context as _, Result, bail};
use parallax_train::{CheckpointSection, DataShape, ProbeSection, Recipe, RunSection};
use serde_json::{Value, json};

use super::Study;
use super::child::{self, Ended};
use super::file::Evaluate;
use super::jobs::Job;
use super::plan::{Plan, PlannedRun};
use super::progress::duration;
use crate::data::OnBadImage;
use crate::sources::Sources;
use evaluation::{Cost, Given};

/// Steps of a short run, and those at its beginning that are not timed.
const STEPS: usize = 10;
const FIRST: usize = 3;

/// Runs of one kind: they differ in length, seed and data alone.
struct Kind {
    name: String,
    recipe: Recipe,
    runs: Vec<usize>,
    /// Steps of all its runs.
    steps: u64,
    checkpoints: u64,
    seconds_per_step: f64,
    /// Bytes of a checkpoint.
    checkpoint: u64,
}

/// What is to be printed of a row.
struct Row {
    name: String,
    count: usize,
    steps: Option<u64>,
    seconds: f64,
    bytes: u64,
}

/// Prints the estimate.
pub fn print(plan: &Plan, title: &str, arguments: &Study) -> Result<()> {
    let place = std::env::temp_dir().join(format!("parallax-dry-run-{}", std::process::id()));
    let rows = measure(plan, &place, &arguments.device);
    let _ = fs::remove_dir_all(&place);
    let rows = rows?;
    let seconds: f64 = rows.iter().map(|row| row.seconds).sum();
    let bytes: u64 = rows.iter().map(|row| row.bytes).sum();
    if arguments.json {
        let kinds = rows.iter().map(|row| {
            json!({ "kind": row.name, "count": row.count, "steps": row.steps, "seconds": row.seconds, "bytes": row.bytes })
        });
        let kinds: Vec<Value> = kinds.collect();
        println!(
            "{}",
            json!({ "kinds": kinds, "runs": plan.runs.len(), "seconds": seconds, "bytes": bytes })
        );
        return Ok(());
    }
    println!(
        "{title}\n\n{:<32} {:>6} {:>12} {:>10} {:>10}",
        "", "count", "steps", "time", "disk"
    );
    for row in &rows {
        let steps = row.steps.map(|steps| steps.to_string()).unwrap_or_default();
        let (time, disk) = (duration(row.seconds), size(row.bytes));
        println!(
            "{:<32} {:>6} {steps:>12} {time:>10} {disk:>10}",
            row.name, row.count
        );
    }
    let steps: u64 = rows.iter().filter_map(|row| row.steps).sum();
    let (time, disk) = (duration(seconds), size(bytes));
    println!(
        "{:<32} {:>6} {steps:>12} {time:>10} {disk:>10}",
        "together",
        plan.jobs.len()
    );
    println!(
        "\nTimed on {} by short runs, without the probes during runs.",
        arguments.device
    );
    Ok(())
}

fn measure(plan: &Plan, place: &Path, device: &str) -> Result<Vec<Row>> {
    fs::create_dir_all(place).with_context(|| format!("{} cannot be made", place.display()))?;
    let mut kinds: Vec<Kind> = Vec::new();
    let mut counted: Vec<(Recipe, Images)> = Vec::new();
    let mut images = Vec::new();
    for (at, run) in plan.runs.iter().enumerate() {
        let (train, [bank, test]) = count(&mut counted, &run.recipe)?;
        images.push([bank, test]);
        let steps = run.recipe.total_steps(train);
        let interval = run.recipe.checkpoint_interval(train);
        let checkpoints = interval.map_or(1, |interval| steps.div_ceil(interval));
        let kind = match kinds
            .iter()
            .position(|kind| kind.recipe == of_kind(&run.recipe))
        {
            Some(kind) => kind,
            None => {
                kinds.push(Kind::measured(run, kinds.len(), place, device)?);
                kinds.len() - 1
            }
        };
        let kind = &mut kinds[kind];
        kind.runs.push(at);
        kind.steps += steps;
        kind.checkpoints += checkpoints;
    }
    let mut rows: Vec<Row> = kinds
        .iter()
        .map(|kind| Row {
            name: kind.name.clone(),
            count: kind.runs.len(),
            steps: Some(kind.steps),
            seconds: kind.steps as f64 * kind.seconds_per_step,
            bytes: kind.checkpoints * kind.checkpoint,
        })
        .collect();
    for (at, evaluate) in plan.evaluations.iter().enumerate() {
        rows.push(evaluations(
            plan, at, evaluate, &kinds, &images, place, device,
        )?);
    }
    Ok(rows)
}

/// The jobs of one evaluation.
fn evaluations(
    plan: &Plan,
    at: usize,
    evaluate: &Evaluate,
    kinds: &[Kind],
    images: &[[usize; 2]],
    place: &Path,
    device: &str,
) -> Result<Row> {
    let mut row = Row {
        name: evaluate.name.clone(),
        count: 0,
        steps: None,
        seconds: 0.0,
        bytes: 0,
    };
    let given = Given::of_options(evaluate)?;
    for (number, kind) in kinds.iter().enumerate() {
        let is_own = |job: &&Job| job.evaluates(at) && kind.runs.contains(&job.run);
        let own: Vec<_> = plan.jobs.iter().filter(is_own).collect();
        if own.is_empty() {
            continue;
        }
        let cost = Cost::measured(
            evaluate,
            &kind.recipe,
            &place.join(number.to_string()),
            device,
        )?;
        let times = match evaluate.every {
            true => kind.checkpoints.div_ceil(kind.runs.len() as u64) as f64,
            false => 1.0,
        };
        for job in own {
            row.seconds += times * cost.seconds(evaluate, given.of(images[job.run]));
            row.count += 1;
        }
    }
    Ok(row)
}

impl Kind {
    /// Times the steps of a short run.
    fn measured(run: &PlannedRun, number: usize, place: &Path, device: &str) -> Result<Self> {
        eprintln!("timing {STEPS} steps of {}", run.name);
        let out = place.join(number.to_string());
        let mut words = vec![
            "pretrain".to_string(),
            run.recipe_name.clone(),
            "--device".to_string(),
        ];
        words.extend([
            device.to_string(),
            "--out".to_string(),
            out.display().to_string(),
        ]);
        let short = [
            format!("run.total_steps={STEPS}"),
            "schedule.warmup_steps=1".to_string(),
            "probe.knn_every=0".to_string(),
            "probe.table=false".to_string(),
            "checkpoint.every=0".to_string(),
        ];
        for text in run.overrides.iter().chain(&short) {
            words.extend(["--set".to_string(), text.clone()]);
        }
        finish(&words, place)?;
        let events = fs::read_to_string(out.join("events.jsonl"))?;
        let steps = events
            .lines()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let batch = run.recipe.run.batch_size as f64;
        let times = steps.filter_map(|event| Some(batch / event["images_per_second"].as_f64()?));
        let mut times: Vec<f64> = times.skip(FIRST).collect();
        times.sort_by(f64::total_cmp);
        let Some(median) = times.get(times.len() / 2) else {
            bail!("the short run of {} logged no steps", run.name);
        };
        Ok(Self {
            name: run.recipe_name.clone(),
            recipe: of_kind(&run.recipe),
            runs: Vec::new(),
            steps: 0,
            checkpoints: 0,
            seconds_per_step: *median,
            checkpoint: bytes(&out.join("checkpoints")),
        })
    }
}

/// A recipe without what makes no difference to the time of a step.
fn of_kind(recipe: &Recipe) -> Recipe {
    let run = RunSection {
        epochs: 1,
        total_steps: None,
        seed: 0,
        ..recipe.run.clone()
    };
    let mut kind = recipe.clone();
    kind.run = run;
    (kind.data.class_ratio, kind.checkpoint) = (1.0, CheckpointSection::default());
    kind.probe = ProbeSection {
        online: recipe.probe.online,
        ..ProbeSection::default()
    };
    kind
}

/// What is trained on, and the numbers of labelled images and of test images.
type Images = (DataShape, [usize; 2]);

/// The images of a recipe.
fn count(counted: &mut Vec<(Recipe, Images)>, recipe: &Recipe) -> Result<Images> {
    let same = |other: &Recipe| other.data == recipe.data;
    if let Some((_, found)) = counted.iter().find(|(other, _)| same(other)) {
        return Ok(*found);
    }
    let sources = Sources::open(recipe, OnBadImage::Error)?;
    let train = DataShape::of(sources.train.as_ref());
    let found = (train, [sources.bank.len(), sources.test.len()]);
    counted.push((recipe.clone(), found));
    Ok(found)
}

/// Runs a command to its end.
fn finish(words: &[String], place: &Path) -> Result<()> {
    let never = AtomicBool::new(false);
    match child::run(words, &place.join("log.txt"), true, &never, &|_| {})? {
        Ended::Well(_) => Ok(()),
        Ended::Failed(message) => bail!("{}: {message}", words.join(" ")),
        Ended::Stopped => bail!("stopped"),
    }
}

/// Bytes of all files in a folder.
fn bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    sizes.sum()
}

fn size(bytes: u64) -> String {
    match bytes as f64 {
        0.0 => String::new(),
        b if b < 1e9 => format!("{:.0} MB", (b / 1e6).ceil()),
        b => format!("{:.1} GB", b / 1e9),
    }
}
