//! Steps of small networks, to be compared between devices and with PyTorch.
//!
//! Weights and batches come from formulas, so a case needs no input file. There are two kinds: one step with every
//! value of its result, to be compared between builds ([`step`]), and a hundred steps of every system of the paper
//! beside PyTorch ([`replay`]). The expected values stand in `cases/`; see `cases/README.md`.

mod any_shape;
mod gpu_views;
mod inputs;
mod kernels;
mod largest;
mod linear;
mod operation;
mod paper_scale;
mod replay;
mod segmentation;
mod shapes;
mod spatial;
mod trace;
mod transfer;
mod updates;
mod views;

pub use any_shape::{check_any_shapes, check_non_finite};
pub use gpu_views::{ViewCounts, check_gpu_views, check_run};
pub use kernels::{check_half_kernels, check_kernels};
pub use largest::check_largest;
pub use linear::{LINEAR_CASES, LinearCase, LinearDeviation};
pub use paper_scale::{Compared, StepDeviation, paper_scale};
pub use replay::{CASES, Case, DEEP_CASES, Deviation, Replayed, begun, replay, replay_with};
pub use segmentation::{SEGMENTATION_CASE, Segmented};
pub use shapes::{check_convolutions, check_heads, check_tiles};
pub use trace::{TraceCase, trace_case};
pub use transfer::{TRANSFER_CASES, TransferCase, TransferResult};
pub use updates::check_updates;
pub use views::{DRAWS, VIEWS, draws_digest, views_digest};

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use parallax_methods::{Method, MethodKind, Views};
use parallax_nets::names::{self, Visit};
use parallax_train::{Optimizer, ParamGradients, Recipe, RecipeError};
use parallax_weights::{NamedTensor, WeightFile, WeightsError, collect};

/// The methods that one step is compared of, value by value: between them they use every kernel.
pub const ONE_STEP: [MethodKind; 2] = [MethodKind::Byol, MethodKind::MocoV2Plus];

/// Images in the batch.
pub const BATCH: usize = 64;
/// Side of a view.
pub const SIDE: usize = 8;
/// Learning rate of the step.
pub const RATE: f64 = 0.1;
/// Target momentum after the step.
pub const MOMENTUM: f64 = 0.9;

/// A bias in front of batch norm has a gradient of zero in exact arithmetic and of 1e-6 in f32: tensors of
/// smaller values than this are compared by absolute difference.
pub const FLOOR: f32 = 0.2;

/// The committed values of a method, computed by the native CPU build with portable rounding.
pub fn expected(kind: MethodKind) -> Result<WeightFile, WeightsError> {
    let bytes: &[u8] = match kind {
        MethodKind::Byol => include_bytes!("../cases/byol.safetensors"),
        MethodKind::MocoV2Plus => include_bytes!("../cases/moco-v2-plus.safetensors"),
        other => {
            return Err(WeightsError::Format {
                file: other.name().to_string(),
                reason: "there is no case of one step of this method".to_string(),
            });
        }
    };
    WeightFile::from_bytes(kind.name(), bytes)
}

/// The recipe of the case.
pub fn recipe(kind: MethodKind) -> Result<Recipe, RecipeError> {
    let text = format!(
        "[run]\nseed = 5\n[model]\narch = 'tiny'\nstem = 'cifar'\nwidth = 4\n\
         [method]\nname = '{}'\nhidden = 64\nout = 32\nqueue = 80\n",
        kind.name()
    );
    Recipe::parse(&text, &[])
}

/// A batch of smooth images, the same in every language: `sin(0.37 i + phase) + sin(0.011 i^2)` over the
/// flat index, in f64, then rounded to f32.
fn images(phase: f64, device: &Device) -> Tensor<4> {
    let count = BATCH * 3 * SIDE * SIDE;
    let value = |i: usize| {
        let i = i as f64;
        ((0.37 * i + phase).sin() + (0.011 * (i % 977.0) * (i % 977.0)).sin()) as f32
    };
    let values: Vec<f32> = (0..count).map(value).collect();
    Tensor::from_data(TensorData::new(values, [BATCH, 3, SIDE, SIDE]), device)
}

/// Takes the step on `device` (without autodiff).
///
/// # Errors
/// When the device fails.
pub async fn step(kind: MethodKind, device: &Device) -> Result<WeightFile, WeightsError> {
    let recipe = recipe(kind).map_err(|error| WeightsError::Format {
        file: kind.name().to_string(),
        reason: error.to_string(),
    })?;
    let mut method = kind.build(&recipe.method_config(1), device);
    let mut tensors = weights(method.as_ref(), "before").await?;
    let output = method.loss(Views {
        first: images(0.0, device),
        second: images(1.0, device),
        labels: Tensor::zeros([BATCH], device),
        enqueue_second: vec![true],
        order: Vec::new(),
    });
    let mut gradients = output.loss.backward();
    tensors.push(read("loss", output.loss.clone().inner()).await?);
    tensors.push(read("embedding", output.embedding.clone()).await?);
    tensors.extend(read_gradients(method.as_ref(), &gradients).await?);

    let gradients = ParamGradients::take(method.online(), &mut gradients);
    let mut optimizer = Optimizer::of(&recipe.optimizer);
    let online = method.online().clone();
    *method.parts_mut().online = optimizer.step(online, gradients, RATE);
    if let Some(keys) = output.keys {
        method.enqueue(keys);
    }
    method.update_target(MOMENTUM);
    tensors.extend(weights(method.as_ref(), "after").await?);
    Ok(WeightFile::new(kind.name(), tensors))
}

/// Both networks and the queue.
async fn weights(method: &dyn Method, when: &str) -> Result<Vec<NamedTensor>, WeightsError> {
    let parts = method.parts();
    let mut tensors = collect(parts.online, &format!("{when}.online_encoder.")).await?;
    if let Some(target) = parts.target {
        tensors.extend(collect(target, &format!("{when}.target_encoder.")).await?);
    }
    if let Some(queue) = parts.queue {
        tensors.push(read(&format!("{when}.queue"), queue.keys.clone()).await?);
    }
    Ok(tensors)
}

async fn read_gradients(
    method: &dyn Method,
    gradients: &Gradients,
) -> Result<Vec<NamedTensor>, WeightsError> {
    struct Collect<'a>(&'a Gradients, Vec<(String, Vec<usize>, Tensor<1>)>);
    impl Visit for Collect<'_> {
        fn tensor<const D: usize>(&mut self, name: &str, tensor: Tensor<D>) {
            if let Some(gradient) = tensor.grad(self.0) {
                let shape = gradient.dims().to_vec();
                let count = shape.iter().product::<usize>();
                self.1
                    .push((format!("gradient.{name}"), shape, gradient.reshape([count])));
            }
        }
    }
    let mut found = Collect(gradients, Vec::new());
    names::visit(method.online(), &mut found);
    let mut tensors = Vec::new();
    for (name, shape, gradient) in found.1 {
        let flat = read(&name, gradient).await?;
        tensors.push(NamedTensor { shape, ..flat });
    }
    Ok(tensors)
}

async fn read<const D: usize>(name: &str, tensor: Tensor<D>) -> Result<NamedTensor, WeightsError> {
    let failed = |reason: String| WeightsError::Device {
        tensor: name.to_string(),
        reason,
    };
    let shape = tensor.dims().to_vec();
    let data = tensor
        .into_data_async()
        .await
        .map_err(|error| failed(format!("{error:?}")))?;
    let values = data
        .try_to_vec::<f32>()
        .map_err(|error| failed(format!("{error:?}")))?;
    Ok(NamedTensor::new(name, shape, values))
}

/// How far two results may be apart, relative to the largest value of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    /// For gradients: sums of thousands of values that nearly cancel.
    pub gradients: f32,
    /// For everything else: embedding, loss, weights after the step, statistics, target, queue.
    pub others: f32,
}

/// Between builds for CPUs that round alike: WebAssembly, and native with `Rounding::Portable`.
pub const PORTABLE: Tolerance = Tolerance {
    gradients: 1e-6,
    others: 1e-6,
};
/// Between a CPU that rounds `a b + c` once and one that rounds it twice.
pub const FUSED: Tolerance = Tolerance {
    gradients: 5e-6,
    others: 1e-6,
};
/// Between a CPU and a GPU.
pub const GPU: Tolerance = Tolerance {
    gradients: 1e-4,
    others: 1e-4,
};

/// Compares two results tensor by tensor: the largest difference must be at most the tolerance times the
/// largest value of the tensor, times [`FLOOR`] where all are smaller, or times the length of unit vectors.
///
/// # Errors
/// A line for every tensor that differs more, or is missing.
pub fn compare(
    found: &WeightFile,
    expected: &WeightFile,
    tolerance: Tolerance,
) -> Result<f32, String> {
    let mut worst = 0.0f32;
    let mut complaints = Vec::new();
    if found.tensors.len() != expected.tensors.len() {
        complaints.push(format!(
            "{} tensors, not {}",
            found.tensors.len(),
            expected.tensors.len()
        ));
    }
    for (name, right) in &expected.tensors {
        let Some(left) = found.tensors.get(name) else {
            complaints.push(format!("{name} is missing"));
            continue;
        };
        let tolerance = match name.starts_with("gradient.") {
            true => tolerance.gradients,
            false => tolerance.others,
        };
        // Embeddings and keys are vectors of length 1, which is their scale.
        let unit = name == "embedding" || name.ends_with(".queue");
        let floor = if unit { 1.0 } else { FLOOR };
        let scale = right
            .values
            .iter()
            .fold(floor, |scale, value| scale.max(value.abs()));
        let pairs = left.values.iter().zip(&right.values);
        let largest = |error: f32, (a, b): (&f32, &f32)| match (a - b).abs() {
            difference if difference.is_nan() => f32::INFINITY,
            difference => error.max(difference),
        };
        let error = pairs.fold(0.0f32, largest) / scale;
        worst = worst.max(error);
        if left.shape != right.shape || error > tolerance {
            complaints.push(format!(
                "{name}: relative difference {error:.2e} above {tolerance:.0e}"
            ));
        }
    }
    if complaints.is_empty() {
        Ok(worst)
    } else {
        Err(complaints.join("\n"))
    }
}
