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

/// The same of deeper networks, for f64: rounded to f32, rectifiers of a few neurons fall to the other side.
pub const DEEP_CASES: [(&str, &str); 2] = cases!["supervised-resnet50", "byol-resnet18"];

/// What `reference.py` wrote of a system.
#[derive(Clone, Debug, Deserialize)]
pub struct Case {
    pub(crate) recipe: String,
    pub(crate) classes: usize,
    pub(crate) losses: Vec<f64>,
    online_losses: Vec<f64>,
    /// Names of the trained parameters, and of all tensors of both networks.
    parameters: Vec<String>,
    online: Vec<String>,
    target: Vec<String>,
    /// By the number of steps taken.
    after: BTreeMap<usize, Snapshot>,
}

/// Norms, in the order of the case's names, and the queue after a step.
#[derive(Clone, Debug, Deserialize)]
struct Snapshot {
    gradients: Vec<f64>,
    online: Vec<f64>,
    target: Vec<f64>,
    queue: Option<f64>,
    queue_pointer: usize,
}

/// What Parallax made of the case.
#[derive(Clone, Debug)]
pub struct Replayed {
    case: Case,
    losses: Vec<f64>,
    online_losses: Vec<f64>,
    after: BTreeMap<usize, State>,
}

/// Norms by name and the queue's digest and pointer after a step.
#[derive(Clone, Debug)]
struct State {
    gradients: BTreeMap<String, f64>,
    online: BTreeMap<String, f64>,
    target: BTreeMap<String, f64>,
    queue: Option<(f64, usize)>,
}

/// How far apart the two are.
#[derive(Clone, Debug)]
pub struct Deviation {
    /// Relative, of each step's loss and the online classifier's.
    losses: Vec<f64>,
    /// After the steps of the case's snapshots, those of gradients and those of weights, statistics and queue.
    after: BTreeMap<usize, [f64; 2]>,
}

impl Deviation {
    /// The largest of the first `steps` losses.
    pub fn losses(&self, steps: usize) -> f64 {
        self.losses.iter().take(steps).copied().fold(0.0, worse)
    }

    /// The largest of the gradients' norms in the snapshots of the first `steps` steps, relative to the norm or to a
    /// thousandth of the largest: the gradient of a bias in front of batch norm is zero but for rounding.
    pub fn gradients(&self, steps: usize) -> f64 {
        self.largest(steps, 0)
    }

    /// The largest of the norms of weights and running statistics and of the queue's digest, relative.
    pub fn state(&self, steps: usize) -> f64 {
        self.largest(steps, 1)
    }

    fn largest(&self, steps: usize, which: usize) -> f64 {
        let snapshots = self.after.range(..=steps);
        let figures = snapshots.map(|(_, both)| both[which]);
        // Nothing to compare is no agreement.
        figures.reduce(worse).unwrap_or(f64::NAN)
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "losses, gradients, weights with statistics and queue:")?;
        for steps in self.after.keys() {
            let (losses, gradients) = (self.losses(*steps), self.gradients(*steps));
            let state = self.state(*steps);
            write!(
                f,
                " {losses:.1e}, {gradients:.1e}, {state:.1e} over {steps} steps;"
            )?;
        }
        Ok(())
    }
}

/// The larger; not a number is larger than all.
pub(crate) fn worse(a: f64, b: f64) -> f64 {
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
    let mut after = BTreeMap::new();
    for k in 0..steps {
        let report = run.step(case.batch(&run, k)).await?;
        losses.push(report.loss);
        online_losses.extend(report.online.map(|online| online.loss));
        if case.after.contains_key(&(k + 1)) {
            let gradients = report.norms.unwrap_or_default().gradients;
            after.insert(k + 1, state(&run, gradients).await?);
        }
    }
    Ok(Replayed {
        losses,
        online_losses,
        after,
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

async fn state(run: &Run, gradients: BTreeMap<String, f64>) -> Result<State, RunError> {
    let parts = run.method().parts();
    Ok(State {
        gradients,
        online: lengths(parts.online).await?,
        target: match parts.target {
            Some(target) => lengths(target).await?,
            None => BTreeMap::new(),
        },
        queue: match parts.queue {
            Some(queue) => Some((digest(queue).await?, queue.pointer)),
            None => None,
        },
    })
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

    /// Length of the first step's gradient.
    pub(crate) fn first_gradient(&self) -> f64 {
        let first = self.after.get(&1);
        let squares = first.map(|first| first.gradients.iter().map(|norm| norm * norm).sum());
        squares.map_or(f64::NAN, f64::sqrt)
    }
}

/// The run of a case with weights of its own; one step is one epoch.
pub(crate) fn fresh(case: &Case, device: &Device, overrides: &[String]) -> Result<Run, RunError> {
    let recipe = Recipe::parse(&case.recipe, overrides)?;
    let data = DataShape::new(recipe.run.batch_size, case.classes);
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

/// The queue's content as one number.
pub(crate) async fn digest(queue: &Queue) -> Result<f64, RunError> {
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
    let mut lengths = BTreeMap::new();
    for (name, tensor) in handles(network) {
        let values = read(tensor).await?;
        lengths.insert(name, values.iter().map(|v| v * v).sum::<f64>().sqrt());
    }
    Ok(lengths)
}

/// Every tensor of a network as a vector, running statistics included, in the network's order.
pub(crate) fn handles(network: &ResNet) -> Vec<(String, Tensor<1>)> {
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
    handles.0
}

/// Values in f64, of any device.
pub(crate) async fn read<const D: usize>(tensor: Tensor<D>) -> Result<Vec<f64>, RunError> {
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
        let after = self.after.iter().filter_map(|(step, found)| {
            let expected = case.after.get(step)?;
            let gradients = apart(
                &found.gradients,
                &case.parameters,
                &expected.gradients,
                1e-3,
            );
            let mut state = apart(&found.online, &case.online, &expected.online, 0.0);
            let target = apart(&found.target, &case.target, &expected.target, 0.0);
            state = worse(state, target);
            state = match (found.queue, expected.queue) {
                (None, None) => state,
                (Some((digest, pointer)), Some(queue)) if pointer == expected.queue_pointer => {
                    worse(state, (digest - queue).abs())
                }
                _ => f64::NAN,
            };
            Some((*step, [gradients, state]))
        });
        Deviation {
            after: after.collect(),
            losses,
        }
    }
}

/// The largest relative difference; of a norm below `floor` times the largest one, relative to that. Differences in
/// names are infinite.
fn apart(found: &BTreeMap<String, f64>, names: &[String], expected: &[f64], floor: f64) -> f64 {
    if (found.len(), names.len()) != (expected.len(), expected.len()) {
        return f64::INFINITY;
    }
    let floor = floor * expected.iter().copied().fold(0.0, f64::max);
    names.iter().zip(expected).fold(0.0, |worst, (name, b)| {
        let a = found.get(name).copied().unwrap_or(f64::INFINITY);
        worse(worst, (a - b).abs() / b.max(floor))
    })
}
