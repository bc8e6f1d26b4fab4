//! `parallax data pack`: the images of a source as tar shards in the naming of WebDataset.

use std::collections::{BTreeSet, VecDeque};
use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use parallax_data::{DataError, Source, decode, encode_jpeg};
use parallax_views::{Image, Op};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::labels::NAMES;
use super::progress::{Progress, Unit};
use super::{Listing, OnBadImage, SRC, Split, bad, has_own_test, listing};
use crate::stop::stop_on_ctrl_c;
use crate::whole::write_whole;

/// What was packed, and from what: beside the shards, so that an interrupted pack goes on.
const MANIFEST: &str = "pack.json";

/// Images that are read and encoded at once.
const CHUNK: usize = 256;

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

/// What a pack is made of: another one does not go on with its shards.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Made {
    source: String,
    split: Option<String>,
    images: usize,
    classes: usize,
    shard_size: u64,
    resize: Option<u32>,
    quality: Option<u8>,
    skip_bad_images: bool,
}

/// A finished shard.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Shard {
    file: String,
    /// The first image of the source in it, and the one after its last.
    images: (usize, usize),
    bytes: u64,
}

/// What a folder holds.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Manifest {
    made: Made,
    shards: Vec<Shard>,
    /// Images that were left out because they cannot be read.
    skipped: Vec<String>,
    complete: bool,
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
    let source: &dyn Source = match &listed {
        Listing::Whole(source) => source.as_ref(),
        Listing::Part(subset, ..) => subset,
        Listing::Files(files) => files,
    };
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
    let mut ready = Ready {
        listed: &listed,
        source,
        resize: arguments.resize,
        quality: arguments.quality,
        end: next,
        encoded: VecDeque::new(),
    };
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

/// The manifest of an interrupted pack, or a new one.
fn begin(out: &Path, made: Made) -> Result<Manifest> {
    fs::create_dir_all(out).with_context(|| format!("{} cannot be made", out.display()))?;
    let shown = out.display();
    let file = out.join(MANIFEST);
    if !file.exists() {
        let found = super::walk::entries(out)?.1;
        if found
            .iter()
            .any(|file| file.extension().is_some_and(|found| found == "tar"))
        {
            return Err(bad(format!(
                "{shown} holds shards of another origin; name an empty folder"
            )));
        }
        return Ok(Manifest {
            made,
            shards: Vec::new(),
            skipped: Vec::new(),
            complete: false,
        });
    }
    let text = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
    let manifest: Manifest = serde_json::from_slice(&text)
        .with_context(|| format!("{} is damaged; name an empty folder", file.display()))?;
    if manifest.made != made {
        return Err(bad(format!(
            "{shown} holds shards of {} with other settings or another number of images; name an empty folder",
            manifest.made.source
        )));
    }
    for shard in &manifest.shards {
        let found = fs::metadata(out.join(&shard.file)).map(|found| found.len());
        if found.ok() != Some(shard.bytes) {
            bail!(
                "{shown}: {} has changed since it was written; name an empty folder",
                shard.file
            );
        }
    }
    Ok(manifest)
}

fn save(out: &Path, manifest: &Manifest) -> Result<()> {
    write_whole(&out.join(MANIFEST), &serde_json::to_vec_pretty(manifest)?)
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

/// An image as it is written, or why it cannot be read.
type Encoded = Result<(Vec<u8>, &'static str), DataError>;

/// Images in their order, encoded ahead by all threads.
struct Ready<'a> {
    listed: &'a Listing,
    source: &'a dyn Source,
    resize: Option<u32>,
    quality: u8,
    /// The image after those that are encoded.
    end: usize,
    encoded: VecDeque<Encoded>,
}

impl Ready<'_> {
    fn next(&mut self) -> Option<Encoded> {
        if self.encoded.is_empty() {
            let chunk = self.end..self.source.len().min(self.end + CHUNK);
            self.end = chunk.end;
            let encoded: Vec<Encoded> = chunk
                .into_par_iter()
                .map(|index| self.encode(index))
                .collect();
            self.encoded = encoded.into();
        }
        self.encoded.pop_front()
    }

    /// The bytes of an image with the extension of their format.
    fn encode(&self, index: usize) -> Encoded {
        let name = match self.listed {
            Listing::Files(files) => files.image_name(index),
            _ => format!("{} {index}", self.source.name()),
        };
        if let Some(side) = self.resize {
            let image = self.source.image(index)?;
            return resized(&image, side, self.quality, &name).map(|bytes| (bytes, "jpg"));
        }
        let Listing::Files(files) = self.listed else {
            return png(self.source.image(index)?.as_ref(), &name).map(|bytes| (bytes, "png"));
        };
        let bytes = files.bytes(index)?;
        match extension(&bytes) {
            Some(extension) => Ok((bytes, extension)),
            // The decoder says what is wrong with it.
            None => decode(&bytes, &name).map(|_| (bytes, "jpg")),
        }
    }
}

/// The extension of a file by its first bytes.
fn extension(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("jpg"),
        [0x89, b'P', b'N', b'G', ..] => Some("png"),
        [
            b'R',
            b'I',
            b'F',
            b'F',
            _,
            _,
            _,
            _,
            b'W',
            b'E',
            b'B',
            b'P',
            ..,
        ] => Some("webp"),
        _ => None,
    }
}

/// With the given shorter side, as torchvision's `Resize` makes it, where the image is larger; as JPEG.
fn resized(image: &Image, side: u32, quality: u8, name: &str) -> Result<Vec<u8>, DataError> {
    let (width, height) = (image.width, image.height);
    let (short, long) = (width.min(height), width.max(height));
    if short <= side {
        return encode_jpeg(image, quality, name);
    }
    let long = (u64::from(side) * u64::from(long) / u64::from(short)) as u32;
    let (width, height) = match width <= height {
        true => (side, long),
        false => (long, side),
    };
    let small = Op::Resize { width, height }.apply(image);
    let small = small.map_err(|error| DataError::Encode {
        name: name.to_string(),
        reason: error.to_string(),
    })?;
    encode_jpeg(&small, quality, name)
}

fn png(image: &Image, name: &str) -> Result<Vec<u8>, DataError> {
    let mut file = std::io::Cursor::new(Vec::new());
    let (width, height) = (image.width, image.height);
    let format = image::ImageFormat::Png;
    image::write_buffer_with_format(
        &mut file,
        &image.data,
        width,
        height,
        image::ExtendedColorType::Rgb8,
        format,
    )
    .map_err(|error| DataError::Encode {
        name: name.to_string(),
        reason: error.to_string(),
    })?;
    Ok(file.into_inner())
}

/// Bytes of a file in an archive: its header, and its content in whole blocks.
fn blocks(length: usize) -> u64 {
    512 + (length as u64).next_multiple_of(512)
}

/// Bytes of an archive's end.
const END: u64 = 1024;

/// Writes the images from `first` on, as many as a shard holds, under its name once it is whole. Returns the image after the
/// last, the bytes, and the images that were skipped.
fn shard(
    out: &Path,
    file: &str,
    first: usize,
    ready: &mut Ready,
    arguments: &Pack,
    progress: &Progress,
    stop: &AtomicBool,
) -> Result<(usize, u64, Vec<String>)> {
    let partial = out.join(format!(".{file}.partial"));
    let cleared = |error: anyhow::Error| {
        // A partial shard is of no use, and may be what fills the disk.
        let _ = fs::remove_file(&partial);
        error
    };
    let mut write = || -> Result<(usize, u64, Vec<String>)> {
        let target = File::create(&partial)?;
        let mut archive = tar::Builder::new(BufWriter::with_capacity(1 << 20, target));
        let (mut index, mut bytes, mut skipped) = (first, END, Vec::new());
        while index < ready.source.len() {
            if stop.load(Ordering::SeqCst) {
                return Err(anyhow!(
                    "stopped after {first} of {} images; the same command goes on",
                    ready.source.len()
                ));
            }
            let Some(encoded) = ready.next() else { break };
            match encoded {
                Err(error) if arguments.on_bad_image == OnBadImage::Skip => {
                    skipped.push(error.to_string());
                }
                Err(error) => return Err(anyhow!("{error} (`--on-bad-image skip` leaves it out)")),
                Ok((content, extension)) => {
                    let label = ready.source.label(index).to_string();
                    let more = blocks(content.len()) + blocks(label.len());
                    if bytes > END && bytes + more > arguments.shard_size {
                        ready.encoded.push_front(Ok((content, extension)));
                        break;
                    }
                    bytes += more;
                    let key = key(ready.listed, index);
                    append(&mut archive, &format!("{key}.{extension}"), &content)?;
                    append(&mut archive, &format!("{key}.cls"), label.as_bytes())?;
                }
            }
            progress.step();
            index += 1;
        }
        let mut target = archive.into_inner()?;
        target.flush()?;
        let target = target.into_inner()?;
        target.sync_all()?;
        if bytes == END {
            fs::remove_file(&partial)?;
            return Ok((index, 0, skipped));
        }
        fs::rename(&partial, out.join(file))?;
        Ok((index, target.metadata()?.len(), skipped))
    };
    write()
        .map_err(cleared)
        .map_err(|error| match error.downcast_ref::<std::io::Error>() {
            Some(_) => error.context(format!("{} cannot be written", out.join(file).display())),
            None => error,
        })
}

fn append(archive: &mut tar::Builder<BufWriter<File>>, name: &str, content: &[u8]) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(content.len() as u64);
    header.set_mode(0o644);
    header.set_mtime(0);
    Ok(archive.append_data(&mut header, name, content)?)
}

/// The key of an image: its number, and what its file is called, without what would end a key.
fn key(listed: &Listing, index: usize) -> String {
    let name = match listed {
        Listing::Files(files) => files.key(index),
        _ => String::new(),
    };
    let last = name.rsplit('/').next().unwrap_or_default();
    let plain = |c: char| match c.is_ascii_alphanumeric() || c == '_' || c == '-' {
        true => c,
        false => '_',
    };
    let last: String = last.chars().map(plain).take(64).collect();
    match last.is_empty() {
        true => format!("{index:08}"),
        false => format!("{index:08}-{last}"),
    }
}
