//! `parallax features`, and features for other commands.

mod array;
mod extract;
mod npy;
mod part;
mod reader;
mod stream;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use parallax_data::Source;
use parallax_ranks::Ranks;
use parallax_train::{Extractor, encoder_from};
use serde_json::json;

pub use self::part::Part;
pub use self::reader::FeatureFile;
pub use self::stream::{Images, Stream};
use self::writer::{Format, Writer};
use crate::cli::{Branch, On};
use crate::data::{OnBadImage, Split};
use crate::{data, device, recipe, weights};

#[derive(Args)]
pub struct FeaturesArguments {
    /// Weights (safetensors, PyTorch or detectron2 files of any known layout), a checkpoint's folder or a run's
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,
    /// Images: sample, cifar10, or a folder with one folder a class
    #[arg(long, value_name = "SRC")]
    pub data: String,
    /// F.safetensors with features and labels, or F.npy with the labels in F.labels.npy
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// Which images of a source that has both
    #[arg(long, value_enum, default_value_t = Split::Train)]
    pub split: Split,
    /// Recipe of the network, for files without one [default: inferred from the shapes of the tensors]
    #[arg(long)]
    pub recipe: Option<String>,
    /// Which network of the file
    #[arg(long, value_enum, default_value_t = Branch::Online)]
    pub branch: Branch,
    #[command(flatten)]
    pub on: On,
    /// What to do with an image that cannot be read
    #[arg(long, value_enum, default_value_t = OnBadImage::Error)]
    pub on_bad_image: OnBadImage,
    /// Threads that decode and resize images [default: as many as cores]
    #[arg(long, value_name = "N")]
    pub loader_threads: Option<usize>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// Writes the features of images by a frozen encoder.
pub fn run(arguments: &FeaturesArguments) -> Result<()> {
    let out = &arguments.out;
    let format = Format::of(out)?;
    weights::keep_apart(&arguments.weights, out)?;
    let mut file = weights::read(&arguments.weights)?.file;
    if let (None, Some(name)) = (&file.recipe, &arguments.recipe) {
        file.recipe = Some(recipe::read(name, None, &[])?.to_toml()?);
    }
    let opened = device::open(&arguments.on.device)?;
    let branch = parallax_weights::Branch::from(arguments.branch);
    let (encoder, recipe) = encoder_from(&file, branch.prefix(), &opened.device)?;
    let source = data::open(&arguments.data, arguments.split, arguments.on_bad_image)?;
    let mut extractor = Extractor::new(&encoder, recipe.views.size, &opened.device);
    let (images, columns) = (source.len(), extractor.columns());

    let stop = Arc::new(AtomicBool::new(false));
    let asked = Arc::clone(&stop);
    ctrlc::set_handler(move || asked.store(true, Ordering::SeqCst))?;
    let metadata = [
        ("classes", serde_json::to_string(source.classes())?),
        ("source", format!("{} ({})", source.name(), arguments.split)),
        ("weights", arguments.weights.display().to_string()),
        ("branch", branch.word().to_string()),
    ];
    let mut writer = Writer::create(out, columns, &labels(source.as_ref()), &metadata)?;
    let threads = arguments.loader_threads.unwrap_or(device::threads());
    let mut stream = Images {
        extractor: &mut extractor,
        source: source.as_ref(),
        what: "features",
        threads,
        ranks: Ranks::ONE,
    };
    let begin = Instant::now();
    stream.blocks(&mut |features| {
        if stop.load(Ordering::SeqCst) {
            bail!("stopped; {} has not been written", out.display());
        }
        writer.rows(features.values())
    })?;
    let seconds = begin.elapsed().as_secs_f64();
    writer.finish()?;

    let rate = images as f64 / seconds;
    let beside = (format == Format::Npy).then(|| reader::labels_path(out));
    if arguments.json {
        let report = json!({
            "out": out,
            "labels": beside,
            "images": images,
            "columns": columns,
            "classes": source.classes(),
            "branch": branch.word(),
            "device": opened.name,
            "seconds": seconds,
            "images_per_second": rate,
        });
        println!("{report}");
        return Ok(());
    }
    println!(
        "{}: features [{images}, {columns}], {rate:.0} images/s",
        out.display()
    );
    if let Some(beside) = beside {
        println!("{}: labels [{images}]", beside.display());
    }
    Ok(())
}

/// The class of each image; -1 where it has none.
fn labels(source: &dyn Source) -> Vec<i64> {
    let label = |index| match source.label(index) {
        u32::MAX => -1,
        label => i64::from(label),
    };
    (0..source.len()).map(label).collect()
}
