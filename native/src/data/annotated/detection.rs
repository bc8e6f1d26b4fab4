//! Images with boxes in the layouts of VOC and COCO.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use parallax_data::coco::CocoDataset;
use parallax_data::detection::AnnotatedImage;
use parallax_data::voc::VocAnnotation;
use parallax_data::{DataError, DetectionSet};
use parallax_views::Image;
use rayon::prelude::*;

use super::{AnnotatedSpec, folder, sizes, splits};
use crate::data::bad;
use crate::data::walk::read_upright;
use crate::sources::same_classes;
use crate::whole::read_given;

/// What images are opened for.
#[derive(Clone, Copy, Debug)]
pub enum Purpose<'a> {
    /// Training: images without objects and crowds are left out. The classes are those of the data.
    Train {
        /// Whether polygons are needed.
        masks: bool,
    },
    /// Testing.
    Test {
        /// Names of the model's classes; those of the data where there is no model.
        classes: Option<&'a [String]>,
    },
}

/// The ground truth as evaluators take it.
#[derive(Clone, Debug)]
pub enum Truth {
    /// Names of images with their annotations.
    Voc(Vec<(String, VocAnnotation)>),
    /// The JSON file.
    Coco(CocoDataset),
}

/// Images with boxes in a folder.
#[derive(Clone, Debug)]
pub struct DetectionFolder {
    /// The argument, for messages.
    pub name: String,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The annotation of each image.
    pub images: Vec<AnnotatedImage>,
    /// Images that were left out of a training set.
    pub left_out: usize,
    /// For testing.
    pub truth: Truth,
    files: Vec<PathBuf>,
    sizes: Vec<(u32, u32)>,
}

impl DetectionFolder {
    /// Opens and checks what an argument names.
    pub fn open(argument: &str, purpose: Purpose<'_>) -> Result<Self> {
        let (sets, truth) = match AnnotatedSpec::parse(argument)? {
            AnnotatedSpec::Voc(parts) => voc(&parts, purpose)?,
            AnnotatedSpec::Coco { images, json } => coco(images, &json, purpose)?,
            AnnotatedSpec::Cityscapes { .. } => {
                let message = format!(
                    "{argument} has label maps and no boxes; detection takes voc:DIR:SPLIT or coco:IMAGES:JSON"
                );
                return Err(bad(message));
            }
        };
        let mut opened = Self {
            name: argument.to_string(),
            classes: Vec::new(),
            images: Vec::new(),
            left_out: 0,
            truth,
            files: Vec::new(),
            sizes: Vec::new(),
        };
        for (root, set) in sets {
            let all = set.images.len();
            let set = match purpose {
                Purpose::Train { .. } => set.for_training(),
                Purpose::Test { .. } => set,
            };
            opened.left_out += all - set.images.len();
            let files = set.images.iter().map(|image| root.join(&image.file));
            opened.files.extend(files);
            opened.images.extend(set.images);
            opened.classes = set.classes;
        }
        if opened.images.is_empty() {
            return Err(bad(format!("{argument} has no image with an object")));
        }
        opened.check_sizes()?;
        Ok(opened)
    }

    fn check_sizes(&mut self) -> Result<()> {
        let known = self.images.iter().map(|image| image.size);
        let files: Vec<_> = self.files.iter().cloned().zip(known).collect();
        self.sizes = sizes(&files)?;
        for ((file, known), found) in files.iter().zip(&self.sizes) {
            if let Some((width, height)) = known
                && (*width, *height) != *found
            {
                anyhow::bail!(
                    "{}: has {} x {} pixels, but width and height in its annotation are {width} and {height}",
                    file.display(),
                    found.0,
                    found.1
                );
            }
        }
        Ok(())
    }

    /// Width and height of each image.
    pub fn sizes(&self) -> &[(u32, u32)] {
        &self.sizes
    }

    /// An image, upright.
    pub fn image(&self, index: usize) -> Result<Image, DataError> {
        match self.files.get(index) {
            Some(file) => read_upright(file),
            None => Err(DataError::Index {
                name: self.name.clone(),
                index,
                last: self.files.len().saturating_sub(1),
            }),
        }
    }
}

type Sets = (Vec<(PathBuf, DetectionSet)>, Truth);

fn voc(parts: &[(PathBuf, String)], purpose: Purpose<'_>) -> Result<Sets> {
    let mut read = Vec::new();
    for (root, split) in parts {
        read.push((root, split, voc_annotations(root, split)?));
    }
    let all = read.iter().flat_map(|(_, _, annotations)| annotations);
    let classes = match purpose {
        Purpose::Test {
            classes: Some(classes),
        } => classes.to_vec(),
        _ => {
            let objects = all.clone().flat_map(|(_, found)| &found.objects);
            let mut names: Vec<String> = objects.map(|object| object.name.clone()).collect();
            names.sort_unstable();
            names.dedup();
            names
        }
    };
    let truth = Truth::Voc(all.cloned().collect());
    let sets = read.iter().map(|(root, split, annotations)| {
        let name = format!("{} {split}", root.display());
        let set = DetectionSet::of_voc(name, annotations, Some(&classes))?;
        Ok(((*root).clone(), set))
    });
    let sets: Result<Vec<_>> = sets.collect();
    Ok((sets?, truth))
}

/// The annotations of a split, in the order of its list.
pub fn voc_annotations(root: &Path, split: &str) -> Result<Vec<(String, VocAnnotation)>> {
    let needed = "VOC's layout has JPEGImages, Annotations and ImageSets/Main";
    let lists = folder(root.join("ImageSets/Main"), needed)?;
    let list = lists.join(format!("{split}.txt"));
    if !list.is_file() {
        let (list, splits) = (list.display(), splits(&lists, ".txt"));
        return Err(bad(format!("there is no split {list}; there are {splits}")));
    }
    let lines = text(&list)?;
    // Lists of a class have a second column.
    let names = lines
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    let names: Vec<&str> = names.collect();
    anyhow::ensure!(!names.is_empty(), "{} lists no image", list.display());
    let annotations: Vec<Result<_>> = names
        .par_iter()
        .map(|name| {
            let file = root.join(format!("Annotations/{name}.xml"));
            let text = text(&file).with_context(|| format!("listed by {}", list.display()))?;
            let annotation = VocAnnotation::parse(&file.display().to_string(), &text)?;
            Ok(((*name).to_string(), annotation))
        })
        .collect();
    annotations.into_iter().collect()
}

fn text(file: &Path) -> Result<String> {
    let bytes = std::fs::read(file).map_err(|error| DataError::Read {
        name: file.display().to_string(),
        reason: error.to_string(),
    })?;
    String::from_utf8(bytes).with_context(|| format!("{} is not UTF-8", file.display()))
}

fn coco(images: PathBuf, json: &Path, purpose: Purpose<'_>) -> Result<Sets> {
    let images = folder(images, "coco:IMAGES:JSON names a folder and a file")?;
    let name = json.display().to_string();
    let dataset = CocoDataset::parse(&name, &read_given(json)?)?;
    let masks = matches!(purpose, Purpose::Train { masks: true });
    let set = DetectionSet::of_coco(&name, &dataset, masks)?;
    if let Purpose::Test {
        classes: Some(classes),
    } = purpose
    {
        same_classes(("the model", classes), (&name, &set.classes))?;
    }
    Ok((vec![(images, set)], Truth::Coco(dataset)))
}
