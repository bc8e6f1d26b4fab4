//! `parallax data verify`: decodes every image of a source on all cores, and says what it found.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use parallax_data::decode::JPEG_DECODER;
use parallax_data::{Source, decode};
use parallax_views::Image;
use rayon::prelude::*;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::progress::{Progress, Unit};
use super::sides::Sides;
use super::{Listing, SRC, Split, forget, hex, listing, splits};
use crate::stop::stop_on_ctrl_c;

/// Images between two looks at Ctrl-C.
const CHUNK: usize = 1024;

/// Arguments of `parallax data verify`.
#[derive(Debug, Args)]
pub struct Verify {
    #[arg(help = format!("Images: {SRC}"))]
    pub src: String,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// What was found in a split.
#[derive(Debug)]
pub struct Found {
    /// The split; `None` where there is only one.
    split: Option<Split>,
    name: String,
    images: usize,
    classes: usize,
    /// Of the files, or of the pixels where there are no files.
    bytes: u64,
    /// Widths and heights.
    sides: BTreeSet<(u32, u32)>,
    broken: Vec<String>,
    ignored: Option<String>,
    /// Of classes and pixels in their order.
    digest: String,
    seconds: f64,
}

/// Verifies and returns what to print, and whether an image is broken.
pub fn run(arguments: &Verify) -> Result<(String, bool)> {
    let stop = stop_on_ctrl_c()?;
    let progress = Progress::stderr();
    let found = splits(&arguments.src)
        .into_iter()
        .map(|split| verify(&arguments.src, split, &progress, &stop))
        .collect::<Result<Vec<Found>>>()?;
    let broken = found.iter().any(|found| !found.broken.is_empty());
    let text = match arguments.json {
        true => format!("{}\n", Value::from_iter(found.iter().map(Found::json))),
        false => found.iter().map(Found::to_string).collect(),
    };
    Ok((text, broken))
}

fn verify(
    spec: &str,
    split: Option<Split>,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<Found> {
    let side = split.unwrap_or(Split::Train);
    // What is verified is what is there now.
    forget(spec, side)?;
    let listed = listing(spec, side, progress)?;
    let source = listed.source();
    let begin = Instant::now();
    let images = source.len();
    progress.start(
        &format!("Verifying {}", source.name()),
        images as u64,
        Unit::Images,
    );
    let mut found = Found {
        split,
        name: source.name().to_string(),
        images,
        classes: source.classes().len(),
        bytes: 0,
        sides: BTreeSet::new(),
        broken: Vec::new(),
        ignored: listed.ignored().map(String::from),
        digest: String::new(),
        seconds: 0.0,
    };
    let mut digest = Sha256::new();
    for first in (0..images).step_by(CHUNK) {
        if stop.load(Ordering::SeqCst) {
            progress.clear();
            bail!("stopped after {first} of {images} images");
        }
        let chunk: Vec<Result<Seen, String>> = (first..images.min(first + CHUNK))
            .into_par_iter()
            .map(|index| {
                let seen = look(&listed, source, index);
                progress.step();
                seen
            })
            .collect();
        for seen in chunk {
            match seen {
                Ok(seen) => {
                    found.bytes += seen.bytes;
                    found.sides.insert(seen.sides);
                    digest.update(seen.digest);
                }
                Err(error) => found.broken.push(error),
            }
        }
    }
    progress.clear();
    found.digest = hex(&digest.finalize());
    found.seconds = begin.elapsed().as_secs_f64();
    Ok(found)
}

/// An image that could be decoded.
struct Seen {
    bytes: u64,
    sides: (u32, u32),
    digest: [u8; 32],
}

fn look(listed: &Listing, source: &dyn Source, index: usize) -> Result<Seen, String> {
    let label = source.label(index) as usize;
    let class = source.classes().get(label).map_or("", String::as_str);
    let seen = |image: &Image, bytes: Option<usize>| Seen {
        bytes: bytes.unwrap_or(image.data.len()) as u64,
        sides: (image.width, image.height),
        digest: digest(class, image),
    };
    match listed {
        Listing::Files(files) => {
            let bytes = files.bytes(index).map_err(|error| error.to_string())?;
            let image = decode(&bytes, &files.image_name(index));
            let image = image.map_err(|error| error.to_string())?;
            Ok(seen(&image, Some(bytes.len())))
        }
        _ => {
            let image = source.image(index).map_err(|error| error.to_string())?;
            Ok(seen(&image, None))
        }
    }
}

/// SHA-256 of the class's name, a zero byte, width and height as 32-bit numbers with the lowest byte first, and the RGB bytes.
fn digest(class: &str, image: &Image) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(class.as_bytes());
    digest.update([0]);
    digest.update(image.width.to_le_bytes());
    digest.update(image.height.to_le_bytes());
    digest.update(&image.data);
    digest.finalize().into()
}

impl Found {
    fn json(&self) -> Value {
        let sides = Sides::ranges(&self.sides);
        json!({
            "split": self.split.map(|split| split.to_string()),
            "name": self.name,
            "images": self.images,
            "classes": self.classes,
            "bytes": self.bytes,
            "width": sides.map(|[width, _]| width),
            "height": sides.map(|[_, height]| height),
            "sizes": self.sides.len(),
            "digest": self.digest,
            "jpeg_decoder": JPEG_DECODER,
            "seconds": self.seconds,
            "ignored": self.ignored,
            "broken": self.broken,
        })
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let split = self.split.map(|split| format!(" ({split})"));
        writeln!(
            f,
            "{}{}: {} images of {} classes",
            self.name,
            split.unwrap_or_default(),
            self.images,
            self.classes
        )?;
        if let Some([width, height]) = Sides::ranges(&self.sides) {
            let megabytes = self.bytes as f64 / 1e6;
            writeln!(f, "  size     {width} x {height} pixels, {megabytes:.1} MB")?;
        }
        writeln!(f, "  digest   {}", self.digest)?;
        writeln!(
            f,
            "  decoded  {:.0} images a second, JPEG by {JPEG_DECODER}",
            self.images as f64 / self.seconds.max(1e-9)
        )?;
        if let Some(ignored) = &self.ignored {
            writeln!(f, "  ignored  {ignored}")?;
        }
        writeln!(f, "  broken   {}", self.broken.len())?;
        self.broken
            .iter()
            .try_for_each(|broken| writeln!(f, "    {broken}"))
    }
}
