//! Features of images, and the final comparison.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use parallax_data::Source;
use parallax_nets::{Init, Mode, ResNet};
use parallax_probes::{Evaluator as _, Features, Knn, Metrics, evaluate};
use parallax_views::{Canvas, eval_ops};
use parallax_weights::{Structure, WeightFile, load};
use serde::Serialize;

use crate::batch::view_error;
use crate::error::RunError;
use crate::recipe::Recipe;

/// Batch size of feature extraction: smaller for large images, so that a probe takes less memory than a step. In
/// evaluation mode an image's features do not depend on it.
fn eval_batch(side: u32) -> usize {
    let pixels = (side * side) as usize;
    (100 * 64 * 64 / pixels.max(1)).clamp(4, 100)
}

/// What turns an image into features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoder {
    /// The online backbone after training.
    Trained,
    /// The same backbone before its first step.
    Random,
    /// No network: normalised pixels.
    Pixels,
}

impl Encoder {
    /// The key in reports.
    pub fn name(self) -> &'static str {
        match self {
            Encoder::Trained => "trained",
            Encoder::Random => "random",
            Encoder::Pixels => "pixels",
        }
    }

    /// The name in tables.
    pub fn label(self) -> &'static str {
        match self {
            Encoder::Trained => "trained encoder",
            Encoder::Random => "random encoder",
            Encoder::Pixels => "raw pixels",
        }
    }
}

/// One row of the final comparison.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Whose features.
    pub encoder: Encoder,
    /// Those of the recipe's `probe.evaluators`.
    #[serde(flatten)]
    pub metrics: Metrics,
}

/// The backbone in a weight file, without its head, and the recipe that it was trained by. Where the file has no recipe,
/// as those of other tools, the network is inferred from the shapes of its tensors.
///
/// `branch` is [`ONLINE`](crate::ONLINE) or [`TARGET`](crate::TARGET).
///
/// # Errors
/// When the tensors do not fit the recipe, or are not those of a standard ResNet.
pub fn encoder_from(
    file: &WeightFile,
    branch: &str,
    device: &Device,
) -> Result<(ResNet, Recipe), RunError> {
    let recipe = match &file.recipe {
        Some(text) => Recipe::parse(text, &[])?,
        None => recipe_by_shapes(file, branch)?,
    };
    let fresh = ResNet::new(&recipe.backbone(), &mut Init::new(0, device));
    let (encoder, _) = load(fresh, branch, file)?;
    Ok((encoder, recipe))
}

/// A recipe with the network that the tensors' shapes are those of. A first convolution of 7 pixels belongs to images of
/// 224, one of 3 to images of 32 (methods.md 2.1).
fn recipe_by_shapes(file: &WeightFile, branch: &str) -> Result<Recipe, RunError> {
    let unknown = |reason: String| RunError::Checkpoint {
        file: file.name.clone(),
        reason: format!("the file carries no recipe, and {reason}"),
    };
    let structure = Structure::of(file, branch)
        .ok_or_else(|| unknown(format!("holds no network under '{branch}'")))?;
    let arch = structure.arch().ok_or_else(|| {
        unknown(format!(
            "{:?} blocks a stage are not those of a standard ResNet",
            structure.blocks
        ))
    })?;
    let (stem, size) = match structure.kernel {
        7 => ("imagenet", 224),
        3 => ("cifar", 32),
        side => {
            let reason = format!("no known stem has a first convolution of {side} pixels");
            return Err(unknown(reason));
        }
    };
    let width = structure.width;
    let text = format!(
        "[views]\nsize = {size}\n[model]\narch = '{arch}'\nstem = '{stem}'\nwidth = {width}\n\
         [method]\nname = 'byol'\n"
    );
    Ok(Recipe::parse(&text, &[])?)
}

/// The evaluation view of every image, `side` pixels, flattened.
fn images(source: &dyn Source, from: usize, to: usize, side: u32) -> Result<Vec<f32>, RunError> {
    let pixels = 3 * (side * side) as usize;
    let mut values = vec![0.0; (to - from) * pixels];
    let mut canvas = Canvas::default();
    for (index, out) in (from..to).zip(values.chunks_exact_mut(pixels)) {
        let image = source.image(index)?;
        let failed = |error: String| view_error(index as u32, error);
        let ops = eval_ops(image.width, image.height, side);
        canvas
            .apply(&image, &ops)
            .map_err(|e| failed(e.to_string()))?;
        canvas
            .write_normalized(out)
            .map_err(|e| failed(e.to_string()))?;
    }
    Ok(values)
}

fn labels(source: &dyn Source) -> Vec<u32> {
    (0..source.len()).map(|index| source.label(index)).collect()
}

/// Pooled features of every example, `[examples, features]`, with the running statistics of batch norm (methods.md 5). Each
/// image is resized and cropped to `side` pixels.
///
/// # Errors
/// When an image cannot be read, the device fails, or a feature is not finite.
pub async fn features(
    network: &ResNet,
    source: &dyn Source,
    side: u32,
    device: &Device,
) -> Result<Features, RunError> {
    let mut network = network.valid();
    let mut values = Vec::new();
    let batch = eval_batch(side);
    for from in (0..source.len()).step_by(batch) {
        let to = (from + batch).min(source.len());
        let shape = [to - from, 3, side as usize, side as usize];
        let x = TensorData::new(images(source, from, to, side)?, shape);
        let y = network.features(Tensor::from_data(x, device), Mode::Eval);
        let data = y.into_data_async().await.map_err(RunError::of_device)?;
        let rows = data.try_to_vec::<f32>().map_err(RunError::of_device)?;
        values.extend(rows);
    }
    let columns = values.len() / source.len().max(1);
    Ok(Features::new(values, labels(source), columns)?)
}

/// Normalised pixels as features.
///
/// # Errors
/// When an image cannot be read.
pub fn pixel_features(source: &dyn Source, side: u32) -> Result<Features, RunError> {
    let values = images(source, 0, source.len(), side)?;
    let columns = 3 * (side * side) as usize;
    Ok(Features::new(values, labels(source), columns)?)
}

/// The periodic probe: kNN accuracy of the features on `test`, with those of `train` as neighbours.
///
/// # Errors
/// When one set is empty or the widths differ.
pub fn probe(train: &Features, test: &Features) -> Result<Metrics, RunError> {
    Ok(Knn::default().evaluate(train, test)?)
}

/// The final comparison: the recipe's evaluators on features of the trained encoder, of the random one and, where the
/// recipe says so, on raw pixels.
///
/// # Errors
/// As [`features`].
pub async fn final_table(
    trained: &ResNet,
    random: &ResNet,
    (train, test): (&dyn Source, &dyn Source),
    recipe: &Recipe,
    device: &Device,
) -> Result<Vec<Row>, RunError> {
    let side = recipe.views.size;
    let row = |encoder, train: &Features, test: &Features| {
        let metrics = evaluate(&recipe.probe.evaluators, train, test)?;
        Ok::<_, RunError>(Row { encoder, metrics })
    };
    let mut rows = Vec::with_capacity(3);
    for (encoder, network) in [(Encoder::Trained, trained), (Encoder::Random, random)] {
        let train = features(network, train, side, device).await?;
        let test = features(network, test, side, device).await?;
        rows.push(row(encoder, &train, &test)?);
    }
    if recipe.probe.pixels {
        let train = pixel_features(train, side)?;
        let test = pixel_features(test, side)?;
        rows.push(row(Encoder::Pixels, &train, &test)?);
    }
    Ok(rows)
}
