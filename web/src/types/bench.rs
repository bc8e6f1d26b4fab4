//! What the benchmarks measure, and the messages between their page and its worker.

use js_sys::Uint8Array;
use parallax_views::Op;
use serde::{Deserialize, Serialize};
use tsify::Tsify;

use super::DeviceKind;

/// The network and the batch that are measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, Tsify)]
pub struct BenchSetting {
    /// Channels of the ResNet-18's first stage.
    pub width: u32,
    /// Side of an image in pixels.
    pub size: u32,
    /// Images in the batch.
    pub batch: u32,
}

/// A convolution with square images and kernels.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchConvolution {
    /// As the tables call it.
    pub name: String,
    /// Images.
    pub batch: usize,
    /// Side of the input in pixels.
    pub size: usize,
    /// Input channels.
    pub inputs: usize,
    /// Output channels.
    pub outputs: usize,
    /// Side of the kernel.
    pub kernel: usize,
    /// Of both axes.
    pub stride: usize,
    /// Of all sides.
    pub padding: usize,
}

/// Columns of the tables, and the convolutions that are measured.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchPlan {
    /// Columns of the table of kernels.
    pub kernels: Vec<String>,
    /// Columns of the table of steps.
    pub steps: Vec<String>,
    /// The network's convolutions.
    pub convolutions: Vec<BenchConvolution>,
}

/// One operation, measured.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchLine {
    /// The shape's name.
    pub shape: String,
    /// Forward or a gradient.
    pub operation: String,
    /// Time of one call.
    pub seconds: f64,
    /// The row of the table.
    pub cells: Vec<String>,
}

/// All kernels, measured.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchKernels {
    /// Name of the adapter.
    pub adapter: String,
    /// Operations a second of the fastest matrix product.
    pub product: f64,
}

/// Training steps, measured.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchStep {
    /// Name of the adapter.
    pub adapter: String,
    /// Median time of a step.
    pub seconds: f64,
    /// Time of the first step, in seconds.
    pub first: f64,
    /// The row of the table.
    pub cells: Vec<String>,
}

/// The operations of a pipeline's batch.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchPipeline {
    /// The pipeline.
    pub name: String,
    /// For each image the operations of both views.
    #[tsify(type = "[Op[], Op[]][]")]
    pub lists: Vec<[Vec<Op>; 2]>,
}

/// What views are made of, for other implementations.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchViewPlan {
    /// Columns of the table.
    pub columns: Vec<String>,
    /// Columns of the image.
    pub width: u32,
    /// Rows of the image.
    pub height: u32,
    /// Three bytes a pixel, row by row.
    #[serde(with = "serde_wasm_bindgen::preserve")]
    #[tsify(type = "Uint8Array")]
    pub rgb: Uint8Array,
    /// Every pipeline.
    pub pipelines: Vec<BenchPipeline>,
}

/// A pipeline's batch of views, measured.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchViewLine {
    /// The pipeline.
    pub pipeline: String,
    /// Time of a batch.
    pub seconds: f64,
    /// Of all normalised values: what other implementations are compared with.
    pub mean: f64,
    /// The row of the table.
    pub cells: Vec<String>,
}

/// All pipelines, measured.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct BenchViews {
    /// Name of the adapter.
    pub adapter: String,
}

/// From the page of benchmarks to its worker.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum BenchCommand {
    /// Asks for a [`BenchPlan`].
    Plan {
        /// Of this network.
        setting: BenchSetting,
    },
    /// Measures every operation.
    Kernels {
        /// Where.
        device: DeviceKind,
        /// Of this network.
        setting: BenchSetting,
        /// Time for each figure.
        seconds: f64,
    },
    /// Measures training steps.
    Step {
        /// Where.
        device: DeviceKind,
        /// Of this network.
        setting: BenchSetting,
        /// Steps after the first.
        steps: u32,
    },
    /// Asks for a [`BenchViewPlan`].
    ViewPlan {
        /// Of this batch.
        setting: BenchSetting,
    },
    /// Measures views.
    Views {
        /// Where.
        device: DeviceKind,
        /// Of this batch.
        setting: BenchSetting,
        /// Time for each figure.
        seconds: f64,
    },
}

/// From the worker to the page of benchmarks.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum BenchEvent {
    /// What is going on.
    State {
        /// For the visitor.
        text: String,
    },
    /// The plan.
    Plan(BenchPlan),
    /// An operation.
    Line {
        /// Its figures.
        line: BenchLine,
    },
    /// The end of the kernels.
    Kernels(BenchKernels),
    /// The training steps.
    Step(BenchStep),
    /// The plan of the views.
    ViewPlan {
        /// The plan.
        plan: BenchViewPlan,
    },
    /// A batch of views.
    View {
        /// Its figures.
        line: BenchViewLine,
    },
    /// The end of the views.
    Views(BenchViews),
    /// The measurement failed.
    Error {
        /// For the visitor.
        message: String,
    },
}
