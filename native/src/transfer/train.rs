//! A training: its folder, its reports, its result.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use anyhow::Result;
use burn::tensor::Device;
use parallax_train::{Checkpoint, Event};
use parallax_transfer::{TransferRun, weights};
use parallax_weights::Branch;
use serde_json::{Value, json};

use super::arguments::Trained;
use super::kind::FOUND;
use super::network::weight_file;
use super::settings::{SETTINGS, Settings};
use super::task::TransferTask;
use super::{Kind, recipe};
use crate::device::{self, Opened};
use crate::progress::Lines;
use crate::run_folder::{RunFolder, free_folder, last_folder};
use crate::session::{Ended, Report, carry_out};
use crate::stop::stop_on_ctrl_c;
use crate::usage::BadArgument;
use crate::whole::read_given;

/// The file with the result.
pub const RESULT: &str = "result.json";
/// Lines of progress of a run, where there is no terminal for a bar.
const LINES: u64 = 50;

/// A folder, what its run depends on, and where it goes on from.
struct Begun {
    folder: RunFolder,
    settings: Settings,
    checkpoint: Option<Checkpoint>,
}

/// Trains, saves and evaluates.
pub fn train<K: Kind>(arguments: &Trained) -> Result<()> {
    let settings = match arguments.resume {
        true => None,
        false => Some(new_settings::<K>(arguments)?),
    };
    let opened = device::open(&arguments.on.device)?;
    let (settings, begun) = match settings {
        Some(settings) => (settings, None),
        None => {
            let begun = resume::<K>(arguments)?;
            (begun.settings.clone(), Some(begun))
        }
    };
    let kind = K::open(&settings.recipe, &settings.train, &settings.test)?;
    let classes = kind.classes().len();
    if classes != settings.recipe.model.classes {
        let message = format!(
            "{} has {classes} classes, the recipe's model {}: --set model.classes={classes}",
            settings.train, settings.recipe.model.classes
        );
        return Err(BadArgument(message).into());
    }
    let fresh = begun
        .as_ref()
        .is_none_or(|begun| begun.checkpoint.is_none());
    let run = network::<K>(&settings, fresh, &opened.device.clone().autodiff())?;
    let begun = match begun {
        Some(begun) => begun,
        None => begin(arguments, settings)?,
    };
    let stop = stop_on_ctrl_c()?;
    carry(kind, run, begun, &opened, arguments, stop)
}

fn new_settings<K: Kind>(arguments: &Trained) -> Result<Settings> {
    let name = arguments.recipe.as_deref().unwrap_or_default();
    let (recipe, note) = recipe::read(name, &arguments.overrides)?;
    K::check(&recipe)?;
    if let Some(note) = note {
        eprintln!("{note}");
    }
    Settings::of(K::NAME, arguments, recipe)
}

fn resume<K: Kind>(arguments: &Trained) -> Result<Begun> {
    let name = arguments.recipe.as_deref().map(crate::recipe::short_name);
    let last = || last_folder(name?, SETTINGS);
    let path = arguments.out.clone().or_else(last).ok_or_else(|| {
        BadArgument("name the run's folder by --out, or its recipe by --recipe".to_string())
    })?;
    if !path.join(SETTINGS).is_file() {
        let message = format!("{} holds no run to resume", path.display());
        return Err(BadArgument(message).into());
    }
    let mut folder = RunFolder::open(&path)?;
    let settings = Settings::resumed(&folder.read(SETTINGS)?, K::NAME, arguments)?;
    let checkpoint = folder.newest()?;
    folder.rewind_events(checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step))?;
    Ok(Begun {
        folder,
        settings,
        checkpoint,
    })
}

fn begin(arguments: &Trained, settings: Settings) -> Result<Begun> {
    let path: PathBuf = match &arguments.out {
        Some(path) => path.clone(),
        None => free_folder(crate::recipe::short_name(&settings.name)),
    };
    let folder = RunFolder::create(&path, SETTINGS, &settings.text()?)?;
    folder.write("recipe.toml", settings.recipe.to_toml()?.as_bytes())?;
    Ok(Begun {
        folder,
        settings,
        checkpoint: None,
    })
}

/// A run whose network has the weights that the settings name, if it is new.
fn network<K: Kind>(
    settings: &Settings,
    fresh: bool,
    device: &Device,
) -> Result<TransferRun<K::Model>> {
    let (mut model, plan) = K::model(&settings.recipe, device)?;
    match &settings.weights {
        Some(name) if fresh => {
            let path = weight_file(name.as_ref());
            let file = path.display().to_string();
            let branch = match settings.branch.as_deref() {
                Some("target") => Some(Branch::Target),
                Some(_) => Some(Branch::Online),
                None => None,
            };
            let (loaded, report) =
                weights::load_backbone(model, &file, &read_given(&path)?, branch)?;
            anyhow::ensure!(
                !report.taken.is_empty(),
                "{file} has no tensor of this model: {} and others are missing",
                report.fresh.first().map_or("all", String::as_str)
            );
            model = loaded;
            eprintln!(
                "{} tensors from {file}, {} new ones",
                report.taken.len(),
                report.fresh.len()
            );
        }
        None if fresh => eprintln!("note: without --weights the backbone begins with random ones"),
        _ => {}
    }
    Ok(TransferRun::new(
        settings.recipe.clone(),
        (model, plan),
        device,
    ))
}

fn carry<K: Kind>(
    kind: K,
    run: TransferRun<K::Model>,
    begun: Begun,
    opened: &Opened,
    arguments: &Trained,
    stop: Arc<AtomicBool>,
) -> Result<()> {
    let began = Instant::now();
    let Begun {
        folder,
        settings,
        checkpoint,
    } = begun;
    let [examples, tests] = kind.counts();
    let record = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "task": settings.task,
        "recipe": settings.name,
        "weights": settings.weights,
        "train": settings.train,
        "test": settings.test,
        "classes": kind.classes(),
        "examples": examples,
        "test_images": tests,
        "seed": settings.recipe.run.seed,
        "device": opened.name,
        "adapter": opened.adapter,
        "kernels": opened.kernels,
        "total_steps": settings.recipe.run.total_steps,
    });
    folder.write("run.json", &serde_json::to_vec_pretty(&record)?)?;
    let threads = device::loader_threads(arguments.loader_threads);
    let mut task = TransferTask::new(kind, run, checkpoint.as_ref(), threads, Arc::clone(&stop))?;
    // Its tensors are the task's now.
    drop(checkpoint);
    let (step, total) = (
        crate::session::Task::step_index(&task),
        settings.recipe.run.total_steps,
    );
    let lines = Lines::Steps((total / LINES).clamp(1, 100));
    let mut report = Report::new(folder, [step, total], lines, arguments.json)?;
    report.progress.say(&format!(
        "{} on {} ({}), {examples} images, {total} steps, run in {}",
        settings.name,
        opened.name,
        opened.adapter,
        report.folder.path().display()
    ));
    report.started([step, total], examples, opened)?;
    let driver = task.driver();
    if carry_out(&mut task, driver, &mut report, &stop)? == Ended::Suspended {
        return Ok(());
    }
    let Some(evaluation) = task.evaluation.take() else {
        report.emit(&Event::Stop { step: total })?;
        let path = report.folder.path().display();
        eprintln!("stopped before its evaluation; continue with --resume --out {path}");
        return Ok(());
    };
    evaluation.write(&report.folder.path().join(FOUND))?;
    let result = result(&record, total, &evaluation.scored, began)?;
    let mut text = serde_json::to_vec(&result)?;
    text.push(b'\n');
    report.folder.write(RESULT, &text)?;
    let table = Vec::new();
    report.emit(&Event::Done { step: total, table })?;
    report.progress.finish();
    if arguments.json {
        println!("{result}");
    } else {
        println!("\n{} images of {}, in percent\n", tests, settings.test);
        evaluation.scored.print();
        println!("\nrun: {}", report.folder.path().display());
    }
    Ok(())
}

/// What a run depends on, and its scores.
fn result(record: &Value, step: u64, scored: &super::Scored, began: Instant) -> Result<Value> {
    let mut result = record.clone();
    result["step"] = json!(step);
    result["scores"] = serde_json::to_value(scored)?;
    result["seconds"] = json!(began.elapsed().as_secs_f64());
    Ok(result)
}
