//! `parallax score`: scores of detections and segmentations.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};
use parallax_data::LabelMap;
use parallax_data::coco::{CocoDataset, CocoDetection};
use parallax_score::cityscapes::{CityscapesScores, Confusion};
use parallax_score::coco::CocoScores;
use parallax_score::voc::{VocDetection, VocScores};
use parallax_score::{coco, voc};
use serde::{Deserialize, Serialize};

use crate::data::annotated::voc_annotations;
use crate::data::walk::collect;
use crate::usage::BadArgument;
use crate::whole::read_given;

#[derive(Args)]
pub struct Score {
    /// What is scored
    #[arg(long, value_enum)]
    pub task: ScoreTask,
    /// Ground truth: a folder with Annotations and ImageSets (voc07), a COCO JSON file, or a folder of *_labelIds.png
    #[arg(long, value_name = "PATH")]
    pub gt: PathBuf,
    /// Detections: JSON, or a folder of the VOC devkit's text files; for cityscapes a folder of CITY_SEQ_FRAME*.png
    #[arg(long, value_name = "PATH")]
    pub detections: PathBuf,
    /// voc07: the list ImageSets/Main/SPLIT.txt
    #[arg(long, default_value = "test")]
    pub split: String,
    /// voc07: the classes [default: those of the split's annotations]
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    pub classes: Vec<String>,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// The benchmarks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ScoreTask {
    /// PASCAL VOC 2007: AP over eleven recalls
    Voc07,
    /// COCO: boxes
    CocoBbox,
    /// COCO: masks
    CocoSegm,
    /// Cityscapes: IoU of classes and categories
    Cityscapes,
}

/// Prints the scores.
pub fn run(arguments: &Score) -> Result<()> {
    match arguments.task {
        ScoreTask::Voc07 => print(arguments, &score_voc(arguments)?, voc_table),
        ScoreTask::CocoBbox => {
            let scores = score_coco(arguments, coco::Task::Boxes)?;
            print(arguments, &scores, coco_table)
        }
        ScoreTask::CocoSegm => {
            let scores = score_coco(arguments, coco::Task::Masks)?;
            print(arguments, &scores, coco_table)
        }
        ScoreTask::Cityscapes => {
            let scores = score_cityscapes(&arguments.gt, &arguments.detections)?;
            print(arguments, &scores, cityscapes_table)
        }
    }
}

fn print<T: Serialize>(arguments: &Score, scores: &T, table: impl Fn(&T)) -> Result<()> {
    match arguments.json {
        true => println!("{}", serde_json::to_string(scores)?),
        false => table(scores),
    }
    Ok(())
}

/// The scores of classes and their mean.
pub fn voc_table(scores: &VocScores) {
    let values = |of: &voc::VocAp| vec![Some(of.ap), Some(of.ap50), Some(of.ap75)];
    let classes = scores.per_class.iter();
    let rows = classes.map(|(name, of)| (name.as_str(), values(of)));
    let mean = [("mean", values(&scores.mean))];
    table("class", &["AP", "AP50", "AP75"], rows.chain(mean));
}

/// The AP of categories, and the twelve numbers.
pub fn coco_table(scores: &CocoScores) {
    let categories = scores.per_category.iter();
    table(
        "category",
        &["AP"],
        categories.map(|(name, ap)| (name.as_str(), vec![*ap])),
    );
    println!();
    let heads = ["all", "50", "75", "small", "medium", "large"];
    let ap = [
        scores.ap,
        scores.ap50,
        scores.ap75,
        scores.ap_small,
        scores.ap_medium,
        scores.ap_large,
    ];
    table("mean", &heads, [("AP", ap.to_vec())]);
    let heads = ["1", "10", "100", "small", "medium", "large"];
    let ar = [
        scores.ar1,
        scores.ar10,
        scores.ar100,
        scores.ar_small,
        scores.ar_medium,
        scores.ar_large,
    ];
    table("detections", &heads, [("AR", ar.to_vec())]);
}

/// The IoU of classes, and the means.
pub fn cityscapes_table(scores: &CityscapesScores) {
    let classes = scores.per_class.iter().map(|(name, iou)| (*name, *iou));
    table(
        "class",
        &["IoU"],
        classes.map(|(name, iou)| (name, vec![iou])),
    );
    println!();
    let rows = [
        ("IoU of classes", scores.iou),
        ("IoU of categories", scores.iou_sup),
    ];
    table("mean", &["IoU"], rows.map(|(name, iou)| (name, vec![iou])));
}

/// Rows of percentages under a line of heads.
fn table<'a>(
    what: &str,
    heads: &[&str],
    rows: impl IntoIterator<Item = (&'a str, Vec<Option<f64>>)>,
) {
    print!("{what:<20}");
    heads.iter().for_each(|head| print!(" {head:>8}"));
    println!();
    for (name, values) in rows {
        print!("{name:<20}");
        for value in values {
            match value {
                Some(value) => print!(" {value:>8.2}"),
                None => print!(" {:>8}", "-"),
            }
        }
        println!();
    }
}

fn read_text(path: &Path) -> Result<String> {
    String::from_utf8(read_given(path)?).with_context(|| format!("{} is not UTF-8", path.display()))
}

fn score_coco(arguments: &Score, task: coco::Task) -> Result<CocoScores> {
    let truth = CocoDataset::parse(
        &arguments.gt.display().to_string(),
        &read_given(&arguments.gt)?,
    )?;
    let name = arguments.detections.display().to_string();
    let found = CocoDetection::parse(&name, &read_given(&arguments.detections)?)?;
    coco::score(&truth, &found, task).context(name)
}

/// A detection of the JSON format for VOC.
#[derive(Deserialize)]
struct VocLine {
    image_id: String,
    category: String,
    #[serde(rename = "box")]
    corners: [f64; 4],
    score: f64,
}

fn score_voc(arguments: &Score) -> Result<VocScores> {
    let root = &arguments.gt;
    let truth = voc_annotations(root, &arguments.split)?;
    let mut classes = arguments.classes.clone();
    if classes.is_empty() {
        let objects = truth.iter().flat_map(|(_, annotation)| &annotation.objects);
        classes.extend(objects.map(|object| object.name.clone()));
        classes.sort_unstable();
        classes.dedup();
    }
    let path = &arguments.detections;
    let found = match path.is_dir() {
        true => devkit(path, &classes)?,
        false => {
            let lines: Vec<VocLine> = serde_json::from_slice(&read_given(path)?)
                .with_context(|| format!("{} is not a JSON list of detections", path.display()))?;
            let rounded = |line: VocLine| {
                VocDetection::rounded(line.image_id, line.category, line.corners, line.score)
            };
            lines.into_iter().map(rounded).collect()
        }
    };
    voc::score(&truth, &found, &classes).with_context(|| path.display().to_string())
}

/// The devkit's files `*_CLASS.txt`, with `image score xmin ymin xmax ymax` in each line.
fn devkit(folder: &Path, classes: &[String]) -> Result<Vec<VocDetection>> {
    let mut found = Vec::new();
    let mut files = 0;
    for path in files_below(folder, "txt")? {
        let stem = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        let ends = |class: &&String| stem == **class || stem.ends_with(&format!("_{class}"));
        let Some(class) = classes.iter().filter(ends).max_by_key(|class| class.len()) else {
            continue;
        };
        files += 1;
        for (number, line) in read_text(&path)?.lines().enumerate() {
            let mut words = line.split_whitespace();
            let Some(image) = words.next() else { continue };
            let numbers: Option<Vec<f64>> = words.map(|word| word.parse().ok()).collect();
            let Some(&[score, xmin, ymin, xmax, ymax]) = numbers.as_deref() else {
                let (path, number) = (path.display(), number + 1);
                anyhow::bail!("{path}:{number}: 'image score xmin ymin xmax ymax' is needed");
            };
            found.push(VocDetection {
                image: image.to_string(),
                category: class.clone(),
                corners: [xmin, ymin, xmax, ymax],
                score,
            });
        }
    }
    if files == 0 {
        let folder = folder.display();
        let message = format!(
            "{folder} has no file *_CLASS.txt of a class: {}",
            classes.join(", ")
        );
        return Err(BadArgument(message).into());
    }
    Ok(found)
}

/// All files in a folder and its sub-folders with an extension, in order.
fn files_below(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Err(BadArgument(format!("{} is not a folder", folder.display())).into());
    }
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    Ok(files)
}

fn score_cityscapes(gt: &Path, predictions: &Path) -> Result<CityscapesScores> {
    let name = |path: &Path| {
        path.file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned()
    };
    const ENDING: &str = "_gtFine_labelIds.png";
    let truths: Vec<PathBuf> = files_below(gt, "png")?
        .into_iter()
        .filter(|path| name(path).ends_with(ENDING))
        .collect();
    if truths.is_empty() {
        let message = format!("{} holds no file *{ENDING}", gt.display());
        return Err(BadArgument(message).into());
    }
    let predictions_found = files_below(predictions, "png")?;
    let decode = |path: &Path| {
        LabelMap::decode(&path.display().to_string(), &read_given(path)?)
            .map_err(anyhow::Error::from)
    };
    let mut confusion = Confusion::default();
    for truth in &truths {
        // CITY_SEQ_FRAME
        let file = name(truth);
        let prefix: Vec<&str> = file.splitn(4, '_').take(3).collect();
        let prefix = prefix.join("_");
        let own = |path: &&PathBuf| name(path).starts_with(&prefix);
        let mut own = predictions_found.iter().filter(own);
        let prediction = match (own.next(), own.next()) {
            (Some(prediction), None) => prediction,
            (None, _) => {
                anyhow::bail!(
                    "{} holds no prediction {prefix}*.png for {file}",
                    predictions.display()
                )
            }
            (Some(first), Some(second)) => anyhow::bail!(
                "{} and {} are both predictions for {file}; keep one",
                first.display(),
                second.display()
            ),
        };
        let (expected, found) = (decode(truth)?, decode(prediction)?);
        confusion
            .add(
                (&expected.ids, [expected.width, expected.height]),
                (&found.ids, [found.width, found.height]),
            )
            .with_context(|| prediction.display().to_string())?;
    }
    Ok(confusion.scores())
}
