//! `parallax transfer-trace`: steps of detection and segmentation from given weights on given batches.

mod detection;
mod dump;
mod segmentation;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use parallax_boxes::Size;
use parallax_train::RecipeError;
use parallax_transfer::{
    PreciseBn, Ranking, TransferModel, TransferRecipe, TransferReport, TransferRun, weights,
};
use parallax_views::Image;
use parallax_weights::WeightFile;
use pollster::block_on;
use serde_json::{Map, Value, json};

use crate::cli::On;
use crate::device;
use crate::trace::{output, steps};
use crate::transfer_op::tensors::{Inputs, Outputs};
use crate::usage::BadArgument;
use crate::whole::{read_given, write_whole};

#[derive(Args)]
pub struct TransferTrace {
    /// The paper's recipe
    #[arg(long, value_enum)]
    pub task: Task,
    /// Initial weights: every tensor of the model, with detectron2's names
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Of step S and image I: image.S.I [3, height, width], boxes.S.I [objects, 4], classes.S.I; polygons.S.I [vertices, 2]
    /// and polygon_splits.S.I [polygons, 2] with masks; sem_seg.S.I [height, width]; test.image.I and test.size.I [2]
    #[arg(long, value_name = "FILE")]
    pub batches: PathBuf,
    /// Steps to take [default: all in the file]
    #[arg(long, value_name = "N")]
    pub steps: Option<usize>,
    /// Where the lines go [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Write the tensors of the first step, and the results on the test images before it
    #[arg(long, value_name = "FILE")]
    pub dump: Option<PathBuf>,
    /// Write the weights after the last step
    #[arg(long, value_name = "FILE")]
    pub save_weights: Option<PathBuf>,
    /// Write the weights after precise batch norm over all batches
    #[arg(long, value_name = "FILE")]
    pub precise_bn: Option<PathBuf>,
    #[command(flatten)]
    pub on: On,
    /// Override a value of the recipe, for example optimizer.base_lr=0.001
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub overrides: Vec<String>,
}

/// What is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Task {
    /// Faster R-CNN C4 on VOC07
    VocC4,
    /// Mask R-CNN C4 on COCO
    CocoC4,
    /// Mask R-CNN FPN on COCO
    CocoFpn,
    /// DeepLabV3 on Cityscapes
    Cityscapes,
}

impl Task {
    fn recipe(self) -> &'static str {
        match self {
            Task::VocC4 => "voc07-c4",
            Task::CocoC4 => "coco-c4",
            Task::CocoFpn => "coco-fpn",
            Task::Cityscapes => "cityscapes",
        }
    }
}

/// Runs the steps and writes a line for each.
pub fn run(arguments: &TransferTrace) -> Result<()> {
    let name = arguments.task.recipe();
    let text = parallax_recipes::transfer(name);
    let text = text.ok_or_else(|| RecipeError::Unknown(name.to_string()))?;
    let recipe = TransferRecipe::parse(text, &arguments.overrides)
        .map_err(|error| BadArgument(error.to_string()))?;
    let inputs = Inputs::parse(&read_given(&arguments.batches)?)
        .with_context(|| arguments.batches.display().to_string())?;
    match arguments.task {
        Task::Cityscapes => segmentation::run(arguments, recipe, &inputs),
        _ => detection::run(arguments, recipe, &inputs),
    }
}

/// A model of a trace.
trait Traced: TransferModel + Sized {
    /// Steps that the file holds.
    fn batches(inputs: &Inputs, recipe: &TransferRecipe) -> Result<Vec<Self::Batch>>;

    /// Writes what the first step computes from its batch, and the results on the test images. The model is a copy.
    fn dump(
        run: &TransferRun<Self>,
        batch: &Self::Batch,
        inputs: &Inputs,
        out: &mut Outputs,
    ) -> Result<()>;
}

/// The images of each step, each read by its number `STEP.IMAGE`.
fn batches<T>(inputs: &Inputs, image: impl Fn(&str) -> Result<T>) -> Result<Vec<Vec<T>>> {
    let mut batches = Vec::new();
    while inputs.has(&format!("image.{}.0", batches.len())) {
        let step = batches.len();
        let mut batch = Vec::new();
        while inputs.has(&format!("image.{step}.{}", batch.len())) {
            batch.push(image(&format!("{step}.{}", batch.len()))?);
        }
        batches.push(batch);
    }
    ensure!(!batches.is_empty(), "tensor 'image.0.0' is missing");
    Ok(batches)
}

/// The test images, each with height and width of its result.
fn tests(inputs: &Inputs) -> Result<Vec<(Image, Size)>> {
    let mut tests = Vec::new();
    while inputs.has(&format!("test.image.{}", tests.len())) {
        let number = tests.len();
        let size = inputs.get(&format!("test.size.{number}"), &[Some(2)])?;
        let size = size.integers();
        let image = image(inputs, &format!("test.image.{number}"))?;
        tests.push((image, [size[0], size[1]].map(|side| side.max(0) as u32)));
    }
    Ok(tests)
}

/// An image `[3, height, width]`.
fn image(inputs: &Inputs, name: &str) -> Result<Image> {
    let tensor = inputs.get(name, &[Some(3), None, None])?;
    let (height, width) = (tensor.shape[1], tensor.shape[2]);
    ensure!(height * width > 0, "tensor '{name}' is an empty image");
    let pixels = height * width;
    let mut data = vec![0; 3 * pixels];
    for (at, value) in tensor.values.iter().enumerate() {
        data[3 * (at % pixels) + at / pixels] = *value as u8;
    }
    Ok(Image {
        width: width as u32,
        height: height as u32,
        data,
    })
}

/// The steps of a run whose model is fresh.
fn trace<M: Traced>(
    arguments: &TransferTrace,
    mut run: TransferRun<M>,
    inputs: &Inputs,
) -> Result<()> {
    let name = arguments.weights.display().to_string();
    let given = WeightFile::from_bytes(&name, &read_given(&arguments.weights)?)?;
    *run.model_mut() = weights::load_all(run.model().clone(), &given)?;
    let batches = M::batches(inputs, run.recipe())
        .with_context(|| arguments.batches.display().to_string())?;
    let steps = steps(arguments.steps, batches.len(), &arguments.batches)?;
    run.measure_norms(true);
    let mut dumped = Outputs::default();
    if let (Some(_), Some(first)) = (&arguments.dump, batches.first()) {
        M::dump(&run, first, inputs, &mut dumped)?;
    }
    let mut out = output(arguments.out.as_deref())?;
    for (number, batch) in batches.iter().take(steps).enumerate() {
        let report = block_on(run.step(batch, Ranking::Keys))?;
        if number == 0 {
            dump::gradients(&report, &mut dumped);
        }
        writeln!(out, "{}", line(&report)).context("the trace cannot be written")?;
    }
    out.flush().context("the trace cannot be written")?;
    if let Some(path) = &arguments.dump {
        write_whole(path, &dumped.to_bytes()?)?;
    }
    if let Some(path) = &arguments.save_weights {
        save(run.model(), path)?;
    }
    if let Some(path) = &arguments.precise_bn {
        let device = run.device().clone().inner();
        let mut model = run.model().valid();
        let mut precise = PreciseBn::default();
        for batch in batches.iter().take(steps) {
            block_on(precise.add(&mut model, run.plan(), batch, Ranking::Keys, &device))?;
        }
        let mut model = run.model().valid();
        precise.apply(&mut model);
        save(&model, path)?;
    }
    Ok(())
}

fn save<M: TransferModel>(model: &M, path: &Path) -> Result<()> {
    let tensors = block_on(weights::tensors(model))?;
    let file = WeightFile::new(&path.display().to_string(), tensors);
    write_whole(path, &file.to_bytes()?)
}

/// A step as JSON.
fn line(report: &TransferReport) -> Value {
    let norms = report.norms.clone().unwrap_or_default();
    let losses: Map<String, Value> = report
        .losses
        .iter()
        .map(|(name, value)| ((*name).to_string(), json!(value)))
        .collect();
    let mut line = json!({
        "step": report.step,
        "loss": report.loss,
        "lr": report.rate,
        "grad_norm": norms.gradient(),
        "param_norm": norms.parameter(),
        "losses": losses,
    });
    for (name, count) in &report.counts {
        line[*name] = json!(count);
    }
    if !report.proposals.is_empty() {
        line["proposals"] = json!(report.proposals);
    }
    line
}

/// The device of a trace, with autodiff.
fn open(arguments: &TransferTrace) -> Result<burn::tensor::Device> {
    Ok(device::open(&arguments.on.device)?.device.autodiff())
}
