//! `parallax data pack`: the images of a source as tar shards in the naming of WebDataset.

mod images;
mod manifest;
mod shard;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use clap::Args;
use serde_json::json;

use super::labels::NAMES;
use super::progress::{Progress, Unit};
use super::{OnBadImage, SRC, Split, has_own_test, listing};
use crate::stop::stop_on_ctrl_c;
use crate::whole::write_whole;
use images::Ready;
use manifest::{MANIFEST, Made, Manifest, Shard, begin, save};
use shard::shard;

const LAYOUT: &str = "\
DIR gets 000000.tar, 000001.tar, ... with NUMBER-NAME.jpg and NUMBER-NAME.cls for
each image in the order of SRC, classes.txt with the names of the classes, and
pack.json with what was packed. Where SRC has two splits, these are in DIR/train
and DIR/val. DIR is a SRC itself. Images without files (sample, cifar10) become
PNG files. After an interruption the same command goes on.";

/// Arguments of `parallax data pack`.
#[derive(Debug, Args)]
#[command(after_help = LAYOUT)]
pub struct Pack {
    #[arg(help = format!("Images: {SRC}"))]
    pub src: String,
    /// Folder of the shards
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// The most bytes of a shard: 500MB, 1GB (10^9), 1GiB (2^30)
    #[arg(long, default_value = "1GB", value_name = "SIZE", value_parser = size)]
    pub shard_size: u64,
    /// Resize to this shorter side, where an image is larger, and encode as JPEG [default: files unchanged]
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(1..=16384))]
    pub resize: Option<u32>,
    /// JPEG quality of resized images, as Pillow counts it
    #[arg(long, default_value_t = 90, requires = "resize", value_parser = clap::value_parser!(u8).range(1..=100))]
    pub quality: u8,
    /// What to do with an image that cannot be read
    #[arg(long, value_enum, default_value_t = OnBadImage::Error)]
    pub on_bad_image: OnBadImage,
    /// Only this split [default: all]
    #[arg(long, value_enum)]
    pub split: Option<Split>,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// A number of bytes with a unit.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "KB" => 1000,
        "MB" => 1_000_000,
        "GB" => 1_000_000_000,
        "KIB" => 1 << 10,
        "MIB" => 1 << 20,
        "GIB" => 1 << 30,
        _ => return Err("write a number of bytes, KB, MB, GB, KiB, MiB or GiB".to_string()),
    };
    let bytes = digits
        .parse::<f64>()
        .ok()
        .map(|number| number * unit as f64);
    match bytes {
        Some(bytes) if (1.0..1e18).contains(&bytes) => Ok(bytes as u64),
        _ => Err("write a number of bytes above 0, such as 1GB".to_string()),
    }
}

/// Packs and returns what to print.
pub fn run(arguments: &Pack) -> Result<String> {
    let two = has_own_test(&arguments.src);
    let splits: Vec<(Split, Option<&str>)> = match (arguments.split, two) {
        (Some(split), _) => vec![(split, None)],
        (None, true) => vec![(Split::Train, Some("train")), (Split::Test, Some("val"))],
        (None, false) => vec![(Split::Train, None)],
    };
    let stop = stop_on_ctrl_c()?;
    let progress = Progress::stderr();
    let (mut text, mut values) = (String::new(), Vec::new());
    for (split, folder) in splits {
        let out = folder.map_or_else(|| arguments.out.clone(), |name| arguments.out.join(name));
        let named = (two || arguments.split.is_some()).then_some(split);
        let manifest = pack(arguments, split, named, &out, &progress, &stop)?;
        let bytes: u64 = manifest.shards.iter().map(|shard| shard.bytes).sum();
        let written = manifest.made.images - manifest.skipped.len();
        text += &format!(
            "{}: {written} images of {} classes in {} shard(s), {:.1} MB{}\n",
            out.display(),
            manifest.made.classes,
            manifest.shards.len(),
            bytes as f64 / 1e6,
            match manifest.skipped.len() {
                0 => String::new(),
                skipped => format!("; {skipped} skipped, see {MANIFEST}"),
            }
        );
        values.push(json!({
            "out": out.display().to_string(),
            "split": named.map(|split| split.to_string()),
            "images": written,
            "classes": manifest.made.classes,
            "shards": manifest.shards.len(),
            "bytes": bytes,
            "skipped": manifest.skipped,
        }));
    }
    match arguments.json {
        true => Ok(format!("{}\n", serde_json::Value::from(values))),
        false => Ok(text),
    }
}

/// Packs a split into a folder of its own. `named` is the split where there are two.
pub(super) fn pack(
    arguments: &Pack,
    split: Split,
    named: Option<Split>,
    out: &Path,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Manifest> {
    let listed = listing(&arguments.src, split, progress)?;
    let source = listed.source();
    let made = Made {
        source: arguments.src.clone(),
        split: named.map(|split| split.to_string()),
        images: source.len(),
        classes: source.classes().len(),
        shard_size: arguments.shard_size,
        resize: arguments.resize,
        quality: arguments.resize.map(|_| arguments.quality),
        skip_bad_images: arguments.on_bad_image == OnBadImage::Skip,
    };
    let mut manifest = begin(out, made)?;
    if manifest.complete {
        progress.say(&format!("{} is complete already", out.display()));
        return Ok(manifest);
    }
    if manifest.shards.is_empty() {
        write_whole(&out.join(NAMES), lines(source.classes())?.as_bytes())?;
    } else {
        let shards = manifest.shards.len();
        progress.say(&format!("{} has {shards} shard(s) already", out.display()));
    }
    let mut next = manifest.shards.last().map_or(0, |shard| shard.images.1);
    progress.start(
        &format!("Packing {}", source.name()),
        source.len() as u64,
        Unit::Images,
    );
    let mut ready = Ready::new(&listed, next, arguments);
    while next < source.len() {
        let file = format!("{:06}.tar", manifest.shards.len());
        let (end, bytes, skipped) = shard(out, &file, next, &mut ready, arguments, progress, stop)?;
        manifest.skipped.extend(skipped);
        if bytes > 0 {
            manifest.shards.push(Shard {
                file,
                images: (next, end),
                bytes,
            });
        }
        next = end;
        manifest.complete = next == source.len();
        save(out, &manifest)?;
    }
    progress.clear();
    Ok(manifest)
}

fn lines(classes: &[String]) -> Result<String> {
    let distinct: BTreeSet<&str> = classes.iter().map(|class| class.trim()).collect();
    let breaks = classes.iter().any(|class| class.contains(['\n', '\r']));
    if breaks || distinct.contains("") || distinct.len() < classes.len() {
        bail!(
            "the name of a class is empty, not the only one of its kind, or has a line break; rename it"
        );
    }
    Ok(classes
        .iter()
        .flat_map(|class| [class.as_str(), "\n"])
        .collect())
}
