//! Every system of the paper step by step beside PyTorch, whose figures stand in `cases/*.json`.

use std::collections::BTreeMap;
use std::fmt;

use burn::tensor::{Device, Tensor};
use parallax_methods::Queue;
use parallax_nets::ResNet;
use parallax_nets::names::{self, Visit};
use parallax_train::{Batch, DataShape, Recipe, Run, RunError};
use serde::Deserialize;

use crate::inputs::{batch, fill, noise, queue, tensor};

macro_rules! cases {
    ($($name:literal),* $(,)?) => {
        [$(($name, include_str!(concat!("../cases/", $name, ".json")))),*]
    };
}

/// Names and texts of the systems of the paper, on the smallest network.
pub const CASES: [(&str, &str); 8] = cases![
    "supervised",
    "moco-v1",
    "moco-v2",
    "moco-v2-plus",
    "s-moco-v2-plus",
    "moco-v2-plus-lars",
    "byol",
    "byol-lars",
];

/// The same of deeper networks, for f64: rounding to f32 grows a thousandfold a step in them at this size.
pub const DEEP_CASES: [(&str, &str); 2] = cases!["supervised-resnet50", "byol-resnet18"];

/// What `reference.py` wrote of a system.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    pub(crate) recipe: String,
    pub(crate) classes: usize,
    pub(crate) losses: Vec<f64>,
    online_losses: Vec<f64>,
    pub(crate) gradients_of_the_first_step: BTreeMap<String, f64>,
    online_after: BTreeMap<String, f64>,
    target_after: BTreeMap<String, f64>,
    queue_after: Option<f64>,
    queue_pointer_after: usize,
}

/// What Parallax made of the case. Norms and the queue are those after the last step.
#[derive(Clone, Debug)]
pub struct Replayed {
    case: Case,
    losses: Vec<f64>,
    online_losses: Vec<f64>,
    first_gradients: BTreeMap<String, f64>,
    online: BTreeMap<String, f64>,
    target: BTreeMap<String, f64>,
    queue: Option<(f64, usize)>,
}

/// How far apart the two are.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// Relative, of each step's loss and the online classifier's.
    losses: Vec<f64>,
    /// Of the first step's gradient norms, relative to the norm or to a thousandth of the largest: the gradient of
    /// a bias in front of batch norm is zero but for rounding.
    pub first_gradients: f64,
    /// Of norms of weights and statistics and of the queue's digest, relative; 0 before the last step.
    pub after: f64,
}

impl Deviation {
    /// The largest of the first `steps` losses.
    pub fn losses(&self, steps: usize) -> f64 {
        self.losses.iter().take(steps).copied().fold(0.0, worse)
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ten, all) = (self.losses(10), self.losses(self.losses.len()));
        write!(
            f,
            "losses {ten:.1e} over 10 steps, {all:.1e} over {}; gradients {:.1e}; weights, statistics, queue {:.1e}",
            self.losses.len(),
            self.first_gradients,
            self.after
        )
    }
}

/// The larger; not a number is larger than all.
fn worse(a: f64, b: f64) -> f64 {
    if b.is_nan() || b > a { b } else { a }
}

/// Takes the first `steps` steps of a case on `device` (without autodiff).
///
/// # Errors
/// When the case cannot be read or the run fails.
pub async fn replay(
    name: &str,
    text: &str,
    device: &Device,
    steps: usize,
) -> Result<Replayed, RunError> {
    replay_with(name, text, device, steps, &[]).await
}

/// As [`replay`], with another recipe than the case's in some keys (`section.key=value`).
///
/// # Errors
/// As [`replay`], and when the recipe makes no sense.
pub async fn replay_with(
    name: &str,
    text: &str,
    device: &Device,
    steps: usize,
    overrides: &[String],
) -> Result<Replayed, RunError> {
    let (case, mut run) = begun(name, text, device, overrides)?;
    run.measure_norms(true);

    let (mut losses, mut online_losses) = (Vec::new(), Vec::new());
    let mut first_gradients = BTreeMap::new();
    for k in 0..steps {
        let report = run.step(&case.batch(&run, k)).await?;
        losses.push(report.loss);
        online_losses.extend(report.online.map(|online| online.loss));
        let norms = report.norms.unwrap_or_default();
        if k == 0 {
            first_gradients = norms.gradients;
        }
    }
    let parts = run.method().parts();
    let queue = match parts.queue {
        Some(queue) => Some((digest(queue).await?, queue.pointer)),
        None => None,
    };
    let target = match parts.target {
        Some(target) => lengths(target).await?,
        None => BTreeMap::new(),
    };
    Ok(Replayed {
        losses,
        online_losses,
        first_gradients,
        online: lengths(parts.online).await?,
        target,
        queue,
        case,
    })
}

/// The run of a case before its first step, with another recipe than the case's in some keys.
///
/// # Errors
/// When the case cannot be read, the recipe makes no sense, or the device cannot run it.
pub fn begun(
    name: &str,
    text: &str,
    device: &Device,
    overrides: &[String],
) -> Result<(Case, Run), RunError> {
    let case = Case::read(name, text)?;
    let mut run = fresh(&case, device, overrides)?;
    begin(&mut run, device);
    Ok((case, run))
}

impl Case {
    /// The batch of step `k`, from 0.
    pub fn batch(&self, run: &Run, k: usize) -> Batch {
        let recipe = run.recipe();
        let (size, side) = (recipe.run.batch_size, recipe.views.size as usize);
        let groups = recipe.method.bn_groups as u32;
        batch(k as u32, size, side, self.classes as u32, groups)
    }

    /// From the text of a case.
    pub(crate) fn read(name: &str, text: &str) -> Result<Self, RunError> {
        serde_json::from_str(text).map_err(|error| RunError::Checkpoint {
            file: name.to_string(),
            reason: error.to_string(),
        })
    }
}

/// The run of a case with weights of its own; one step is one epoch.
pub(crate) fn fresh(case: &Case, device: &Device, overrides: &[String]) -> Result<Run, RunError> {
    let recipe = Recipe::parse(&case.recipe, overrides)?;
    let data = DataShape {
        examples: recipe.run.batch_size,
        classes: case.classes,
    };
    Run::new(recipe, data, device)
}

/// Gives the run the weights of the cases.
pub(crate) fn begin(run: &mut Run, device: &Device) {
    let method = run.method_mut();
    let online = fill(method.online().clone());
    *method.parts_mut().online = online;
    method.update_target(0.0);
    if let Some(kept) = method.parts_mut().queue {
        let [keys, out] = kept.keys.dims();
        kept.keys = tensor(queue(keys, out), [keys, out], device);
    }
    if let Some(classifier) = run.classifier_mut() {
        let [classes, features] = classifier.weight.dims();
        let weight = noise(2, classes * features, 0.5, 0.0);
        classifier.weight = tensor(weight, [classes, features], device);
        classifier.bias = tensor(noise(3, classes, 0.5, 0.0), [classes], device);
    }
}

async fn digest(queue: &Queue) -> Result<f64, RunError> {
    let values = read(queue.keys.clone()).await?;
    let weights = noise(4, values.len(), 2.0, 0.0);
    Ok(values
        .iter()
        .zip(weights)
        .map(|(v, w)| v * f64::from(w))
        .sum())
}

/// Length of every tensor of a network, running statistics included.
async fn lengths(network: &ResNet) -> Result<BTreeMap<String, f64>, RunError> {
    struct Handles(Vec<(String, Tensor<1>)>);
    impl Visit for Handles {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            let count = tensor.dims().iter().product::<usize>();
            let flat = tensor.without_autodiff().reshape([count]);
            self.0.push((name.to_string(), flat));
        }
    }
    let mut handles = Handles(Vec::new());
    names::visit(network, &mut handles);
    let mut lengths = BTreeMap::new();
    for (name, tensor) in handles.0 {
        let values = read(tensor).await?;
        lengths.insert(name, values.iter().map(|v| v * v).sum::<f64>().sqrt());
    }
    Ok(lengths)
}

async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>, RunError> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| RunError::Device(format!("{error:?}")))?;
    Ok(data.iter::<f64>().collect())
}

impl Replayed {
    /// Compares with the case.
    pub fn deviation(&self) -> Deviation {
        let case = &self.case;
        let relative = |(a, b): (&f64, &f64)| (a - b).abs() / b.abs();
        let mut losses: Vec<f64> = self.losses.iter().zip(&case.losses).map(relative).collect();
        let online = self
            .online_losses
            .iter()
            .zip(&case.online_losses)
            .map(relative);
        for (loss, online) in losses.iter_mut().zip(online) {
            *loss = worse(*loss, online);
        }
        let last = self.losses.len() == case.losses.len();
        let mut after = 0.0;
        if last {
            after = worse(after, apart(&self.online, &case.online_after, 0.0));
            after = worse(after, apart(&self.target, &case.target_after, 0.0));
            after = match (self.queue, case.queue_after) {
                (None, None) => after,
                (Some((digest, pointer)), Some(expected))
                    if pointer == case.queue_pointer_after =>
                {
                    worse(after, (digest - expected).abs())
                }
                _ => f64::NAN,
            };
        }
        Deviation {
            losses,
            first_gradients: apart(
                &self.first_gradients,
                &case.gradients_of_the_first_step,
                1e-3,
            ),
            after,
        }
    }
}

/// The largest relative difference; differences in names are infinite.
fn apart(found: &BTreeMap<String, f64>, expected: &BTreeMap<String, f64>, floor: f64) -> f64 {
    if !found.keys().eq(expected.keys()) {
        return f64::INFINITY;
    }
    let floor = floor * expected.values().copied().fold(0.0, f64::max);
    let pairs = found.values().zip(expected.values());
    pairs.fold(0.0, |worst, (a, b)| {
        worse(worst, (a - b).abs() / b.max(floor))
    })
}
