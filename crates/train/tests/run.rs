//! Runs of every system: resume at every step, divergence, gradient accumulation, the online classifier.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use burn::tensor::{Device, Tensor};
use parallax_train::{
    Batch, BatchViews, Checkpoint, Classifier, Curve, DataShape, Recipe, Run, RunError, Sgd,
    TRAINING_FILE, WEIGHTS_FILE, shuffle_order,
};
use parallax_weights::WeightFile;
use pollster::block_on;

/// Labels and overrides of the paper's systems.
const SYSTEMS: [(&str, &[&str]); 8] = [
    ("supervised", &["method.bn_groups=2"]),
    ("moco-v1", &["method.bn_groups=2"]),
    ("moco-v2", &["method.bn_groups=4", "run.accumulate=2"]),
    ("moco-v2-plus", &["method.bn_groups=2"]),
    ("s-moco-v2-plus", &[]),
    (
        "moco-v2-plus",
        &[
            "optimizer.name=lars",
            "method.bn=plainsync",
            "method.bn_groups=2",
        ],
    ),
    ("byol", &["run.accumulate=2"]),
    ("byol", &["optimizer.name=lars"]),
];

const DATA: DataShape = DataShape {
    examples: 16,
    classes: 3,
    targets: 3,
    full_examples: 32,
};
const SIDE: usize = 8;

fn recipe(method: &str, overrides: &[&str]) -> Recipe {
    let text = format!(
        "[method]\nname = '{method}'\nhidden = 8\nqueue = 20\n\
         [run]\ntotal_steps = 6\nbatch_size = 8\n[schedule]\nwarmup_steps = 2\n\
         [model]\narch = 'tiny'\nstem = 'cifar'\nwidth = 4\n[views]\nsize = {SIDE}\n\
         [probe]\nonline = true\nonline_lr = 0.5"
    );
    let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_string()).collect();
    Recipe::parse(&text, &overrides).unwrap()
}

fn batch(recipe: &Recipe, step: u64) -> Batch {
    let size = recipe.run.batch_size;
    let view = |phase: f32| {
        let value =
            |i: usize| (i as f32 * 0.7 + phase + step as f32).sin() + (i as f32 * 0.13).cos();
        (0..size * 3 * SIDE * SIDE).map(value).collect()
    };
    Batch {
        step,
        size,
        pixels: [SIDE; 2],
        views: BatchViews::Made(vec![view(0.0), view(0.4)]),
        labels: (0..size as u32).map(|place| place % 3).collect(),
        targets: None,
        enqueue_second: (0..recipe.method.bn_groups)
            .map(|group| (group as u64 + step).is_multiple_of(2))
            .collect(),
        order: shuffle_order(recipe.run.seed, step, size),
    }
}

fn new(recipe: &Recipe) -> Run {
    Run::new(recipe.clone(), DATA, &Device::flex()).unwrap()
}

fn steps(run: &mut Run, count: u64) -> Vec<f64> {
    let recipe = run.recipe().clone();
    let take = |_| {
        let batch = batch(&recipe, run.step_index());
        block_on(run.step(batch)).unwrap().loss
    };
    (0..count).map(take).collect()
}

fn tensors(checkpoint: &Checkpoint) -> [Vec<u8>; 2] {
    [WEIGHTS_FILE, TRAINING_FILE].map(|name| checkpoint.file(name).unwrap().to_vec())
}

#[test]
fn a_run_resumed_at_any_step_ends_with_the_same_bits() {
    for (method, overrides) in SYSTEMS {
        let recipe = recipe(method, overrides);
        let mut whole = new(&recipe);
        let mut losses = Vec::new();
        let mut saved = vec![block_on(whole.checkpoint()).unwrap()];
        for _ in 0..6 {
            losses.extend(steps(&mut whole, 1));
            saved.push(block_on(whole.checkpoint()).unwrap());
        }
        let end = tensors(&saved[6]);
        for (at, checkpoint) in saved.iter().enumerate() {
            let mut resumed = Run::resume(checkpoint, DATA, &Device::flex()).unwrap();
            assert_eq!(resumed.step_index(), at as u64);
            assert_eq!(steps(&mut resumed, 6 - at as u64), losses[at..]);
            let found = tensors(&block_on(resumed.checkpoint()).unwrap());
            assert!(found == end, "{method} {overrides:?} resumed at {at}");
        }
    }
}

#[test]
fn recomputed_blocks_give_the_same_bits() {
    let deep: &[&str] = &["model.arch=resnet50", "model.stem=small"];
    for (method, overrides) in SYSTEMS.into_iter().chain([("byol", deep)]) {
        let end = |recompute: &str| {
            let overrides = [overrides, &[recompute]].concat();
            let mut run = new(&recipe(method, &overrides));
            let losses = steps(&mut run, 3);
            let checkpoint = block_on(run.checkpoint()).unwrap();
            let tensors = [WEIGHTS_FILE, TRAINING_FILE].map(|name| {
                let file = WeightFile::from_bytes(name, checkpoint.file(name).unwrap());
                file.unwrap().tensors
            });
            (losses, tensors)
        };
        let (kept, recomputed) = (end("run.recompute=false"), end("run.recompute=true"));
        assert_eq!(kept.0, recomputed.0, "{method} {overrides:?}");
        assert!(kept.1 == recomputed.1, "{method} {overrides:?}");
    }
}

#[test]
fn a_resume_needs_the_same_data() {
    let mut run = new(&recipe("supervised", &[]));
    steps(&mut run, 1);
    let checkpoint = block_on(run.checkpoint()).unwrap();
    let other = DataShape { classes: 2, ..DATA };
    let error = Run::resume(&checkpoint, other, &Device::flex())
        .err()
        .unwrap();
    assert!(error.to_string().contains("of 3 classes"), "{error}");
}

#[test]
fn constant_iterations_count_epochs_over_the_full_data() {
    let epochs = |overrides: &[&str]| {
        let own = ["run.epochs=10", "checkpoint.every=2", "probe.knn_every=1"];
        let text = "[method]\nname = 'byol'\n[run]\nbatch_size = 8\n[schedule]\nwarmup_epochs = 3";
        let overrides = own.iter().chain(overrides).map(|text| (*text).to_string());
        Recipe::parse(text, &overrides.collect::<Vec<_>>()).unwrap()
    };
    let steps = |recipe: &Recipe| {
        (
            recipe.total_steps(DATA),
            recipe.schedule(DATA).curve,
            recipe.online_schedule(DATA).curve,
            recipe.checkpoint_interval(DATA),
            recipe
                .probe_intervals(DATA)
                .first()
                .map(|(_, steps)| *steps),
        )
    };
    let warmup = |warmup| Curve::WarmupCosine { warmup };
    let expected = |steps: u64| {
        let online = Curve::Steps([60 * steps, 80 * steps]);
        (
            10 * steps,
            warmup(3 * steps),
            online,
            Some(2 * steps),
            Some(steps),
        )
    };
    // Two steps are an epoch of the 16 images, four one of the 32 that they were drawn from.
    assert_eq!(steps(&epochs(&[])), expected(2));
    let constant = epochs(&["run.constant_iterations=true"]);
    assert_eq!(steps(&constant), expected(4));
    let given = epochs(&["run.constant_iterations=true", "run.total_steps=7"]);
    assert_eq!(given.total_steps(DATA), 7);
}

#[test]
fn constant_iterations_are_resumed_with_the_same_full_data() {
    let mut run = new(&recipe("byol", &["run.constant_iterations=true"]));
    steps(&mut run, 1);
    let checkpoint = block_on(run.checkpoint()).unwrap();
    assert!(Run::resume(&checkpoint, DATA, &Device::flex()).is_ok());
    let other = DataShape {
        full_examples: 64,
        ..DATA
    };
    let error = Run::resume(&checkpoint, other, &Device::flex());
    let error = error.err().unwrap().to_string();
    assert!(
        error.contains("part of 32 images") && error.contains("64"),
        "{error}"
    );
}

#[test]
fn a_diverged_step_leaves_the_run_as_it_was() {
    for (method, overrides) in SYSTEMS {
        let recipe = recipe(method, overrides);
        let mut run = new(&recipe);
        steps(&mut run, 2);
        let before = tensors(&block_on(run.checkpoint()).unwrap());
        let mut broken = batch(&recipe, 2);
        if let BatchViews::Made(views) = &mut broken.views {
            views[0][5] = f32::NAN;
        }
        match block_on(run.step(broken)) {
            Err(RunError::Diverged {
                step: 3,
                whole: true,
                loss,
                ..
            }) => assert!(loss.is_nan()),
            other => panic!("{method}: {other:?}"),
        }
        let after = tensors(&block_on(run.checkpoint()).unwrap());
        assert!(before == after, "{method} {overrides:?}");
        steps(&mut run, 1);
    }
}

#[test]
fn supervised_micro_batches_equal_the_whole_batch() {
    let run = |accumulate: &str| {
        let recipe = recipe("supervised", &["method.bn_groups=4", accumulate]);
        assert!(recipe.run.accumulates_equally(&recipe.method));
        let mut run = new(&recipe);
        let losses = steps(&mut run, 6);
        (losses, tensors(&block_on(run.checkpoint()).unwrap()))
    };
    let (whole, _) = run("run.accumulate=1");
    for count in ["run.accumulate=2", "run.accumulate=4"] {
        for (a, b) in whole.iter().zip(run(count).0) {
            assert!((a - b).abs() < 1e-5 * a, "{count}: {a} is not {b}");
        }
    }
    let byol = recipe("byol", &["run.accumulate=2"]);
    assert!(!byol.run.accumulates_equally(&byol.method));
}

#[test]
fn micro_batches_and_bn_groups_must_divide_the_batch() {
    let refuse = |overrides: &[&str], key: &str| {
        let text = recipe("moco-v1", &[]).to_toml().unwrap();
        let overrides: Vec<String> = overrides.iter().map(|text| (*text).to_string()).collect();
        let message = Recipe::parse(&text, &overrides).unwrap_err().to_string();
        assert!(message.contains(key), "{message}");
    };
    refuse(&["method.bn_groups=3"], "method.bn_groups");
    refuse(&["run.accumulate=3"], "run.accumulate");
    refuse(&["method.bn_groups=8"], "run.batch_size");
    refuse(
        &["method.bn_groups=2", "run.accumulate=4"],
        "run.accumulate",
    );
}

#[test]
fn the_classifier_learns_by_the_gradient_of_its_loss() {
    let device = Device::flex();
    let mut classifier = Classifier::new(4, 3, Sgd::CLASSIFIER, 7, &device);
    let rows = [[0.3, -0.2, 0.9, 0.1], [-0.5, 0.4, 0.2, 0.8]];
    let features = Tensor::<2>::from_floats(rows, &device);
    let labels = Tensor::from_ints([2, 0], &device);
    // The same step through Burn's graph: w - rate * gradient.
    let weight = Tensor::<2>::from_inner(classifier.weight.clone()).require_grad();
    let bias = Tensor::<1>::from_inner(classifier.bias.clone()).require_grad();
    let inputs = Tensor::<2>::from_inner(features.clone());
    let logits = inputs.matmul(weight.clone().transpose()) + bias.clone().reshape([1, 3]);
    let truth = parallax_methods::one_hot(labels.clone(), 3);
    let loss = parallax_methods::cross_entropy(logits, Tensor::from_inner(truth));
    let gradients = loss.backward();
    let stepped = classifier.weight.clone() - weight.grad(&gradients).unwrap() * 0.5;
    let stepped_bias = classifier.bias.clone() - bias.grad(&gradients).unwrap() * 0.5;

    let evaluation = classifier.evaluate(features, labels);
    let found = evaluation.loss.clone().into_scalar::<f32>();
    assert!((found - loss.into_scalar::<f32>()).abs() < 1e-6);
    classifier.learn(evaluation, 0.5);
    let near = |a: Vec<f32>, b: Vec<f32>| a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-6);
    let values = |tensor: Tensor<2>| tensor.into_data().iter::<f32>().collect::<Vec<_>>();
    assert!(near(values(classifier.weight), values(stepped)));
    let (bias, expected) = (
        classifier.bias.reshape([1, 3]),
        stepped_bias.reshape([1, 3]),
    );
    assert!(near(values(bias), values(expected)));
}
