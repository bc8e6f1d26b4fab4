//! The messages between the training page and its worker. Each carries the id of its run; `''` stands for none.

use serde::{Deserialize, Serialize};
use tsify::Tsify;
use wasm_bindgen::JsValue;

use super::{
    CheckpointFile, DeviceKind, EvaluateReport, EvaluateTask, ProbeReport, QueuedImage,
    RecipeFacts, Size, StepReport, TableRow, ViewPair,
};

/// The visitor's choice of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// A hardware adapter where there is one, else the CPU.
    Auto,
    /// WebGPU, also on a software adapter.
    Webgpu,
    /// The CPU.
    Cpu,
}

/// What the visitor sets up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, Tsify)]
#[tsify(missing_as_null)]
pub struct Settings {
    /// Name of a [`System`](super::System).
    pub method: String,
    /// Network and length.
    pub size: Size,
    /// Where to train.
    pub device: DeviceChoice,
    /// The recipe's `run.seed`.
    pub seed: u32,
    /// The recipe's `run.total_steps`; null keeps its own.
    pub steps: Option<u32>,
    /// The recipe's `run.batch_size`; null keeps its own.
    pub batch: Option<u32>,
    /// The recipe's `data.class_ratio`, with as many steps as all classes would take; null keeps its own.
    pub ratio: Option<f64>,
    /// Other values of the recipe, each as `section.key=value`.
    pub overrides: Vec<String>,
}

/// A picture of the visitor's.
#[derive(Clone, Debug, Tsify)]
pub struct Picture {
    /// Its path.
    pub name: String,
    /// Its class: the name of its folder.
    pub label: String,
    /// The file.
    #[tsify(type = "File")]
    pub file: JsValue,
}

/// A file of a checkpoint, chosen by the visitor.
#[derive(Clone, Debug, Tsify)]
pub struct LooseFile {
    /// Its name.
    pub name: String,
    /// The file.
    #[tsify(type = "File")]
    pub file: JsValue,
}

/// The curves, stored with a checkpoint so that they survive a reload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, Tsify)]
pub struct History {
    /// Classes of the training set; 0 where they are not known.
    pub classes: u32,
    /// Step, loss, collapse.
    #[tsify(type = "[step: number, loss: number, collapse: number][]")]
    pub steps: Vec<(u64, f64, f32)>,
    /// Step, kNN accuracy in percent, collapse.
    #[tsify(type = "[step: number, knn: number, collapse: number][]")]
    pub probes: Vec<(u64, f64, f32)>,
    /// Step, and the mean similarities of views of the same image and of different images; runs of earlier versions lack it.
    #[tsify(optional, type = "[step: number, same: number, other: number][]")]
    pub views: Option<Vec<(u64, f32, f32)>>,
}

/// Kinds of graphics adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum AdapterKind {
    /// A GPU.
    Hardware,
    /// A software adapter.
    Software,
    /// An adapter with smaller limits than WebGPU's defaults, or without `timestamp-query`.
    Limited,
    /// There is no WebGPU.
    None,
}

/// The graphics adapter of the browser.
#[derive(Clone, Debug, Serialize, Tsify)]
pub struct AdapterInfo {
    /// Its kind.
    pub kind: AdapterKind,
    /// Its name.
    pub name: String,
    /// What a limited one lacks. Of none, the page adds why and what the visitor can do.
    pub advice: String,
}

/// What goes wrong with a graphics device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum DeviceTrouble {
    /// The browser took it away.
    Lost,
    /// It refused an operation, so that its results are wrong.
    Refused,
}

/// From the page to its worker.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "lowercase")]
#[tsify(missing_as_null)]
pub enum TrainCommand {
    /// Begins a run.
    Start {
        /// The new run.
        run: String,
        /// What to train.
        settings: Settings,
        /// The visitor's pictures; null for the sample.
        pictures: Option<Vec<Picture>>,
    },
    /// Continues a paused run, or opens a saved one.
    Resume {
        /// The run.
        run: String,
        /// Where to train.
        device: DeviceChoice,
        /// The visitor's pictures; null for the sample.
        pictures: Option<Vec<Picture>>,
    },
    /// Pauses after the step.
    Pause {
        /// The run.
        run: String,
    },
    /// Takes one step of a paused run.
    Step {
        /// The run.
        run: String,
    },
    /// Whether the page shows pictures of the run.
    Live {
        /// Empty.
        run: String,
        /// Whether it does; it does at first.
        live: bool,
    },
    /// Saves a checkpoint.
    Save {
        /// The run.
        run: String,
    },
    /// Ends the run after the step.
    Stop {
        /// The run.
        run: String,
    },
    /// Reads the visitor's pictures and reports which could not be read.
    Check {
        /// A name for the errand.
        run: String,
        /// The pictures.
        pictures: Vec<Picture>,
    },
    /// Evaluates checkpoint files; a complete checkpoint becomes a saved run.
    Load {
        /// The run that it becomes.
        run: String,
        /// The files, or a tar archive of them.
        files: Vec<LooseFile>,
        /// Where to evaluate.
        device: DeviceChoice,
        /// The visitor's pictures; null for the sample.
        pictures: Option<Vec<Picture>>,
    },
    /// Opens a saved run's encoder for evaluation, with the pictures that it was trained on.
    Open {
        /// The run.
        run: String,
        /// Where to compute features.
        device: DeviceChoice,
        /// The visitor's pictures; null for the sample.
        pictures: Option<Vec<Picture>>,
    },
    /// Evaluates the encoder that the worker has: that of the run in training, of the last run, or of an opened one.
    Evaluate {
        /// Empty.
        run: String,
        /// Counts the encoders of the page; reports about earlier ones are dropped.
        turn: u32,
        /// What to compute.
        task: EvaluateTask,
    },
}

/// A run that has begun.
#[derive(Clone, Debug, Tsify)]
pub struct Started {
    /// Where it trains.
    pub device: DeviceKind,
    /// Name of the adapter.
    pub adapter: String,
    /// Why there.
    pub reason: String,
    /// Steps taken.
    pub step: u64,
    /// Steps of the whole run.
    pub total: u64,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The curves so far.
    pub history: History,
}

/// How much an error stops.
#[derive(Clone, Copy, Debug, Tsify)]
#[serde(rename_all = "lowercase")]
pub enum TrainTrouble {
    /// What the visitor gave; the worker lives on.
    Input,
    /// The run; the worker lives on.
    Run,
    /// The worker has to be replaced.
    Crash,
    /// The graphics device, and so the worker.
    Gpu,
    /// The module has crashed because the browser took the graphics device away: a new worker may get another one.
    Lost,
    /// The module did not load.
    Load,
    /// Nothing but saving; training continues.
    Storage,
}

/// A file that could not be read.
#[derive(Clone, Debug, Tsify)]
pub struct Refused {
    /// Its name.
    pub name: String,
    /// Why not.
    pub reason: String,
}

/// From the worker to the page.
#[derive(Clone, Debug, Tsify)]
#[serde(tag = "type", rename_all = "lowercase")]
#[tsify(missing_as_null)]
pub enum TrainEvent {
    /// The worker takes commands.
    Ready {
        /// Empty.
        run: String,
        /// The graphics adapter.
        gpu: AdapterInfo,
        /// Whether the browser can save runs.
        storage: bool,
    },
    /// What is going on.
    Progress {
        /// The run.
        run: String,
        /// For the visitor.
        text: String,
        /// How much of it is done, 0 to 1; null where that is not known.
        fraction: Option<f64>,
    },
    /// The visitor's pictures have been read.
    Pictures {
        /// The errand.
        run: String,
        /// How many.
        accepted: u32,
        /// Names of their classes.
        classes: Vec<String>,
        /// The others.
        refused: Vec<Refused>,
    },
    /// The run begins.
    Started {
        /// The run.
        run: String,
        /// Where and from which step.
        #[serde(flatten)]
        started: Started,
    },
    /// The device was lost, and the run goes on from memory.
    Lost {
        /// The run.
        run: String,
        /// Where and from which step.
        #[serde(flatten)]
        started: Started,
        /// The browser's reason.
        detail: String,
    },
    /// The next step's views.
    View {
        /// The run.
        run: String,
        /// Steps taken.
        step: u64,
        /// A few of the batch.
        pairs: Vec<ViewPair>,
        /// Images whose keys are in the queue, the newest first; empty without a queue.
        queue: Vec<QueuedImage>,
    },
    /// A step.
    Step {
        /// The run.
        run: String,
        /// Time of the step.
        seconds: f64,
        /// The figures.
        #[serde(flatten)]
        report: StepReport,
    },
    /// A probe.
    Probe {
        /// The run.
        run: String,
        /// The figures.
        #[serde(flatten)]
        report: ProbeReport,
    },
    /// A checkpoint.
    Checkpoint {
        /// The run.
        run: String,
        /// Steps taken.
        step: u64,
        /// Null where it was saved; else the files, when the run pauses or ends.
        files: Option<Vec<CheckpointFile>>,
    },
    /// The run has paused.
    Paused {
        /// The run.
        run: String,
        /// Steps taken.
        step: u64,
    },
    /// Checkpoint files have been evaluated.
    Loaded {
        /// The errand, and the run where one was saved.
        run: String,
        /// Its recipe.
        recipe: RecipeFacts,
        /// kNN accuracy on the held-out pictures, in percent.
        knn: f64,
        /// Whether it is a saved run now.
        saved: bool,
        /// Steps taken.
        step: u64,
        /// Steps of the whole run.
        total: u64,
        /// Why it cannot be continued.
        note: String,
    },
    /// The run has ended.
    Done {
        /// The run.
        run: String,
        /// Its system.
        method: String,
        /// Steps taken.
        step: u64,
        /// Steps of the whole run.
        total: u64,
        /// The final table.
        rows: Vec<TableRow>,
    },
    /// There is an encoder to evaluate.
    Encoder {
        /// The run.
        run: String,
        /// Steps taken.
        step: u64,
    },
    /// Something about the encoder was computed.
    Evaluated {
        /// Empty.
        run: String,
        /// The request's.
        turn: u32,
        /// The result.
        report: EvaluateReport,
    },
    /// Something failed.
    Error {
        /// The run.
        run: String,
        /// How much.
        trouble: TrainTrouble,
        /// For the visitor.
        message: String,
        /// For a report of the problem.
        detail: String,
        /// The device in use, where one is.
        device: Option<DeviceKind>,
    },
}
