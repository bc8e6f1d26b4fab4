//! Linear evaluation as a run: what is learned, and resumption with the same bits.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::sync::Arc;

use burn::tensor::Device;
use parallax_data::{Source, sample};
use parallax_eval::{
    Augment, EvalError, FeatureLoader, LinearEval, LinearEvalConfig, Preset, view_features,
};
use parallax_nets::{Arch, Init, ResNet, ResNetConfig, Stem};
use parallax_probes::Features;
use parallax_train::{Checkpoint, Control, DataShape, Due, Extractor, Loader, features};
use pollster::block_on;

const SIDE: u32 = 16;

fn config(preset: Preset) -> LinearEvalConfig {
    LinearEvalConfig {
        batch_size: 32,
        epochs: 5,
        eval_every: 2,
        checkpoint_every: 1,
        milestones: (preset == Preset::Sgd).then_some([3, 4]),
        ..LinearEvalConfig::of(preset, SIDE)
    }
}

fn encoder(device: &Device) -> ResNet {
    let config = ResNetConfig {
        width: 8,
        ..ResNetConfig::new(Arch::Tiny, Stem::Cifar)
    };
    ResNet::new(&config, &mut Init::new(3, device))
}

fn table(source: &dyn Source) -> Features {
    let device = Device::flex();
    block_on(features(&encoder(&device), source, SIDE, &device)).unwrap()
}

/// Runs to the end and returns every checkpoint.
fn drive(run: &mut LinearEval, loader: &FeatureLoader, test: &Features) -> Vec<Checkpoint> {
    let (mut driver, device) = (run.driver(), Device::flex());
    let mut saved = Vec::new();
    loop {
        match driver.next(run.step_index(), Control::default()) {
            Due::Step => {
                let (features, labels) = loader.load(run.step_index(), &device);
                block_on(run.step(features, &labels)).unwrap();
            }
            Due::Probe | Due::Evaluate => drop(block_on(run.evaluate(test)).unwrap()),
            Due::Checkpoint => saved.push(block_on(run.checkpoint()).unwrap()),
            Due::Done => return saved,
        }
    }
}

#[test]
fn a_resumed_evaluation_ends_with_the_same_bits() {
    let (train, test) = (sample::test().unwrap(), sample::test().unwrap());
    let (table, device) = (Arc::new(table(&train)), Device::flex());
    let data = DataShape::of(&train);
    for preset in Preset::ALL {
        let config = config(preset);
        let loader = FeatureLoader::new(Arc::clone(&table), config.batch_size, config.seed);
        let loader = loader.unwrap();
        let fresh = || LinearEval::new(config.clone(), table.columns(), data, &device).unwrap();
        let mut whole = fresh();
        let saved = drive(&mut whole, &loader, &table);
        // 500 images: 15 batches of 32, the rest of each epoch is dropped.
        assert_eq!(whole.step_index(), 75);
        let epochs: Vec<f64> = whole.history().points.iter().map(|p| p.epoch).collect();
        assert_eq!(epochs, [2.0, 4.0, 5.0]);
        assert_eq!(saved.len(), 5);
        for checkpoint in &saved {
            let mut run = fresh();
            run.resume(checkpoint).unwrap();
            assert_eq!(run.step_index(), checkpoint.step);
            let rest = drive(&mut run, &loader, &table);
            assert_eq!(rest, saved[saved.len() - rest.len()..]);
            assert_eq!(run.history(), whole.history());
        }
        let other = DataShape {
            examples: test.len() - 1,
            ..data
        };
        let mut run = LinearEval::new(config.clone(), table.columns(), other, &device).unwrap();
        let error = run.resume(&saved[0]).unwrap_err().to_string();
        assert!(error.contains("500 images of 10 classes"), "{error}");
    }
}

#[test]
fn a_classifier_learns_from_features_and_from_views() {
    let device = Device::flex();
    let train: Arc<dyn Source> = Arc::new(sample::test().unwrap());
    let features = Arc::new(table(train.as_ref()));
    let (data, columns) = (DataShape::of(train.as_ref()), features.columns());
    let config = LinearEvalConfig {
        epochs: 10,
        milestones: Some([6, 8]),
        ..config(Preset::Sgd)
    };
    let accuracy = |augment: Augment| {
        let mut run = LinearEval::new(config.clone(), columns, data, &device).unwrap();
        let before = block_on(run.evaluate(&features)).unwrap().top1;
        let tables = FeatureLoader::new(Arc::clone(&features), config.batch_size, 0).unwrap();
        let views = Loader::new(&config.views().unwrap(), Arc::clone(&train), &device).unwrap();
        let views = views.dropping_last();
        let mut frozen = Extractor::new(&encoder(&device), SIDE, &device);
        let (mut first, mut last) = (0.0, 0.0);
        for step in 0..run.total_steps() {
            let (x, labels) = match augment {
                Augment::None => tables.load(step, &device),
                Augment::Standard => {
                    let batch = views.load(step).unwrap();
                    let mut found = view_features(&mut frozen, vec![batch], &device).unwrap();
                    found.pop().unwrap()
                }
            };
            let report = block_on(run.step(x, &labels)).unwrap();
            first += if step < 15 { report.loss } else { 0.0 };
            last += if step >= 135 { report.loss } else { 0.0 };
        }
        assert!(last < 0.9 * first, "{first} {last}");
        let scores = block_on(run.evaluate(&features)).unwrap();
        assert!(scores.top5 > scores.top1 && scores.per_class.len() == 10);
        (before, scores.top1)
    };
    for augment in [Augment::None, Augment::Standard] {
        let (before, after) = accuracy(augment);
        println!("{augment:?}: {before} to {after}");
        assert!(after > 25.0 && after > before + 10.0, "{before} {after}");
    }
}

#[test]
fn a_batch_of_features_is_that_of_the_loader() {
    // Views without augmentation in the order of the loader are the rows of the table.
    let device = Device::flex();
    let train: Arc<dyn Source> = Arc::new(sample::test().unwrap());
    let features = Arc::new(table(train.as_ref()));
    let config = config(Preset::Sgd);
    let mut recipe = config.views().unwrap();
    recipe.views.pipeline = Some("eval".parse().unwrap());
    let loader = Loader::new(&recipe, train, &device).unwrap();
    let loader = loader.dropping_last();
    let tables = FeatureLoader::new(features, config.batch_size, config.seed).unwrap();
    let mut frozen = Extractor::new(&encoder(&device), SIDE, &device);
    let steps = [0, 14, 15, 40];
    let batches = steps.map(|step| loader.load(step).unwrap());
    let found = view_features(&mut frozen, batches.to_vec(), &device).unwrap();
    for (step, (views, found)) in steps.into_iter().zip(found) {
        let (rows, labels) = tables.load(step, &device);
        assert_eq!(labels, found);
        let apart = (views - rows).abs().max().into_scalar::<f32>();
        assert!(apart < 1e-5, "step {step}: {apart}");
    }
}

#[test]
fn divergence_and_small_data_are_errors() {
    let (train, device) = (sample::test().unwrap(), Device::flex());
    let features = Arc::new(table(&train));
    let wild = LinearEvalConfig {
        base_lr: 1e38,
        ..config(Preset::LargeNorm)
    };
    let data = DataShape::of(&train);
    let mut run = LinearEval::new(wild, features.columns(), data, &device).unwrap();
    let loader = FeatureLoader::new(Arc::clone(&features), 32, 0).unwrap();
    let failed = (0..10).find_map(|step| {
        let (x, labels) = loader.load(step, &device);
        block_on(run.step(x, &labels)).err()
    });
    let message = failed.expect("it diverges").to_string();
    assert!(message.contains("--base-lr"), "{message}");
    let large = LinearEvalConfig {
        batch_size: 512,
        ..config(Preset::Sgd)
    };
    let error = LinearEval::new(large, features.columns(), data, &device);
    let error = error.err().expect("too few images");
    assert!(matches!(error, EvalError::TooFew { examples: 500, .. }));
    assert!(error.to_string().contains("--batch-size 500"), "{error}");
}
