//! Features of images, and the final comparison.

use std::ops::Range;

use burn::tensor::Device;
use parallax_data::Source;
use parallax_kernels::release_buffers;
use parallax_nets::{Init, ResNet};
use parallax_probes::{Evaluator as _, Features, Knn, Metrics, evaluate_on};
use parallax_ranks::Ranks;
use parallax_views::eval_ops;
use parallax_weights::{Structure, WeightFile, load};
use serde::Serialize;

use crate::error::RunError;
use crate::extract::{Extractor, Views};
use crate::recipe::Recipe;

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
    if !file.tensors.keys().any(|name| name.starts_with(branch)) {
        return Err(RunError::Branch {
            file: file.name.clone(),
            branch: branch.trim_end_matches("_encoder.").to_string(),
        });
    }
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

/// Pooled features of every example, `[examples, features]`, with the running statistics of batch norm (methods.md 5). Each
/// image is resized and cropped to `side` pixels. [`Extractor`] is the same step by step.
///
/// # Errors
/// When an image cannot be read, the device fails, or a feature is not finite.
pub async fn features(
    network: &ResNet,
    source: &dyn Source,
    side: u32,
    device: &Device,
) -> Result<Features, RunError> {
    Extractor::new(network, side, device).all(source).await
}

/// The features of this rank's part of the training images, and of all test images, to which every rank contributes its part.
///
/// # Errors
/// As [`features`], and when another rank has ended.
pub async fn features_on(
    network: &ResNet,
    [train, test]: [&dyn Source; 2],
    side: u32,
    device: &Device,
    ranks: Ranks,
) -> Result<[Features; 2], RunError> {
    let mut extractor = Extractor::new(network, side, device);
    let part = extractor.part(train, ranks.part(train.len())).await?;
    let test = extractor.part(test, ranks.part(test.len())).await?;
    Ok([part, test.gathered(ranks)?])
}

/// Normalised pixels as features.
///
/// # Errors
/// When an image cannot be read.
pub fn pixel_features(source: &dyn Source, side: u32) -> Result<Features, RunError> {
    pixels_of(source, side, 0..source.len())
}

/// The same of some images.
fn pixels_of(source: &dyn Source, side: u32, images: Range<usize>) -> Result<Features, RunError> {
    let mut views = Views::new(side, images.len());
    for index in images.clone() {
        let image = source.image(index)?;
        views.add(index, &image, &eval_ops(image.width, image.height, side))?;
    }
    let columns = 3 * (side * side) as usize;
    let labels = images.map(|index| source.label(index)).collect();
    Ok(Features::new(views.values, labels, columns)?)
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
    sources: (&dyn Source, &dyn Source),
    recipe: &Recipe,
    device: &Device,
) -> Result<Vec<Row>, RunError> {
    final_table_on(trained, random, sources, recipe, device, Ranks::ONE).await
}

/// [`final_table`] by several ranks, which share the images; all of them get the table.
///
/// # Errors
/// As [`features_on`].
pub async fn final_table_on(
    trained: &ResNet,
    random: &ResNet,
    (train, test): (&dyn Source, &dyn Source),
    recipe: &Recipe,
    device: &Device,
    ranks: Ranks,
) -> Result<Vec<Row>, RunError> {
    let side = recipe.views.size;
    let row = |encoder, [part, test]: [Features; 2]| {
        // Evaluators take tensors of other sizes than networks.
        release_buffers();
        let metrics = evaluate_on(&recipe.probe.evaluators, part, &test, ranks)?;
        Ok::<_, RunError>(Row { encoder, metrics })
    };
    let mut rows = Vec::with_capacity(3);
    for (encoder, network) in [(Encoder::Trained, trained), (Encoder::Random, random)] {
        let of = features_on(network, [train, test], side, device, ranks).await?;
        rows.push(row(encoder, of)?);
    }
    if recipe.probe.pixels {
        let part = pixels_of(train, side, ranks.part(train.len()))?;
        let test = pixels_of(test, side, ranks.part(test.len()))?;
        rows.push(row(Encoder::Pixels, [part, test.gathered(ranks)?])?);
    }
    Ok(rows)
}
