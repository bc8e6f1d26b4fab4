//! What evaluations would take.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use parallax_train::Recipe;

use super::finish;
use crate::data::{self, OnBadImage, Split};
use crate::study::file::{Evaluate, Task};
use crate::study::jobs::{of_run, options, recipe};

/// Images of the embedded sample that a short evaluation takes: few for its constant cost, all for its rate.
const FEW: [usize; 2] = [256, 64];
const ALL: [usize; 2] = [2000, 500];
/// A short evaluation that takes longer tells the rate well enough alone.
const LONG: f64 = 20.0;
/// Steps of short trainings of a model of another task.
const SHORT: [usize; 2] = [4, 12];

/// Seconds of an evaluation of a kind of run: a constant, and those of each image.
#[derive(Clone, Copy)]
pub struct Cost([f64; 2]);

impl Cost {
    /// Times short evaluations of a run.
    pub fn measured(
        evaluate: &Evaluate,
        recipe: &Recipe,
        run: &Path,
        device: &str,
    ) -> Result<Self> {
        eprintln!("timing {}", evaluate.name);
        if evaluate.task.is_transfer() {
            return Ok(Self([transfer(evaluate, recipe, run, device)?, 0.0]));
        }
        let few = timed(evaluate, run, device, FEW)?;
        let passes = |[train, test]: [usize; 2]| (train + test) as f64;
        if few > LONG {
            return Ok(Self([0.0, few / passes(FEW)]));
        }
        let all = timed(evaluate, run, device, ALL)?;
        let rate = ((all - few) / (passes(ALL) - passes(FEW))).max(0.0);
        Ok(Self([(few - rate * passes(FEW)).max(0.0), rate]))
    }

    /// Seconds of an evaluation with so many training and test images.
    pub fn seconds(&self, evaluate: &Evaluate, images: [usize; 2]) -> f64 {
        let Self([constant, rate]) = self;
        constant + rate * passes(evaluate, images)
    }
}

/// Seconds of a training of another task: those of a short one with its evaluation, and of the steps that it lacks.
fn transfer(evaluate: &Evaluate, of: &Recipe, run: &Path, device: &str) -> Result<f64> {
    let steps = recipe(evaluate, of)?.run.total_steps as f64;
    let time = |steps: usize| -> Result<f64> {
        let out = run.with_extension(format!("{}-{steps}", evaluate.name));
        let words = evaluate.task.command().iter().map(ToString::to_string);
        let given = ["--weights".to_string(), run.display().to_string()];
        let own = [
            format!("--device={device}"),
            format!("--out={}", out.display()),
            format!("--set=run.total_steps={steps}"),
            "--set=schedule.warmup_steps=1".to_string(),
            "--set=schedule.milestones=[]".to_string(),
        ];
        let network = of_run(of).into_iter().map(|text| format!("--set={text}"));
        let words = words.chain(given).chain(network);
        let words: Vec<String> = words.chain(options(evaluate)).chain(own).collect();
        let began = Instant::now();
        finish(&words, &out.with_extension("logs"))?;
        Ok(began.elapsed().as_secs_f64())
    };
    let [few, more] = [time(SHORT[0])?, time(SHORT[1])?];
    let step = ((more - few) / (SHORT[1] - SHORT[0]) as f64).max(0.0);
    Ok(few + step * (steps - SHORT[0] as f64).max(0.0))
}

/// The numbers of training and test images that an evaluation names; none where they are the run's own.
pub struct Given([Option<usize>; 2]);

impl Given {
    /// By the options of an evaluation.
    pub fn of_options(evaluate: &Evaluate) -> Result<Self> {
        if evaluate.task.is_transfer() {
            return Ok(Self([None; 2]));
        }
        let count = |key: &str, split| {
            let source = evaluate.given(key).next();
            let source = source.map(|source| data::open(&source, split, OnBadImage::Error));
            Ok::<_, anyhow::Error>(source.transpose()?.map(|source| source.len()))
        };
        Ok(Self([
            count("train", Split::Train)?,
            count("test", Split::Test)?,
        ]))
    }

    /// The numbers for a run with these.
    pub fn of(&self, own: [usize; 2]) -> [usize; 2] {
        [self.0[0].unwrap_or(own[0]), self.0[1].unwrap_or(own[1])]
    }
}

/// Images that an evaluation takes through the network.
fn passes(evaluate: &Evaluate, [train, test]: [usize; 2]) -> f64 {
    let given = |key: &str| evaluate.given(key).next().unwrap_or_default();
    let number = |key: &str| given(key).parse::<f64>().ok();
    let (train, test) = (train as f64, test as f64);
    let large_norm = given("preset").starts_with("large-norm");
    let (epochs, every) = match (evaluate.task, large_norm) {
        (Task::Knn, _) => (1.0, 1.0),
        (Task::LinearEval, false) => (100.0, 20.0),
        (Task::LinearEval, true) => (80.0, 20.0),
        (Task::Finetune, _) => (24.0, 4.0),
        (Task::Detect | Task::Segment, _) => return 0.0,
    };
    let epochs = number("epochs").unwrap_or(epochs);
    let every = number("eval-every")
        .filter(|every| *every > 0.0)
        .unwrap_or(every);
    match (evaluate.task, given("augment") == "none") {
        // Features are computed once.
        (Task::LinearEval, true) => train + test,
        (Task::LinearEval, false) => epochs * train + test,
        _ => epochs * train + (epochs / every).ceil() * test,
    }
}

/// Seconds of one evaluation of so many training and test images of the sample, one epoch.
fn timed(evaluate: &Evaluate, run: &Path, device: &str, images: [usize; 2]) -> Result<f64> {
    let place = run.with_extension(format!("{}-{}", evaluate.name, images[0]));
    fs::create_dir_all(&place)?;
    let list = |split: &str, images: usize| -> Result<String> {
        let path: PathBuf = place.join(format!("{split}.txt"));
        let lines = (0..images)
            .map(|index| format!("{index}\n"))
            .collect::<String>();
        fs::write(
            &path,
            format!("# parallax list: split={split} source=sample\n{lines}"),
        )?;
        Ok(format!("list:{}", path.display()))
    };
    let mut words: Vec<String> = evaluate
        .task
        .command()
        .iter()
        .map(ToString::to_string)
        .collect();
    words.extend([
        "--weights".to_string(),
        run.display().to_string(),
        "--device".to_string(),
        device.to_string(),
        "--json".to_string(),
    ]);
    words.extend(["--train".to_string(), list("train", images[0])?]);
    words.extend(["--test".to_string(), list("test", images[1])?]);
    let own = [
        "--train=",
        "--test=",
        "--epochs=",
        "--batch-size=",
        "--milestones=",
        "--every",
    ];
    words.extend(options(evaluate).filter(|option| own.iter().all(|own| !option.starts_with(own))));
    if evaluate.task != Task::Knn {
        let out = place.join("out").display().to_string();
        words.extend(["--epochs=1", "--batch-size=64", "--out"].map(str::to_string));
        words.push(out);
    }
    let began = Instant::now();
    finish(&words, &place)?;
    Ok(began.elapsed().as_secs_f64())
}
