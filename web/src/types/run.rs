//! What a run reports.

use js_sys::{Float32Array, Uint8Array, Uint32Array};
use parallax_probes::Metrics;
use serde::{Deserialize, Serialize};
use tsify::Tsify;

use super::Pixels;

/// A measured value.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct Metric {
    /// Its key in event logs.
    pub key: String,
    /// Its name for people; may be empty.
    pub label: String,
    /// The value.
    pub value: f64,
    /// The value with its unit for people.
    pub text: String,
}

/// The metrics of Rust as JavaScript sees them.
pub(crate) fn metrics(metrics: &Metrics) -> Vec<Metric> {
    let one = |(metric, value): (&parallax_probes::Metric, f64)| Metric {
        key: metric.key.to_string(),
        label: metric.label.to_string(),
        value,
        text: metric.value(value),
    };
    metrics.iter().map(one).collect()
}

/// One optimiser step.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct StepReport {
    /// Steps taken, this one included.
    pub step: u64,
    /// Loss of the batch.
    pub loss: f64,
    /// Learning rate.
    pub lr: f64,
    /// EMA momentum of the target network; none without a target.
    #[tsify(optional)]
    pub momentum: Option<f64>,
    /// Images in the batch.
    pub images: u32,
    /// Standard deviation of the L2-normalised embeddings over the batch, times the root of their dimension: near 1 for directions
    /// spread evenly, 0 for a collapsed network.
    pub collapse: f32,
    /// All figures of the step.
    pub metrics: Vec<Metric>,
}

/// One image and its two views.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct ViewPair {
    /// Index in the training set.
    pub index: u32,
    /// The image.
    pub source: Pixels,
    /// The two views.
    #[tsify(type = "[Pixels, Pixels]")]
    pub views: [Pixels; 2],
    /// The operations of each view in order, as text.
    #[tsify(type = "[string[], string[]]")]
    pub ops: [Vec<String>; 2],
}

/// An image whose key is in the queue.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct QueuedImage {
    /// Steps since its key was enqueued, from 0; null for a key of the initial queue, which is random.
    #[tsify(type = "number | null")]
    pub age: Option<u64>,
    /// The image; null with the age.
    #[tsify(type = "Pixels | null")]
    pub image: Option<Pixels>,
}

/// Accuracy of the features at a step.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct ProbeReport {
    /// Steps taken.
    pub step: u64,
    /// Accuracies on the held-out images: kNN accuracy under `knn`.
    pub metrics: Vec<Metric>,
    /// As in the last step's report.
    pub collapse: f32,
    /// Mean cosine similarity of the features of two views of the same image, over the images of the run's first batch.
    pub same: f32,
    /// The same for views of different images.
    pub other: f32,
    /// The filters of the first layer, one after the other: three planes (red, green, blue), each row by row.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub filters: Float32Array,
    /// Rows and columns of a filter.
    pub filter_side: u32,
    /// First two principal components of the held-out features: x, y, x, y, ...
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub embedding: Float32Array,
    /// Class of each held-out image.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint32Array")]
    pub labels: Uint32Array,
}

/// Whose features a row of the final table evaluates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// The trained backbone.
    Trained,
    /// The same backbone at its initialisation.
    Random,
    /// Normalised pixels.
    Pixels,
}

/// One row of the final table.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct TableRow {
    /// Whose features.
    pub encoder: Encoder,
    /// Those of the recipe's evaluators, on the held-out images: `knn`, `linear`.
    pub metrics: Vec<Metric>,
}

/// One file of a checkpoint.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct CheckpointFile {
    /// The name that the command line knows.
    pub name: String,
    /// The content.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint8Array")]
    pub bytes: Uint8Array,
}

impl CheckpointFile {
    /// A copy that JavaScript owns.
    pub fn new(name: &str, content: &[u8]) -> Self {
        Self {
            name: name.to_string(),
            bytes: Uint8Array::from(content),
        }
    }
}

/// A weight file, evaluated.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct Evaluation {
    /// The recipe that the weights were trained by.
    pub recipe: RecipeFacts,
    /// kNN accuracy on the held-out images, in percent.
    pub knn: f64,
}

/// What a recipe says, for display.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct RecipeFacts {
    /// The system of the paper: the method, followed by `-lars` where LARS is the optimiser.
    pub system: String,
    /// The system's label.
    pub label: String,
    /// The recipe with every value.
    pub toml: String,
}

/// A system of the paper that the page offers: a method, and its optimiser where that is not SGD.
#[derive(Clone, Debug, PartialEq, Serialize, Tsify)]
pub struct System {
    /// Its name in recipes: `page/NAME-tiny`.
    pub name: String,
    /// Its name for people.
    pub label: String,
    /// Whether the loss uses labels.
    pub supervised: bool,
    /// Whether it has a target network.
    pub target: bool,
    /// Whether it has a queue of keys.
    pub queue: bool,
    /// Whether its online network alone has a predictor, which `method.predictor=false` leaves out.
    pub predictor: bool,
}

/// What a run does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum Due {
    /// An optimiser step: `step()`.
    Step,
    /// The periodic evaluation of the features: `probe()`.
    Probe,
    /// Saving the run: `checkpoint()`.
    Checkpoint,
    /// The final table: `finish()`.
    Evaluate,
    /// Nothing: the run has ended or was stopped.
    Done,
}

/// Whether to stop a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum Stop {
    /// Continue.
    No,
    /// Save and stop, to continue later.
    Suspend,
    /// Save and evaluate, as after the last step.
    End,
}

/// A network and a run length of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum Size {
    /// The network of the default recipe.
    Tiny,
    /// A ResNet-18 of width 16.
    Small,
}
