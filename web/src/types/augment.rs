//! Views of one image, and the messages between the page of augmentations and its worker.

use parallax_views::{Op, Policy};
use serde::Serialize;
use tsify::Tsify;
use wasm_bindgen::JsValue;

use super::{AdapterInfo, DeviceChoice, DeviceKind, Pixels};

/// A pipeline of the paper with the policies of both views.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct PipelinePolicies {
    /// The recipe's `views.pipeline`.
    pub name: String,
    /// Of the first and the second view.
    #[tsify(type = "[Policy, Policy]")]
    pub policies: [Policy; 2],
}

/// One view, as it was drawn.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct DrawnView {
    /// The view.
    pub pixels: Pixels,
    /// Its operations in order, as text.
    pub ops: Vec<String>,
    /// The part of the image that it shows: left, top, width, height; none where the view is not a random crop.
    #[tsify(optional, type = "[number, number, number, number]")]
    pub crop: Option<[u32; 4]>,
}

/// Views by pass.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct DrawnViews {
    /// For each pass a view for each policy.
    pub passes: Vec<Vec<DrawnView>>,
    /// The device that computed them.
    pub device: DeviceKind,
}

/// An image before and after one operation.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct OneOperation {
    /// The central square.
    pub before: Pixels,
    /// The same after the operation.
    pub after: Pixels,
    /// The operation as text.
    pub text: String,
}

/// An image of the sample by its index, or the visitor's own.
#[derive(Clone, Debug, Tsify)]
#[tsify(type = "number | \"own\"")]
pub struct ImageChoice(pub JsValue);

/// What to draw. The worker draws the newest request and drops older ones.
#[derive(Clone, Debug, Tsify)]
pub struct DrawRequest {
    /// Counts the requests of the page.
    pub turn: u32,
    /// Where to draw.
    pub device: DeviceChoice,
    /// Which image.
    pub picture: ImageChoice,
    /// One policy a view.
    pub policies: Vec<Policy>,
    /// The run's seed.
    pub seed: u32,
    /// The pass in front, drawn first.
    pub pass: u32,
    /// How many passes are drawn, from pass 0.
    pub passes: u32,
    /// Side of a view in pixels.
    pub size: u32,
    /// The single operation to show.
    pub op: Op,
}

/// From the page of augmentations to its worker.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum AugmentCommand {
    /// Opens a file of the visitor's.
    Open {
        /// JPEG, PNG or WebP.
        #[tsify(type = "File")]
        file: JsValue,
    },
    /// Draws views.
    Draw {
        /// What to draw.
        request: DrawRequest,
    },
}

/// How much of the page of augmentations an error stops.
#[derive(Clone, Copy, Debug, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum AugmentTrouble {
    /// One drawing failed.
    Draw,
    /// The worker has to be replaced.
    Worker,
    /// The worker has to be replaced, and the CPU has to draw.
    Gpu,
}

/// From the worker to the page of augmentations.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum AugmentEvent {
    /// The module is being fetched.
    Loading {
        /// So many have arrived.
        megabytes: f64,
    },
    /// The worker takes commands.
    Ready {
        /// All pipelines.
        pipelines: Vec<PipelinePolicies>,
        /// Images of the sample.
        pictures: u32,
        /// The graphics adapter.
        gpu: AdapterInfo,
    },
    /// The visitor's file was read.
    Opened {
        /// The file's name.
        name: String,
    },
    /// The visitor's file could not be read.
    Refused {
        /// The file's name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The image of the draws that follow.
    Picture {
        /// Which one.
        picture: ImageChoice,
        /// The image.
        pixels: Pixels,
        /// Its class; empty for the visitor's.
        label: String,
    },
    /// Passes from `first` on.
    Views {
        /// Of the request.
        turn: u32,
        /// The first pass.
        first: u32,
        /// For each pass a view for each policy.
        passes: Vec<Vec<DrawnView>>,
        /// The device that computed them.
        device: DeviceKind,
        /// The device's name.
        name: String,
        /// Time a view took.
        milliseconds: f64,
    },
    /// The single operation.
    Operation {
        /// Of the request.
        turn: u32,
        /// Before and after.
        #[serde(flatten)]
        operation: OneOperation,
    },
    /// All of a request is drawn.
    Done {
        /// Of the request.
        turn: u32,
    },
    /// Something failed.
    Error {
        /// How much.
        trouble: AugmentTrouble,
        /// For the visitor.
        message: String,
        /// For a report of the problem.
        detail: String,
    },
}
