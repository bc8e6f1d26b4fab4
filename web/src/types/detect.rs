//! What a detector computes for an image, and the messages between the page and the worker that detects.

use js_sys::{Float32Array, Int32Array, Uint32Array};
use serde::Serialize;
use tsify::Tsify;

use super::{DeviceChoice, DeviceKind, Pixels};

/// Boxes before and after non-maximum suppression (NMS).
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct NmsBoxes {
    /// x1, y1, x2, y2 of each, in pixels of the image.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub boxes: Float32Array,
    /// Of each, from 0 to 1: objectness, or the probability of its class.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub scores: Float32Array,
    /// Boxes suppress those of the same group alone: a level of the feature pyramid, or a class.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint32Array")]
    pub groups: Uint32Array,
    /// The better box that suppresses each; -1 for those that survive.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Int32Array")]
    pub suppressed_by: Int32Array,
    /// The survivors that are kept, best first.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint32Array")]
    pub kept: Uint32Array,
    /// Boxes whose intersection over union is above it suppress each other.
    pub threshold: f32,
}

/// What a detector computes for an image.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct SearchedImage {
    /// The image as it is shown, in whose pixels boxes are.
    pub image: Pixels,
    /// Width and height of the image as the network sees it.
    #[tsify(type = "[number, number]")]
    pub network: [u32; 2],
    /// All anchors, of which the best became candidates.
    pub anchors: u32,
    /// Candidates for proposals; what NMS keeps are the proposals.
    pub candidates: NmsBoxes,
    /// The anchor of each candidate, as `boxes`.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub candidate_anchors: Float32Array,
    /// The probability of each class for each proposal, the background last.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub probabilities: Float32Array,
    /// Boxes of classes; what NMS keeps are the detections.
    pub scored: NmsBoxes,
    /// The proposal of each box of a class.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint32Array")]
    pub scored_proposals: Uint32Array,
}

/// A proposal under RoIAlign.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct PooledRegion {
    /// The edges of the bins along x and y, in pixels of the image.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "[Float32Array, Float32Array]")]
    pub edges: js_sys::Array,
    /// The sampled columns and rows: samples are all pairs of both.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "[Float32Array, Float32Array]")]
    pub samples: js_sys::Array,
    /// Bins along each axis.
    pub side: u32,
    /// Channels of the feature map.
    pub channels: u32,
    /// The pooled map, row by row, the channels of a bin in a row.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Float32Array")]
    pub values: Float32Array,
}

/// From the page to the worker that detects.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum DetectCommand {
    /// Opens the page's detector.
    Open {
        /// Where it computes.
        device: DeviceChoice,
    },
    /// Searches an image that comes with the page.
    Sample {
        /// Counts the images; reports about earlier ones are dropped.
        turn: u32,
        /// Its number.
        number: u32,
    },
    /// Searches an image of the visitor's.
    Own {
        /// Counts the images.
        turn: u32,
        /// JPEG, PNG or WebP.
        #[tsify(type = "File")]
        file: wasm_bindgen::JsValue,
    },
    /// Pools a proposal of the image that was searched last.
    Pool {
        /// Of the image.
        turn: u32,
        /// The proposal.
        proposal: u32,
    },
}

/// How much an error stops.
#[derive(Clone, Copy, Debug, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum DetectTrouble {
    /// One image.
    Image,
    /// The worker has to be replaced.
    Worker,
    /// The worker has to be replaced, and the CPU has to detect.
    Gpu,
}

/// From the worker that detects to the page.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum DetectEvent {
    /// The program or the detector is being fetched.
    Loading {
        /// So many have arrived.
        megabytes: f64,
    },
    /// The worker takes commands.
    Ready {},
    /// The detector is there.
    Opened {
        /// Names of its classes.
        classes: Vec<String>,
        /// Where it computes.
        device: DeviceKind,
        /// The device's name.
        name: String,
        /// Why there.
        reason: String,
    },
    /// An image was searched.
    Searched {
        /// Of the command.
        turn: u32,
        /// What was found.
        searched: SearchedImage,
        /// Time it took.
        milliseconds: f64,
    },
    /// A proposal was pooled.
    Pooled {
        /// Of the image.
        turn: u32,
        /// The proposal.
        proposal: u32,
        /// What was pooled.
        region: PooledRegion,
    },
    /// Something failed.
    Error {
        /// How much.
        trouble: DetectTrouble,
        /// For the visitor.
        message: String,
        /// For a report of the problem.
        detail: String,
    },
}
