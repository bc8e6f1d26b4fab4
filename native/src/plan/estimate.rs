//! From what was measured to hours and bytes.

use parallax_train::{DataShape, Keep, MemoryEstimate, Recipe, StepCost};

use crate::device;
use crate::memory::{free, size};

/// Bytes of an f32.
const VALUE: u64 = 4;

/// What was measured.
#[derive(Clone, Copy, Debug)]
pub struct Rates {
    /// Images a second of a device.
    pub trained: f64,
    /// Images a second that a core decodes and augments.
    pub loaded: f64,
    /// Images of a timed step; none where nothing was timed.
    pub timed: Option<usize>,
    /// Whether the device is this machine's processor, which also loads images.
    pub on_cpu: bool,
}

/// What a run will take.
#[derive(Clone, Debug)]
pub struct Estimate {
    pub devices: usize,
    pub cost: StepCost,
    /// Of each device.
    pub memory: MemoryEstimate,
    pub steps: u64,
    pub epochs: f64,
    pub step_seconds: f64,
    /// Of all devices together.
    pub images_per_second: f64,
    /// Sent by each device a step: gradients twice (slices to those that sum them, and the sums back), and keys.
    pub network_bytes: u64,
    /// Of files, where images are files.
    pub read_bytes_per_second: Option<f64>,
    pub checkpoints: u64,
    pub disk_bytes: u64,
    pub seconds: f64,
}

impl Estimate {
    /// Of a recipe with images of a mean file size on so many devices.
    pub fn of(
        recipe: &Recipe,
        shape: DataShape,
        devices: usize,
        rates: &Rates,
        file: Option<f64>,
    ) -> Self {
        let cost = StepCost::of(recipe, shape.targets);
        let batch = recipe.run.batch_size;
        let steps = recipe.total_steps(shape);
        let images_per_second = rates.trained * devices as f64;
        let step_seconds = batch as f64 / images_per_second;
        let others = devices as u64 - 1;
        let keys = VALUE * cost.keys * (batch / devices) as u64 * others;
        let gradients = 2 * VALUE * cost.parameters * others / devices as u64;
        let (checkpoints, disk_bytes) = disk(recipe, shape, &cost);
        Self {
            devices,
            cost,
            memory: memory(recipe, shape.targets, devices),
            steps,
            epochs: steps as f64 * batch as f64 / shape.examples as f64,
            step_seconds,
            images_per_second,
            network_bytes: gradients + keys,
            read_bytes_per_second: file.map(|bytes| bytes * images_per_second),
            checkpoints,
            disk_bytes,
            seconds: steps as f64 * step_seconds,
        }
    }

    /// What limits the run on a machine like this one.
    pub fn binds(&self, rates: &Rates) -> String {
        let memory = self.memory.total();
        if rates.on_cpu
            && let Some(free) = free()
            && free < memory
        {
            return format!(
                "memory, {} where {} are free\n(run.accumulate and run.recompute need less)",
                size(memory),
                size(free)
            );
        }
        let cores = self.images_per_second / rates.loaded;
        let here = device::threads() as f64;
        match cores > here && !rates.on_cpu {
            true => format!(
                "loading, {cores:.1} cores where this machine has {here}\n(smaller files help: parallax data pack --resize)"
            ),
            false => "the step".to_string(),
        }
    }
}

/// Checkpoints that are kept, and their bytes.
fn disk(recipe: &Recipe, shape: DataShape, cost: &StepCost) -> (u64, u64) {
    let steps = recipe.total_steps(shape);
    let written = recipe
        .checkpoint_interval(shape)
        .map_or(1, |interval| steps.div_ceil(interval));
    let kept = match recipe.checkpoint.keep {
        Keep::All => written,
        Keep::Newest(count) => written.min(count.get() as u64),
    };
    (kept, kept * VALUE * cost.saved)
}

/// Memory of each of the devices that share a batch.
fn memory(recipe: &Recipe, targets: usize, devices: usize) -> MemoryEstimate {
    let mut own = recipe.clone();
    own.run.batch_size /= devices;
    MemoryEstimate::of(&own, targets)
}

/// What is known before anything is timed, in a line.
pub fn line(recipe: &Recipe, shape: DataShape) -> String {
    let cost = StepCost::of(recipe, shape.targets);
    let (kept, bytes) = disk(recipe, shape, &cost);
    format!(
        "{:.1} million parameters, {} steps of {} images, {} of checkpoints ({kept})",
        cost.parameters as f64 / 1e6,
        recipe.total_steps(shape),
        recipe.run.batch_size,
        size(bytes)
    )
}
