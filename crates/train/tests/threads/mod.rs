//! Runs whose ranks are threads of this process.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use burn::tensor::{Device, FloatDType};
use parallax_data::{Source, sample};
use parallax_ranks::{Ranks, threads};
use parallax_train::{Checkpoint, DataShape, Loader, Recipe, Run, TRAINING_FILE, WEIGHTS_FILE};
use pollster::block_on;

/// Every system of the paper, with one BN group for each of so many ranks.
pub const SYSTEMS: [(&str, &[&str]); 8] = [
    ("supervised", &[]),
    ("moco-v1", &[]),
    ("moco-v2", &[]),
    ("moco-v2-plus", &[]),
    ("s-moco-v2-plus", &[]),
    (
        "moco-v2-plus",
        &["optimizer.name=lars", "method.bn=plainsync"],
    ),
    ("byol", &[]),
    ("byol", &["optimizer.name=lars"]),
];

/// A tiny run on the embedded images, eight a step.
pub fn recipe(method: &str, overrides: &[&str]) -> Recipe {
    let text = format!(
        "[method]\nname = '{method}'\nhidden = 8\nqueue = 20\n\
         [run]\ntotal_steps = 10\nbatch_size = 8\n[schedule]\nwarmup_steps = 2\n\
         [model]\narch = 'tiny'\nstem = 'cifar'\nwidth = 4\n[views]\nsize = 8\n\
         [probe]\nonline_lr = 0.5"
    );
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_string()).collect();
    Recipe::parse(&text, &overrides).unwrap()
}

/// What a run leaves.
#[derive(Clone, Debug, PartialEq)]
pub struct Ended {
    pub losses: Vec<f64>,
    pub online: Vec<f64>,
    pub spread: Vec<f32>,
    pub tensors: [Vec<u8>; 2],
    pub checkpoint: Checkpoint,
}

fn source() -> Arc<dyn Source> {
    Arc::new(sample::test().unwrap())
}

/// Steps of a run, from a checkpoint or from its beginning, with the batches of its own loader.
pub fn steps(recipe: &Recipe, from: Option<&Checkpoint>, count: u64, ranks: Ranks) -> Ended {
    let (device, source) = (Device::flex(), source());
    let data = DataShape::of(source.as_ref());
    let mut run = match from {
        Some(checkpoint) => Run::resume_on(checkpoint, data, &device, ranks).unwrap(),
        None => Run::on(recipe.clone(), data, &device, ranks).unwrap(),
    };
    let loader = Loader::new(recipe, source, &device).unwrap();
    let loader = loader.on(recipe, ranks).unwrap();
    let (mut losses, mut online, mut spread) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let report = block_on(run.step(loader.load(run.step_index()).unwrap())).unwrap();
        losses.push(report.loss);
        online.extend(report.online.map(|online| online.loss));
        spread.push(report.embedding_std);
    }
    // A file holds f32.
    let double = device.settings().float_dtype == FloatDType::F64;
    let checkpoint = match double {
        true => Checkpoint {
            step: count,
            files: Vec::new(),
        },
        false => block_on(run.checkpoint()).unwrap(),
    };
    let tensors = [WEIGHTS_FILE, TRAINING_FILE];
    Ended {
        losses,
        online,
        spread,
        tensors: tensors.map(|name| checkpoint.file(name).unwrap_or_default().to_vec()),
        checkpoint,
    }
}

/// The same by `size` ranks: what each of them has.
pub fn distributed(
    recipe: &Recipe,
    from: Option<&Checkpoint>,
    count: u64,
    size: usize,
) -> Vec<Ended> {
    on_each(size, |ranks| steps(recipe, from, count, ranks))
}

/// Runs a function on every rank; its results in rank order. A rank that fails ends the process: others would wait for it.
pub fn on_each<R: Send>(size: usize, run: impl Fn(Ranks) -> R + Sync) -> Vec<R> {
    std::thread::scope(|scope| {
        let start = |ranks: Ranks| {
            let run = &run;
            scope.spawn(move || {
                let done = catch_unwind(AssertUnwindSafe(|| run(ranks)));
                done.unwrap_or_else(|_| std::process::abort())
            })
        };
        let started: Vec<_> = threads::ranks(size).into_iter().map(start).collect();
        started.into_iter().map(|t| t.join().unwrap()).collect()
    })
}

/// Every system on 2 and 4 ranks beside one process with as many BN groups: the largest relative difference of a loss must be
/// below `tolerance`.
pub fn systems_equal_one_process(tolerance: f64) {
    for size in [2, 4] {
        for (method, overrides) in SYSTEMS {
            let groups = format!("method.bn_groups={size}");
            let online = "probe.online=true";
            let recipe = recipe(method, &[overrides, &[&groups, online]].concat());
            let one = steps(&recipe, None, 10, Ranks::ONE);
            let all = distributed(&recipe, None, 10, size);
            let same = |own: &Ended| own == &all[0];
            assert!(all.iter().all(same), "{method} {overrides:?}: ranks differ");
            let near = |what: &str, found: &[f64], expected: &[f64], tolerance: f64| {
                assert_eq!((found.len(), expected.len()), (10, 10), "{method} {what}");
                for (step, (found, expected)) in found.iter().zip(expected).enumerate() {
                    let error = (found - expected).abs() / expected.abs();
                    assert!(
                        error < tolerance,
                        "{method} {overrides:?} on {size}, {what} at {step}: {found}, {expected}"
                    );
                }
            };
            near("loss", &all[0].losses, &one.losses, tolerance);
            near("online loss", &all[0].online, &one.online, tolerance);
            let wide = |spread: &[f32]| spread.iter().map(|&s| f64::from(s)).collect::<Vec<_>>();
            // Reported as f32.
            let rounded = tolerance.max(1e-6);
            near("spread", &wide(&all[0].spread), &wide(&one.spread), rounded);
        }
    }
}
