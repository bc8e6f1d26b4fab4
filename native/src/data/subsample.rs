//! `parallax data subsample`: part of a data set as a list.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, ValueEnum};
use parallax_data::list::{Entry, Header, Items, List};
use parallax_data::{Source, Subset};
use serde_json::json;

use super::list::{self, Relative};
use super::progress::Progress;
use super::{Listing, SRC, Split, bad, listing};
use crate::whole::write_whole;

/// The format of a list, for the help.
const FORMAT: &str = "\
A list is a text file and can be used wherever data is asked for: --data list:FILE.
Each line is an image; empty lines and lines that begin with # are left out.
  images of sample, cifar10,    the index in its split; the first line names the
  shards or parquet files       data: # parallax list: source=sample split=train
  files                         the path, absolute or relative to the list's
                                folder; the class is the name of the file's
                                folder, or what follows a tab: PATH<TAB>CLASS

The classes of a smaller ratio are among those of a larger one with the same
seed, and so are the images. data.class_ratio and data.image_ratio of a recipe
draw the same with its run.seed.";

/// Arguments of `parallax data subsample`.
#[derive(Debug, Args)]
#[command(after_help = FORMAT)]
pub struct Subsample {
    #[arg(long, value_name = "SRC", help = format!("Images: {SRC}"))]
    pub data: String,
    /// Fraction to keep, above 0 and at most 1
    #[arg(long)]
    pub ratio: f64,
    /// Seed of the draw
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// What to draw
    #[arg(long, value_enum, default_value_t = Per::Class)]
    pub per: Per,
    /// The split to draw from, where the data has two
    #[arg(long, value_enum, default_value_t = Split::Train)]
    pub split: Split,
    /// The list to write
    #[arg(long, value_name = "LIST")]
    pub out: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub json: bool,
}

/// What a ratio is a fraction of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Per {
    /// The classes, with all their images
    Class,
    /// The images of every class
    Image,
}

impl Per {
    fn name(self) -> &'static str {
        match self {
            Per::Class => "class",
            Per::Image => "image",
        }
    }
}

/// Where the images of a source are.
enum Origin {
    /// In a data set by name, shards or parquet files, at these indices; `None` is all in order.
    Named(String, Split, Option<Vec<usize>>),
    /// In files, listed from a folder.
    Files(Vec<PathBuf>, Option<String>),
}

/// Writes the list and returns what to print.
pub fn run(arguments: &Subsample) -> Result<String> {
    let (source, origin) = open(&arguments.data, arguments.split)?;
    let draw = match arguments.per {
        Per::Class => Subset::of_classes,
        Per::Image => Subset::of_images,
    };
    let part = draw(Arc::clone(&source), arguments.ratio, arguments.seed)
        .map_err(|error| bad(format!("--ratio: {error}")))?;
    let (split, folder, items) = items(origin, &part, arguments)?;
    let list = List {
        header: Header {
            images: Some(source.full_len()),
            split: split.map(|split| split.to_string()),
            per: Some(arguments.per.name().to_string()),
            ratio: Some(arguments.ratio),
            seed: Some(arguments.seed),
            folder,
        },
        items,
    };
    write_whole(&arguments.out, list.to_text()?.as_bytes())?;
    Ok(summary(arguments, &*source, &part))
}

fn open(spec: &str, split: Split) -> Result<(Arc<dyn Source>, Origin)> {
    let opened = listing(spec, split, &Progress::stderr())?;
    let origin = match &opened {
        Listing::Whole(_) => Origin::Named(spec.to_string(), split, None),
        Listing::Part(subset, name, split) => {
            Origin::Named(name.clone(), *split, Some(subset.indices().to_vec()))
        }
        Listing::Files(files) => match files.paths() {
            Some(paths) => {
                let folder = Some(spec).filter(|spec| list::file(spec).is_none());
                let folder = folder.map(|_| files.name().to_string());
                Origin::Files(paths, folder)
            }
            None => {
                let absolute = std::path::absolute(spec)?.display().to_string();
                if absolute.contains(char::is_whitespace) {
                    return Err(bad(format!(
                        "a list cannot name {absolute}, which has a space in it; rename it"
                    )));
                }
                Origin::Named(absolute, split, None)
            }
        },
    };
    Ok((opened.into_source(), origin))
}

type Written = (Option<Split>, Option<String>, Items);

/// The images of a part as they are written.
fn items(origin: Origin, part: &Subset, arguments: &Subsample) -> Result<Written> {
    Ok(match origin {
        Origin::Named(source, split, indices) => {
            let own = |&index: &usize| match &indices {
                Some(indices) => indices[index],
                None => index,
            };
            let indices = part.indices().iter().map(|index| (own(index), 0)).collect();
            (Some(split), None, Items::Indices { source, indices })
        }
        Origin::Files(paths, folder) => {
            let mut relative = Relative::to(arguments.out.parent().unwrap_or(Path::new("")))?;
            let mut entries = Vec::with_capacity(part.len());
            for (place, &index) in part.indices().iter().enumerate() {
                let class = &part.classes()[part.label(place) as usize];
                entries.push(Entry::new(relative.path(&paths[index])?, class.as_str()));
            }
            (None, folder, Items::Files(entries))
        }
    })
}

/// How many classes are named as text.
const NAMED: usize = 10;

fn summary(arguments: &Subsample, source: &dyn Source, part: &Subset) -> String {
    let out = arguments.out.display();
    let classes = part.classes();
    if arguments.json {
        let value = json!({
            "out": out.to_string(), "images": part.len(), "of_images": source.len(),
            "classes": classes, "of_classes": source.classes().len(),
            "per": arguments.per.name(), "ratio": arguments.ratio, "seed": arguments.seed,
        });
        return format!("{value}\n");
    }
    let mut text = format!(
        "{out}: {} of {} images, {} of {} classes\n",
        part.len(),
        source.len(),
        classes.len(),
        source.classes().len()
    );
    if arguments.per == Per::Class {
        let more = classes.len().saturating_sub(NAMED);
        let shown = classes[..classes.len() - more].join(", ");
        let _ = match more {
            0 => writeln!(text, "{shown}"),
            _ => writeln!(text, "{shown}, and {more} more"),
        };
    }
    text
}
