//! A whole step of every system at the paper's own scale: ResNet-50, images of 224 pixels, a queue of 65,536 keys, beside
//! PyTorch, whose figures stand in `cases/resnet50-224.json`. Only the batch is small.

use std::collections::BTreeMap;
use std::fmt;

use burn::tensor::{Device, Tensor};
use parallax_nets::ResNet;
use parallax_nets::names::is_buffer;
use parallax_train::{Batch, DataShape, RECIPES, Recipe, Run, RunError};
use serde::Deserialize;

use crate::inputs::{around, noise};
use crate::replay::{begin, digest, handles, read, worse};

const CASE: &str = include_str!("../cases/resnet50-224.json");
const SIDE: usize = 224;
/// Side of a patch of one colour.
const CELL: usize = 32;

/// What `reference_224.py` wrote.
#[derive(Deserialize)]
struct Cases {
    classes: usize,
    /// Names of the backbone's tensors.
    backbone: Vec<String>,
    systems: BTreeMap<String, System>,
}

#[derive(Deserialize)]
struct System {
    /// What differs from the recipe of that name.
    overrides: Vec<String>,
    loss: f64,
    online_loss: Option<f64>,
    head: Vec<String>,
    target_head: Vec<String>,
    /// Norms, parameter by parameter.
    gradients: Vec<f64>,
    /// Two numbers a tensor: see [`moves`].
    online: Vec<f64>,
    target: Vec<f64>,
    queue: Option<f64>,
    queue_pointer: usize,
    pytorch_in_f32: StepDeviation,
}

/// How far apart the two are after one step.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct StepDeviation {
    /// Relative, of the loss and the online classifier's.
    pub loss: f64,
    /// Of gradient norms, relative to the norm or to a thousandth of the largest.
    pub gradients: f64,
    /// Of the moves of weights and running statistics in the step, relative likewise.
    pub moves: f64,
    /// Of the queue's digest, absolute; not a number where the pointer is elsewhere.
    pub queue: f64,
}

impl fmt::Display for StepDeviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            loss,
            gradients,
            moves,
            queue,
        } = self;
        write!(
            f,
            "loss {loss:.1e}, gradients {gradients:.1e}, moves of weights and statistics {moves:.1e}, queue {queue:.1e}"
        )
    }
}

impl StepDeviation {
    fn values(&self) -> [f64; 4] {
        [self.loss, self.gradients, self.moves, self.queue]
    }

    /// The larger of each.
    #[must_use]
    pub fn worst(&self, other: &Self) -> Self {
        Self {
            loss: worse(self.loss, other.loss),
            gradients: worse(self.gradients, other.gradients),
            moves: worse(self.moves, other.moves),
            queue: worse(self.queue, other.queue),
        }
    }

    /// Whether it is at most `times` as far in everything.
    pub fn within(&self, other: &Self, times: f64) -> bool {
        let pairs = self.values().into_iter().zip(other.values());
        pairs
            .into_iter()
            .all(|(mine, theirs)| mine <= times * theirs)
    }
}

/// A system, how far Parallax is from PyTorch in f64, and how far PyTorch in f32 is.
pub type Compared = (String, StepDeviation, StepDeviation);

/// Takes a step of every system on `device` (without autodiff), by the recipes of the paper's scale with a batch of 4.
///
/// # Errors
/// When a run fails, or has other tensors than PyTorch's.
pub async fn paper_scale(device: &Device) -> Result<Vec<Compared>, RunError> {
    let cases: Cases = serde_json::from_str(CASE).map_err(|error| differs(&error.to_string()))?;
    let mut found = Vec::new();
    for (name, system) in &cases.systems {
        let deviation = step(name, system, &cases, device).await?;
        found.push((name.clone(), deviation, system.pytorch_in_f32));
    }
    Ok(found)
}

fn differs(reason: &str) -> RunError {
    RunError::Checkpoint {
        file: "resnet50-224.json".to_string(),
        reason: reason.to_string(),
    }
}

async fn step(
    name: &str,
    system: &System,
    cases: &Cases,
    device: &Device,
) -> Result<StepDeviation, RunError> {
    let text = RECIPES.iter().find(|(other, _)| *other == name);
    let (_, text) = text.ok_or_else(|| differs(&format!("there is no recipe '{name}'")))?;
    let recipe = Recipe::parse(text, &system.overrides)?;
    let data = DataShape::new(recipe.run.batch_size, cases.classes);
    let mut run = Run::new(recipe, data, device)?;
    run.measure_norms(true);
    begin(&mut run, device);
    let before = tensors(&run);
    let batch = batch(run.recipe(), cases.classes as u32);
    let report = run.step(batch).await?;

    let mut loss = (report.loss - system.loss).abs() / system.loss.abs();
    loss = match (report.online, system.online_loss) {
        (Some(online), Some(expected)) => worse(loss, (online.loss - expected).abs() / expected),
        (None, None) => loss,
        _ => f64::NAN,
    };
    let norms = report.norms.unwrap_or_default().gradients;
    let named = |head: &[String]| [cases.backbone.as_slice(), head].concat();
    let names = named(&system.head);
    let parameters = names.iter().filter(|name| !is_buffer(name));
    let gradients: Vec<f64> = parameters
        .map(|name| norms.get(name).copied().unwrap_or(f64::NAN))
        .collect();
    let mut apart = 0.0;
    let expected = [
        (names, &system.online),
        (named(&system.target_head), &system.target),
    ];
    let after = tensors(&run);
    for ((before, after), (names, expected)) in before.into_iter().zip(after).zip(expected) {
        if !before.iter().map(|(name, _)| name).eq(&names) && !before.is_empty() {
            return Err(differs(&format!("{name}: names are not {names:?}")));
        }
        let moves = moves(before, after).await?;
        apart = worse(apart, moves_apart(&moves, expected));
    }
    let queue = match (run.method().parts().queue, system.queue) {
        (Some(queue), Some(expected)) if queue.pointer == system.queue_pointer => {
            (digest(queue).await? - expected).abs()
        }
        (None, None) => 0.0,
        _ => f64::NAN,
    };
    Ok(StepDeviation {
        loss,
        gradients: apart_of(&gradients, &system.gradients),
        moves: apart,
        queue,
    })
}

type Tensors = Vec<(String, Tensor<1>)>;

/// Those of the online network and of the target.
fn tensors(run: &Run) -> [Tensors; 2] {
    let of = |network: Option<&ResNet>| network.map(handles).unwrap_or_default();
    let parts = run.method().parts();
    [of(Some(parts.online)), of(parts.target)]
}

/// Of every tensor's move its norm, and its product with noise of variance one, which sees signs and places.
async fn moves(before: Tensors, after: Tensors) -> Result<Vec<f64>, RunError> {
    let mut moves = Vec::new();
    for (number, ((_, before), (_, after))) in before.into_iter().zip(after).enumerate() {
        let (before, after) = (read(before).await?, read(after).await?);
        let weights = noise(30_000 + number as u32, before.len(), 12f64.sqrt(), 0.0);
        let (mut square, mut product) = (0.0, 0.0);
        for ((old, new), weight) in before.iter().zip(&after).zip(&weights) {
            let step = new - old;
            square += step * step;
            product += step * f64::from(*weight);
        }
        moves.extend([square.sqrt(), product]);
    }
    Ok(moves)
}

/// The largest difference of norms and products, relative to the norm or to a thousandth of the largest.
fn moves_apart(found: &[f64], expected: &[f64]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let floor = 1e-3 * expected.iter().step_by(2).copied().fold(0.0, f64::max);
    let pairs = found.chunks(2).zip(expected.chunks(2));
    pairs.fold(0.0, |worst, (a, b)| {
        let scale = b[0].max(floor);
        let [norm, product] = [0, 1].map(|i| (a[i] - b[i]).abs() / scale);
        worse(worst, worse(norm, product))
    })
}

fn apart_of(found: &[f64], expected: &[f64]) -> f64 {
    if found.len() != expected.len() {
        return f64::INFINITY;
    }
    let floor = 1e-3 * expected.iter().copied().fold(0.0, f64::max);
    let pairs = found.iter().zip(expected);
    pairs.fold(0.0, |worst, (a, b)| {
        worse(worst, (a - b).abs() / b.max(floor))
    })
}

/// Large patches and fine grain, so that images differ after pooling, too.
fn batch(recipe: &Recipe, classes: u32) -> Batch {
    let (size, cells) = (recipe.run.batch_size, SIDE / CELL);
    let patches = noise(20_000, size * 3 * cells * cells, 4.0, 0.0);
    let grain = noise(20_001, size * 3 * SIDE * SIDE, 2.0, 0.0);
    let image: Vec<f64> = grain
        .iter()
        .enumerate()
        .map(|(at, grain)| {
            let (plane, y, x) = (at / (SIDE * SIDE), at / SIDE % SIDE, at % SIDE);
            let patch = patches[(plane * cells + y / CELL) * cells + x / CELL];
            f64::from(patch) + f64::from(*grain)
        })
        .collect();
    let groups = recipe.method.bn_groups as u32;
    around(&image, 0, size, SIDE, classes, groups, 1.0)
}
