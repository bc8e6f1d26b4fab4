//! `parallax augment`: applies explicit operations to an image, or draws the views of a recipe.

mod ops;
mod sheet;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use parallax_data::decode;
use parallax_gpu_views::Packer;
use parallax_views::{Canvas, Image, Op, Pipeline, ViewKey, draw_view};
use pollster::block_on;
use serde::Serialize;

use crate::cli::Augment;
use crate::usage::BadArgument;
use crate::{device, recipe};

/// A view.
#[derive(Serialize)]
struct View {
    epoch: u32,
    /// 1 or 2: the first or the second of the pair.
    view: u16,
    /// Its own file, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<PathBuf>,
    ops: Vec<Op>,
}

/// The output of `--json` for the views of a recipe.
#[derive(Serialize)]
struct Report<'a> {
    input: &'a Path,
    width: u32,
    height: u32,
    pipeline: Pipeline,
    seed: u64,
    index: u32,
    /// The sheet, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    sheet: Option<PathBuf>,
    views: Vec<View>,
}

/// Writes the images and prints their paths.
pub fn run(arguments: &Augment) -> Result<()> {
    let out = Out::of(&arguments.out)?;
    // Arguments are checked before the image is read.
    let replay = arguments.ops.as_deref().map(ops::read).transpose()?;
    let image = read(&arguments.input)?;
    match replay {
        Some(ops) => replayed(arguments, &image, ops, &out),
        None => drawn(arguments, &image, &out),
    }
}

/// Where the images go.
enum Out {
    File(PathBuf),
    Folder(PathBuf),
}

impl Out {
    /// A path with the extension `.png` is a file, one without an extension a folder.
    fn of(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self::Folder(path.to_path_buf()));
        }
        match path.extension() {
            None => Ok(Self::Folder(path.to_path_buf())),
            Some(ending) if ending.eq_ignore_ascii_case("png") => Ok(Self::File(path.into())),
            Some(_) => Err(BadArgument(format!(
                "--out {}: images are written as PNG; give FILE.png or a folder",
                path.display()
            ))
            .into()),
        }
    }
}

fn read(path: &Path) -> Result<Image> {
    let bytes = fs::read(path).map_err(|error| {
        BadArgument(format!(
            "--input {} cannot be read: {error}",
            path.display()
        ))
    })?;
    Ok(decode(&bytes, &path.display().to_string())?)
}

/// Applies lists of operations to an image, each to the original.
fn apply(device: &str, image: &Image, lists: &[Vec<Op>]) -> Result<Vec<Image>> {
    let unfit =
        |error: String| BadArgument(format!("the operations do not fit the image: {error}"));
    // All devices give the same pixels, and for one image opening a GPU does not pay off unless asked for.
    if !matches!(device, "cpu" | "auto") {
        let opened = device::open(device)?;
        let mut packer = Packer::default();
        let added = packer.add(image, lists);
        let batch = added.and_then(|()| packer.finish());
        let batch = batch.map_err(|error| match error.is_gpu_limit() {
            true => BadArgument(format!(
                "--device {device}: {error}; --device cpu supports them"
            )),
            false => unfit(error.to_string()),
        })?;
        let made = block_on(batch.pixels(&opened.device))?;
        return Ok(made.into_iter().flatten().collect());
    }
    let mut canvas = Canvas::default();
    let made = lists.iter().map(|ops| {
        canvas
            .apply(image, ops)
            .map_err(|error| unfit(error.to_string()))?;
        Ok(canvas.to_image())
    });
    made.collect()
}

fn replayed(arguments: &Augment, image: &Image, ops: Vec<Op>, out: &Out) -> Result<()> {
    let lists = [ops];
    let made = apply(&arguments.on.device, image, &lists)?;
    let file = match out {
        Out::File(file) => file.clone(),
        Out::Folder(folder) => {
            let stem = arguments.input.file_stem().unwrap_or_default();
            folder.join(stem).with_extension("png")
        }
    };
    for image in &made {
        write(&file, image)?;
    }
    let [ops] = lists;
    if !arguments.json {
        println!("{}", file.display());
        return Ok(());
    }
    // Nothing was drawn at random, so there is no seed, epoch or pipeline to report.
    let (input, width, height) = (&arguments.input, image.width, image.height);
    let report = serde_json::json!({
        "input": input, "width": width, "height": height, "file": file, "ops": ops,
    });
    println!("{report}");
    Ok(())
}

fn drawn(arguments: &Augment, image: &Image, out: &Out) -> Result<()> {
    let recipe = recipe::read(&arguments.recipe, None, &arguments.overrides)?;
    let (pipeline, size) = (recipe.pipeline(), recipe.views.size);
    let seed = arguments.seed.unwrap_or(recipe.run.seed);
    let pairs = arguments.grid.unwrap_or(1);

    let mut views = Vec::new();
    for epoch in (arguments.epoch..).take(pairs as usize) {
        for view in 0..2 {
            let key = ViewKey {
                seed,
                epoch,
                sample: arguments.index,
                view,
            };
            views.push(View {
                epoch,
                view: view + 1,
                file: None,
                ops: draw_view(pipeline, image.width, image.height, size, key),
            });
        }
    }
    let lists: Vec<Vec<Op>> = views.iter().map(|view| view.ops.clone()).collect();
    let made = apply(&arguments.on.device, image, &lists)?;

    let mut sheet = None;
    if let Out::Folder(folder) = out {
        for (view, image) in views.iter_mut().zip(&made) {
            let file = folder.join(match arguments.grid {
                Some(_) => format!("epoch-{}-view-{}.png", view.epoch, view.view),
                None => format!("view-{}.png", view.view),
            });
            write(&file, image)?;
            view.file = Some(file);
        }
        sheet = arguments.grid.map(|_| folder.join("sheet.png"));
    } else if let Out::File(file) = out {
        sheet = Some(file.clone());
    }
    if let Some(file) = &sheet {
        let name = arguments.input.file_name().unwrap_or_default();
        let heading = [
            name.to_string_lossy().into_owned(),
            format!("{} × {} pixels", image.width, image.height),
            format!("recipe {}", recipe::short_name(&arguments.recipe)),
            format!("pipeline {pipeline}, {size} px"),
            format!("seed {seed}, index {}", arguments.index),
        ];
        let cells: Vec<sheet::Cell> = views
            .iter()
            .zip(&made)
            .map(|(view, image)| sheet::Cell {
                title: format!("epoch {}, view {}", view.epoch, view.view),
                image,
                ops: &view.ops,
            })
            .collect();
        write(file, &sheet::draw(image, &heading, &cells)?)?;
    }

    if arguments.json {
        let report = Report {
            input: &arguments.input,
            width: image.width,
            height: image.height,
            pipeline,
            seed,
            index: arguments.index,
            sheet,
            views,
        };
        println!("{}", serde_json::to_string(&report)?);
        return Ok(());
    }
    for view in &views {
        if let Some(file) = &view.file {
            println!("{}", file.display());
        }
    }
    if let Some(file) = sheet {
        println!("{}", file.display());
    }
    Ok(())
}

fn write(file: &Path, image: &Image) -> Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)
            .with_context(|| format!("folder {} cannot be made", folder.display()))?;
    }
    let kind = image::ExtendedColorType::Rgb8;
    image::save_buffer_with_format(
        file,
        &image.data,
        image.width,
        image.height,
        kind,
        image::ImageFormat::Png,
    )
    .with_context(|| format!("{} cannot be written", file.display()))
}
