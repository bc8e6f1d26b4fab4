//! The replayed cases as files for `parallax trace`.

use burn::tensor::{Device, Tensor};
use parallax_train::{BatchViews, ONLINE, Recipe, Run, RunError, TARGET};
use parallax_weights::{NamedTensor, WeightFile, collect};

use crate::inputs::batch;
use crate::replay::{Case, begin, fresh};

/// What goes into the command and what PyTorch says must come out.
pub struct TraceCase {
    /// As TOML.
    pub recipe: String,
    /// `online_encoder.*`, `target_encoder.*`, `queue`, `queue_ptr`.
    pub weights: WeightFile,
    /// `view1`, `view2`, `labels`, `enqueue_view` `[steps, devices]`, `shuffle`.
    pub batches: WeightFile,
    /// Of all steps.
    pub losses: Vec<f64>,
    /// Length of the first step's gradient.
    pub first_gradient: f64,
}

/// The first `steps` steps of a case.
///
/// # Errors
/// When the case cannot be read.
pub async fn trace_case(name: &str, text: &str, steps: usize) -> Result<TraceCase, RunError> {
    let device = Device::flex();
    let case = Case::read(name, text)?;
    let mut run: Run = fresh(&case, &device, &[])?;
    begin(&mut run, &device);
    let parts = run.method().parts();
    let mut weights = collect(parts.online, ONLINE).await?;
    if let Some(target) = parts.target {
        weights.extend(collect(target, TARGET).await?);
    }
    if let Some(queue) = parts.queue {
        let values = values(queue.keys.clone()).await?;
        weights.push(named("queue", queue.keys.dims().to_vec(), values));
        weights.push(named("queue_ptr", vec![1], vec![queue.pointer as f32]));
    }

    let recipe: &Recipe = run.recipe();
    let (size, side) = (recipe.run.batch_size, recipe.views.size as usize);
    let groups = recipe.method.bn_groups;
    let mut rows: [Vec<f32>; 5] = Default::default();
    for k in 0..steps as u32 {
        let batch = batch(k, size, side, case.classes as u32, groups as u32);
        if let BatchViews::Made(views) = batch.views {
            for (row, view) in rows.iter_mut().zip(views) {
                row.extend(view);
            }
        }
        rows[2].extend(batch.labels.iter().map(|&label| label as f32));
        rows[3].extend(
            batch
                .enqueue_second
                .iter()
                .map(|&two| if two { 2.0 } else { 1.0 }),
        );
        rows[4].extend(batch.order.iter().map(|&place| place as f32));
    }
    let view = vec![steps, size, 3, side, side];
    let shapes = [
        ("view1", view.clone()),
        ("view2", view),
        ("labels", vec![steps, size]),
        ("enqueue_view", vec![steps, groups]),
        ("shuffle", vec![steps, size]),
    ];
    let batches = shapes.into_iter().zip(rows);
    let batches = batches.map(|((name, shape), values)| named(name, shape, values));
    Ok(TraceCase {
        first_gradient: case.first_gradient(),
        weights: WeightFile::new("weights", weights),
        batches: WeightFile::new("batches", batches.collect()),
        losses: case.losses,
        recipe: case.recipe,
    })
}

fn named(name: &str, shape: Vec<usize>, values: Vec<f32>) -> NamedTensor {
    NamedTensor::new(name, shape, values)
}

async fn values(tensor: Tensor<2>) -> Result<Vec<f32>, RunError> {
    let data = tensor.into_data_async().await;
    let data = data.map_err(|error| RunError::Device(format!("{error:?}")))?;
    Ok(data.iter::<f32>().collect())
}
