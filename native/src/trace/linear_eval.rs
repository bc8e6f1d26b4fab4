//! `parallax trace --recipe linear-eval`: the classifier of a linear evaluation step by step.

use anyhow::{Context as _, Result};
use parallax_eval::{LinearEval, LinearEvalConfig, view_features};
use parallax_train::{Batch, BatchViews, DataShape, Extractor, Recipe, encoder_from};
use parallax_weights::WeightFile;
use pollster::block_on;
use serde_json::json;

use super::{Initial, Trace, expect, find, output, read, steps};
use crate::usage::BadArgument;
use crate::whole::write_whole;
use crate::{device, ranks, weights};

/// What `--recipe` calls it.
pub const NAME: &str = "linear-eval";

const WEIGHT: &str = "classifier.weight";
const BIAS: &str = "classifier.bias";

/// Runs the steps and writes a line for each.
pub fn run(arguments: &Trace) -> Result<()> {
    if !ranks::here().is_one() {
        let message = "a linear evaluation is traced in one process";
        return Err(BadArgument(message.to_string()).into());
    }
    let batches = read(&arguments.batches)?;
    let views = find(&batches, "view1")?;
    let &[found, size, 3, height, width] = views.shape.as_slice() else {
        let (file, shape) = (&batches.name, &views.shape);
        anyhow::bail!(
            "{file}: tensor 'view1' has the shape {shape:?}, [steps, batch, 3, height, width] is needed"
        );
    };
    let labels = find(&batches, "labels")?;
    expect(&batches, labels, &[found, size])?;
    let count = steps(arguments.steps, found, &arguments.batches)?;

    let opened = device::open(&arguments.on.device)?;
    let side = height.max(width) as u32;
    let config = LinearEvalConfig {
        batch_size: size,
        ..LinearEvalConfig::of(arguments.preset.into(), side)
    };
    let (config, model, out) = overridden(config, &arguments.overrides)?;
    if config.batch_size != size {
        let (file, batch) = (&batches.name, config.batch_size);
        anyhow::bail!(
            "{file}: the batches hold {size} images, --set says run.batch_size = {batch}"
        );
    }
    let mut encoder = weights::read(&arguments.weights)?;
    if let Some(recipe) = model {
        encoder.file.recipe = Some(recipe.to_toml()?);
    }
    let (network, _) = encoder_from(&encoder.file, parallax_train::ONLINE, &opened.device)?;
    let mut extractor = Extractor::new(&network, side, &opened.device);
    let given = classifier_of(arguments)?;
    let classes = match &given {
        Some(given) => find(given, WEIGHT)?.shape.first().copied().unwrap_or(0),
        None => {
            let largest = labels.values.iter().copied().fold(0.0, f32::max);
            out.unwrap_or(largest as usize + 1)
        }
    };
    if let Some(label) = labels
        .values
        .iter()
        .find(|&&label| label < 0.0 || label as usize >= classes)
    {
        let file = &batches.name;
        anyhow::bail!("{file}: label {label}, the classifier has {classes} classes");
    }
    // An epoch is one batch: the length of the run is given in steps, or by the preset's epochs.
    let data = DataShape::new(size, classes);
    let mut run = LinearEval::new(config, extractor.columns(), data, &opened.device)?;
    let classifier = run.classifier_mut();
    match (&given, arguments.init) {
        (_, Some(Initial::Zeros)) => {
            classifier.weight = classifier.weight.zeros_like();
            classifier.bias = classifier.bias.zeros_like();
        }
        (Some(given), None) => classifier.load(given)?,
        (None, None) => {}
    }
    run.measure_norms(true);

    let mut out = output(arguments.out.as_deref())?;
    let (pixels, length) = (views.values.len() / found.max(1), size);
    for step in 0..count {
        let own = &labels.values[step * length..(step + 1) * length];
        let batch = Batch {
            step: step as u64,
            size,
            pixels: [height, width],
            views: BatchViews::Made(vec![
                views.values[step * pixels..(step + 1) * pixels].to_vec(),
            ]),
            labels: own.iter().map(|&label| label as u32).collect(),
            targets: None,
            enqueue_second: Vec::new(),
            order: Vec::new(),
        };
        let mut features = view_features(&mut extractor, vec![batch], &opened.device)?;
        let (features, labels) = features.pop().context("a step has no batch")?;
        let report = block_on(run.step(features, &labels))?;
        let norms = report.norms.context("a step has no norms")?;
        let line = json!({
            "step": report.step,
            "loss": report.loss,
            "accuracy": report.accuracy,
            "lr": report.lr,
            "weight_norm": norms.weight,
            "grad_norm": norms.gradient,
            "param_norm": norms.parameter,
        });
        writeln!(out, "{line}").context("the trace cannot be written")?;
    }
    out.flush().context("the trace cannot be written")?;
    if let Some(path) = &arguments.save_weights {
        let tensors = block_on(run.classifier().tensors())?;
        let file = WeightFile::new("the classifier", tensors);
        write_whole(path, &file.to_bytes()?)?;
    }
    Ok(())
}

/// The classifier's own weights in the file of the weights, where it has them.
fn classifier_of(arguments: &Trace) -> Result<Option<WeightFile>> {
    let Ok(mut file) = read(&arguments.weights) else {
        // A file of PyTorch, which holds an encoder alone.
        return Ok(None);
    };
    file.tensors
        .retain(|name, _| name.starts_with("classifier"));
    Ok(file.tensors.contains_key(WEIGHT).then_some(file)).and_then(|file| match file {
        Some(file) if !file.tensors.contains_key(BIAS) => {
            anyhow::bail!("{}: '{WEIGHT}' is there, '{BIAS}' is missing", file.name)
        }
        file => Ok(file),
    })
}

/// The preset with what `--set` changes: the keys that a recipe has for the same. Also the network's recipe, where one of
/// its keys is set, and the number of classes.
fn overridden(
    mut config: LinearEvalConfig,
    overrides: &[String],
) -> Result<(LinearEvalConfig, Option<Recipe>, Option<usize>)> {
    // A recipe's own parser reads the values, so that types and messages are the same.
    let base = "[method]\nname = 'supervised'\n";
    let recipe = Recipe::parse(base, overrides)?;
    let mut network = None;
    for text in overrides {
        let key = text.split('=').next().unwrap_or_default().trim();
        match key {
            "run.total_steps" => config.total_steps = recipe.run.total_steps,
            "run.epochs" => config.epochs = recipe.run.epochs,
            "run.batch_size" => config.batch_size = recipe.run.batch_size,
            "run.seed" => config.seed = recipe.run.seed,
            "optimizer.base_lr" => config.base_lr = recipe.optimizer.base_lr,
            "method.out" => {}
            "model.arch" | "model.stem" | "model.width" => network = Some(recipe.clone()),
            _ => {
                let message = format!(
                    "a linear evaluation has no {key}; --set takes run.total_steps, run.epochs, run.batch_size, run.seed, \
                     optimizer.base_lr, method.out (classes), model.arch, model.stem and model.width"
                );
                return Err(BadArgument(message).into());
            }
        }
    }
    Ok((config, network, recipe.method.out))
}
