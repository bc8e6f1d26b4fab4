//! `parallax trace`: optimisation steps from given weights on given views, for comparison with another implementation.

mod linear_eval;

use std::fs::{self, File};
use std::io::{BufWriter, Write, stdout};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use burn::tensor::{Device, FloatDType, Tensor, TensorData};
use clap::{Args, ValueEnum};
use parallax_kernels::is_gpu;
use parallax_methods::MethodSpec;
use parallax_train::{
    Batch, BatchViews, DataShape, ONLINE, Recipe, Run, TARGET, WEIGHTS_FILE, shuffle_order,
};
use parallax_weights::{NamedTensor, WeightFile, load};
use pollster::block_on;
use serde_json::json;

use crate::cli::On;
use crate::data::OnBadImage;
use crate::eval::Preset;
use crate::sources::Sources;
use crate::usage::BadArgument;
use crate::whole::read_given;
use crate::{device, ranks, recipe};

#[derive(Args)]
pub struct Trace {
    /// A recipe's name (see `recipes/`) or a file; without run.total_steps and schedule.warmup_steps its images are
    /// counted. `linear-eval`: the classifier of a linear evaluation on the frozen encoder
    #[arg(long, value_name = "RECIPE")]
    pub recipe: String,
    /// Initial weights: online_encoder.*, target_encoder.* (else a copy of the online network), queue, queue_ptr; of a
    /// linear evaluation classifier.weight, classifier.bias [default: drawn]
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Views: view1, view2 [steps, batch, 3, height, width], labels [steps, batch], enqueue_view [steps] or
    /// [steps, bn_groups] (1 or 2); shuffle [steps, batch], the permutation of ShuffleBN [default: drawn]
    #[arg(long, value_name = "FILE")]
    pub batches: PathBuf,
    /// Steps to take [default: all in the file]
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Where the lines go [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the weights after the last step, named as in --weights
    #[arg(long, value_name = "FILE")]
    pub save_weights: Option<PathBuf>,
    #[command(flatten)]
    pub on: On,
    /// Preset of a linear evaluation
    #[arg(long, value_enum, default_value_t = Preset::Sgd)]
    pub preset: Preset,
    /// Initial weights of a linear evaluation's classifier
    #[arg(long, value_enum)]
    pub init: Option<Initial>,
    /// Override a value of the recipe, for example run.total_steps=100
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
    /// Compute in f64, with loops as plain as the definitions: for checks, on the CPU
    #[arg(long)]
    pub f64: bool,
}

/// What a classifier begins from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Initial {
    /// Zeros
    Zeros,
}

/// Runs the steps and writes a line for each.
pub fn run(arguments: &Trace) -> Result<()> {
    if arguments.recipe == linear_eval::NAME {
        return linear_eval::run(arguments);
    }
    if arguments.init.is_some() {
        let message = "--init is for the classifier of --recipe linear-eval";
        return Err(BadArgument(message.to_string()).into());
    }
    let mut recipe = recipe::read(&arguments.recipe, None, &arguments.overrides)?;
    // The online classifier is not compared.
    recipe.probe.online = false;
    let weights = read(&arguments.weights)?;
    let views = Views::read(read(&arguments.batches)?, &recipe)?;
    let steps = steps(arguments.steps, views.steps, &arguments.batches)?;
    let ranks = ranks::here();
    recipe.check_ranks(ranks)?;
    recipe.method.bn_groups = recipe.all_groups(ranks);
    let mut opened = device::open(&arguments.on.device)?;
    opened.suits(&recipe)?;
    if arguments.f64 {
        if arguments.save_weights.is_some() {
            let message = "a file of weights holds f32: --f64 cannot save them";
            return Err(BadArgument(message.to_string()).into());
        }
        if is_gpu(&opened.device) {
            return Err(BadArgument("--f64 takes --device cpu".to_string()).into());
        }
        let configured = opened.device.configure(FloatDType::F64);
        configured.map_err(|error| anyhow::anyhow!("the device has no f64: {error:?}"))?;
    }
    let classes = classes(&recipe, &weights);
    let data = DataShape {
        classes,
        targets: classes,
        ..data_shape(&recipe)?
    };
    let mut run = Run::on(recipe, data, &opened.device, ranks)?;
    run.measure_norms(true);
    begin(&mut run, &weights, &opened.device)?;

    let mut out = match ranks.is_first() {
        true => output(arguments.out.as_deref())?,
        false => Box::new(std::io::sink()),
    };
    for step in 0..steps {
        let batch = views.batch(step, data.classes, run.recipe())?;
        let report = block_on(run.step(batch.part(run.recipe(), ranks)))?;
        let norms = report.norms.unwrap_or_default();
        let line = json!({
            "step": report.step,
            "loss": report.loss,
            "lr": report.lr,
            "momentum": report.momentum,
            "grad_norm": norms.gradient(),
            "param_norm": norms.parameter(),
        });
        writeln!(out, "{line}").context("the trace cannot be written")?;
    }
    out.flush().context("the trace cannot be written")?;
    if let Some(path) = &arguments.save_weights {
        let checkpoint = block_on(run.checkpoint())?;
        if ranks.is_first() {
            fs::write(path, checkpoint.file(WEIGHTS_FILE)?)
                .with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    Ok(())
}

/// Steps to take of the `found` ones in a file.
pub fn steps(asked: Option<usize>, found: usize, file: &Path) -> Result<usize> {
    let steps = asked.unwrap_or(found);
    if steps > found {
        let file = file.display();
        let message = format!("--steps {steps} is more than the {found} steps in {file}");
        return Err(BadArgument(message).into());
    }
    Ok(steps)
}

/// Where the lines go: a file or standard output.
pub fn output(path: Option<&Path>) -> Result<Box<dyn Write>> {
    Ok(match path {
        Some(path) => {
            let file = File::create(path);
            Box::new(BufWriter::new(file.with_context(|| {
                format!("{} cannot be written", path.display())
            })?))
        }
        None => Box::new(stdout()),
    })
}

/// A safetensors file with normalised names: without the prefix `module.`, a linear head as `fc.0`.
fn read(path: &Path) -> Result<WeightFile> {
    let bytes = read_given(path)?;
    let mut file = WeightFile::from_bytes(&path.display().to_string(), &bytes)?;
    let tensors = std::mem::take(&mut file.tensors);
    file.tensors = tensors
        .into_values()
        .map(|tensor| {
            let name = tensor.name.strip_prefix("module.").unwrap_or(&tensor.name);
            let name = match name.split_once("_encoder.fc.") {
                Some((branch, "weight")) => format!("{branch}_encoder.fc.0.weight"),
                Some((branch, "bias")) => format!("{branch}_encoder.fc.0.bias"),
                _ => name.to_string(),
            };
            (name.clone(), NamedTensor { name, ..tensor })
        })
        .collect();
    Ok(file)
}

/// Number of training images, which is read from the data where the schedule depends on it.
fn data_shape(recipe: &Recipe) -> Result<DataShape> {
    use parallax_train::ScheduleKind::WarmupCosine;
    let warmup = recipe.schedule.kind != WarmupCosine || recipe.schedule.warmup_steps.is_some();
    if recipe.run.total_steps.is_some() && warmup {
        return Ok(DataShape::new(recipe.run.batch_size, 0));
    }
    let sources = Sources::open(recipe, OnBadImage::Error).context(
        "run.total_steps and schedule.warmup_steps are not both set, so the number of images is needed",
    )?;
    Ok(DataShape::of(sources.train.as_ref()))
}

/// Classes of a supervised head: the recipe's or the file's.
fn classes(recipe: &Recipe, weights: &WeightFile) -> usize {
    let head = weights.tensors.get(&format!("{ONLINE}fc.0.weight"));
    let rows = head.and_then(|tensor| tensor.shape.first().copied());
    recipe.method.out.or(rows).unwrap_or(1)
}

/// Loads the file's weights and queue into the run.
fn begin(run: &mut Run, weights: &WeightFile, device: &Device) -> Result<()> {
    let parts = run.method_mut().parts_mut();
    *parts.online = load(parts.online.clone(), ONLINE, weights)?.0;
    if let Some(target) = parts.target {
        let given = weights.tensors.keys().any(|name| name.starts_with(TARGET));
        // The target's tensors are a subset of the online network's.
        let branch = if given { TARGET } else { ONLINE };
        *target = load(target.clone(), branch, weights)?.0;
    }
    if let Some(queue) = parts.queue {
        let keys = find(weights, "queue")?;
        expect(weights, keys, &queue.keys.dims())?;
        let pointer = find(weights, "queue_ptr")?;
        let place = pointer.values.first().copied().unwrap_or(-1.0);
        let length = keys.shape[0];
        if pointer.values.len() != 1 || !(0.0..length as f32).contains(&place) {
            let file = &weights.name;
            anyhow::bail!(
                "{file}: tensor 'queue_ptr' must be one number from 0 to {}",
                length - 1
            );
        }
        let data = TensorData::new(keys.values.clone(), queue.keys.dims());
        queue.keys = Tensor::from_data(data, device);
        queue.pointer = place as usize;
    }
    Ok(())
}

fn find<'a>(file: &'a WeightFile, name: &str) -> Result<&'a NamedTensor> {
    let missing = || {
        let names: Vec<&str> = file.tensors.keys().map(String::as_str).take(8).collect();
        format!(
            "{}: tensor '{name}' is missing; it has {} ...",
            file.name,
            names.join(", ")
        )
    };
    file.tensors.get(name).with_context(missing)
}

fn expect(file: &WeightFile, tensor: &NamedTensor, shape: &[usize]) -> Result<()> {
    if tensor.shape != shape {
        let (name, file, found) = (&tensor.name, &file.name, &tensor.shape);
        anyhow::bail!("{file}: tensor '{name}' has the shape {found:?}, {shape:?} is needed");
    }
    Ok(())
}

/// The batches of views in a file.
struct Views {
    file: WeightFile,
    steps: usize,
    pixels: [usize; 2],
}

impl Views {
    /// Checks names and shapes of what the method needs.
    fn read(file: WeightFile, recipe: &Recipe) -> Result<Self> {
        let (kind, batch) = (recipe.method.name.spec(), recipe.run.batch_size);
        let first = find(&file, "view1")?;
        let &[steps, found, 3, height, width] = first.shape.as_slice() else {
            let (file, shape) = (&file.name, &first.shape);
            anyhow::bail!(
                "{file}: tensor 'view1' has the shape {shape:?}, [steps, batch, 3, height, width] is needed"
            );
        };
        if found != batch {
            let file = &file.name;
            anyhow::bail!(
                "{file}: the batches hold {found} images, the recipe says run.batch_size = {batch}"
            );
        }
        if kind.views > 1 {
            expect(&file, find(&file, "view2")?, &first.shape)?;
        }
        if kind.labels {
            expect(&file, find(&file, "labels")?, &[steps, batch])?;
        }
        if chooses_keys(kind) {
            let views = find(&file, "enqueue_view")?;
            if views.shape != [steps, recipe.method.bn_groups] {
                expect(&file, views, &[steps])?;
            }
            if let Some(other) = views
                .values
                .iter()
                .find(|&&view| view != 1.0 && view != 2.0)
            {
                let file = &file.name;
                anyhow::bail!("{file}: tensor 'enqueue_view' holds {other}, 1 or 2 is needed");
            }
        }
        if let Some(order) = file.tensors.get("shuffle") {
            expect(&file, order, &[steps, batch])?;
            for row in order.values.chunks(batch) {
                let mut sorted: Vec<usize> = row.iter().map(|&place| place as usize).collect();
                sorted.sort_unstable();
                if !sorted.into_iter().eq(0..batch) {
                    let file = &file.name;
                    anyhow::bail!(
                        "{file}: each row of 'shuffle' must hold 0 to {} once",
                        batch - 1
                    );
                }
            }
        }
        Ok(Self {
            pixels: [height, width],
            steps,
            file,
        })
    }

    /// One row of a tensor; empty where the file has none.
    fn row(&self, name: &str, step: usize) -> &[f32] {
        let Some(tensor) = self.file.tensors.get(name) else {
            return &[];
        };
        let length = tensor.values.len() / self.steps.max(1);
        &tensor.values[step * length..(step + 1) * length]
    }

    fn batch(&self, step: usize, classes: usize, recipe: &Recipe) -> Result<Batch> {
        let (kind, size) = (recipe.method.name.spec(), recipe.run.batch_size);
        let labels: Vec<u32> = match kind.labels {
            true => self.row("labels", step).iter().map(|l| *l as u32).collect(),
            false => vec![0; size],
        };
        if let Some(label) = labels.iter().find(|&&label| label as usize >= classes) {
            let file = &self.file.name;
            anyhow::bail!(
                "{file}: label {label} at step {}, the head has {classes} classes",
                step + 1
            );
        }
        let groups = recipe.method.bn_groups;
        let enqueue_second = match self.row("enqueue_view", step) {
            _ if !chooses_keys(kind) => vec![false; groups],
            [view] => vec![*view == 2.0; groups],
            views => views.iter().map(|view| *view == 2.0).collect(),
        };
        let order = self.row("shuffle", step);
        Ok(Batch {
            step: step as u64,
            size,
            pixels: self.pixels,
            views: BatchViews::Made(
                ["view1", "view2"]
                    .into_iter()
                    .take(kind.views)
                    .map(|name| self.row(name, step).to_vec())
                    .collect(),
            ),
            labels,
            targets: None,
            enqueue_second,
            order: match order {
                [] => shuffle_order(recipe.run.seed, step as u64, size),
                order => order.iter().map(|&place| place as u32).collect(),
            },
        })
    }
}

/// Whether each BN group chooses the view whose keys it enqueues (methods.md 3.4).
fn chooses_keys(method: &MethodSpec) -> bool {
    method.symmetric && method.queue
}
