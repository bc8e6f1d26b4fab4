//! What is computed from an encoder's features and weights, and the messages about it between the training page and its worker.

use js_sys::{Float32Array, Uint8Array, Uint32Array};
use serde::{Deserialize, Serialize};
use tsify::Tsify;

use super::Pixels;

/// One of the two encoders that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum ComparedEncoder {
    /// The encoder as it was trained so far.
    Trained,
    /// The same encoder at its initialisation.
    Random,
}

/// What names a class from features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum ClassifierKind {
    /// The nearest neighbours.
    Knn,
    /// The classifier of the linear evaluation.
    Linear,
}

/// The held-out images, small.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct HeldOut {
    /// Columns and rows of an image.
    pub side: u32,
    /// All images, one after the other: four bytes a pixel, row by row.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint8Array")]
    pub rgba: Uint8Array,
    /// Class of each image.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint32Array")]
    pub labels: Uint32Array,
    /// Names of the classes.
    pub classes: Vec<String>,
}

/// A training image near a held-out one.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct NearImage {
    /// Index in the training set.
    pub index: u32,
    /// Its class.
    pub label: u32,
    /// Cosine of the angle between both features.
    pub similarity: f32,
    /// The image, small.
    pub image: Pixels,
}

/// The nearest training images of a held-out image, nearest first.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct NearImages {
    /// Index of the held-out image.
    pub index: u32,
    /// By the features of the trained encoder.
    pub trained: Vec<NearImage>,
    /// By those of the untrained one.
    pub random: Vec<NearImage>,
}

/// The maps of a stage of a network.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct StageMaps {
    /// Rows.
    pub height: u32,
    /// Columns.
    pub width: u32,
    /// Maps.
    pub channels: u32,
    /// Pixel by pixel, row by row, all channels of a pixel together.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub values: Float32Array,
}

/// What an encoder sees in a held-out image.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct Seen {
    /// The held-out image.
    pub index: u32,
    /// The filters of the first layer, one after the other: three planes (red, green, blue), each row by row.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub filters: Float32Array,
    /// Rows and columns of a filter.
    pub filter_side: u32,
    /// From the first stage to the last.
    pub stages: Vec<StageMaps>,
    /// The share of each pixel of the last stage in the feature, by Grad-CAM; the sum is 1.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub attention: Float32Array,
}

/// A confusion matrix of the held-out images.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct ConfusionTable {
    /// Counts row by row: a row for each class, a column for each predicted class.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint32Array")]
    pub counts: Uint32Array,
    /// Images whose class was predicted, in percent.
    pub accuracy: f64,
}

/// Accuracy of a linear classifier during its training, in percent.
#[derive(Clone, Copy, Debug, Serialize, Tsify)]
pub struct LinearPoint {
    /// Passes over the training images.
    pub epoch: f64,
    /// Held-out images whose class has the highest score.
    pub top1: f64,
    /// Held-out images whose class is among the five with the highest scores.
    pub top5: f64,
}

/// The norms of a layer in several checkpoints.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct LayerNormRow {
    /// The tensor's name, as PyTorch has it.
    pub name: String,
    /// Its L2 norm in each checkpoint; null where it lacks the tensor.
    #[tsify(type = "(number | null)[]")]
    pub norms: Vec<Option<f64>>,
}

/// Weights after NormRescale.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct RescaledWeights {
    /// A `weights.safetensors`.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint8Array")]
    pub bytes: Uint8Array,
    /// Tensors that were rescaled.
    pub rescaled: u32,
    /// Tensors that stayed: counters, tensors of zeros, and those of heads that the anchor lacks.
    pub unchanged: u32,
}

/// Which weights.
#[derive(Clone, Debug, PartialEq, Eq, Tsify)]
#[serde(tag = "of", rename_all = "lowercase")]
pub enum WeightsChoice {
    /// Those of the evaluated encoder.
    Trained,
    /// Those of the same encoder at its initialisation.
    Random,
    /// Those of a saved run.
    Saved {
        /// The run.
        run: String,
    },
}

/// What the worker is asked to compute, between two steps of a run or without one.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum EvaluateTask {
    /// Takes the encoder as it is now, and computes the features of all images.
    Encode,
    /// Finds the nearest training images of a held-out image.
    Neighbours {
        /// The held-out image.
        index: u32,
    },
    /// Looks at a held-out image with both encoders.
    Look {
        /// The held-out image.
        index: u32,
    },
    /// Counts a confusion matrix.
    Confusion {
        /// Whose features.
        encoder: ComparedEncoder,
        /// What predicts.
        classifier: ClassifierKind,
    },
    /// Trains a linear classifier on the features of each encoder.
    Linear,
    /// Measures the norms of each layer.
    Norms {
        /// The checkpoints.
        weights: Vec<WeightsChoice>,
    },
    /// Rescales weights to the norms of others.
    Rescale {
        /// What is rescaled.
        weights: WeightsChoice,
        /// Whose norms it takes.
        anchor: WeightsChoice,
    },
}

/// What the worker has computed.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum EvaluateReport {
    /// How far the features are.
    Progress {
        /// 0 to 1.
        fraction: f64,
    },
    /// The features are there.
    Encoded {
        /// Steps that the encoder was trained for.
        step: u64,
        /// The held-out images.
        held_out: HeldOut,
        /// First two principal components of the held-out features: x, y, x, y, ...
        #[tsify(type = "Record<ComparedEncoder, Float32Array>")]
        embedding: Float32Array,
    },
    /// Nearest training images.
    Neighbours {
        /// Of both encoders.
        near: NearImages,
    },
    /// What both encoders see in an image.
    Looked {
        /// By the encoder.
        #[tsify(type = "Record<ComparedEncoder, Seen>")]
        seen: Seen,
    },
    /// A confusion matrix.
    Confusion {
        /// Whose features.
        encoder: ComparedEncoder,
        /// What predicted.
        classifier: ClassifierKind,
        /// The counts.
        table: ConfusionTable,
    },
    /// The linear evaluation so far.
    Linear {
        /// Epochs of the whole evaluation.
        epochs: u64,
        /// The curve of each encoder.
        #[tsify(type = "Record<ComparedEncoder, LinearPoint[]>")]
        curves: Vec<LinearPoint>,
        /// Whether both classifiers are trained.
        done: bool,
    },
    /// Norms of each layer.
    Norms {
        /// A row for each layer, from input to output.
        rows: Vec<LayerNormRow>,
    },
    /// Rescaled weights.
    Rescaled {
        /// Weights, anchor, and the rescaled weights, measured again.
        rows: Vec<LayerNormRow>,
        /// The result.
        rescaled: RescaledWeights,
    },
    /// That failed; the run goes on.
    Failed {
        /// What was asked for.
        task: String,
        /// For the visitor.
        message: String,
    },
}
