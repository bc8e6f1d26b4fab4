//! Images with label maps in the layout of Cityscapes.

use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use parallax_data::segmentation::{frame_of, labels_of, train_ids};
use parallax_data::{DataError, LabelMap};
use parallax_score::cityscapes::CLASSES;
use parallax_views::Image;
use rayon::prelude::*;

use super::{AnnotatedSpec, folder, sizes, splits};
use crate::data::bad;
use crate::data::walk::{collect, read_upright};

/// Maps with up to this many pixels in all are read as a whole at the start.
const CHECK_PIXELS: u64 = 1 << 26;

/// Images with label maps in a folder.
#[derive(Clone, Debug)]
pub struct SegmentationFolder {
    /// The argument, for messages.
    pub name: String,
    frames: Vec<Frame>,
    sizes: Vec<(u32, u32)>,
}

#[derive(Clone, Debug)]
struct Frame {
    /// CITY_SEQ_FRAME.
    id: String,
    image: PathBuf,
    labels: PathBuf,
}

impl SegmentationFolder {
    /// Opens and checks what an argument names.
    pub fn open(argument: &str) -> Result<Self> {
        let AnnotatedSpec::Cityscapes {
            folder: root,
            split,
        } = AnnotatedSpec::parse(argument)?
        else {
            let message = format!(
                "{argument} has boxes and no label maps; segmentation takes cityscapes:DIR:SPLIT"
            );
            return Err(bad(message));
        };
        let opened = Self {
            name: argument.to_string(),
            frames: frames(&root, &split)?,
            sizes: Vec::new(),
        };
        opened.checked()
    }

    /// Refuses a map of another size than its image; with little data, also what is wrong within a map.
    fn checked(mut self) -> Result<Self> {
        let of = |file: fn(&Frame) -> &PathBuf| {
            let files = self.frames.iter().map(|frame| (file(frame).clone(), None));
            sizes(&files.collect::<Vec<_>>())
        };
        let (images, labels) = (of(|frame| &frame.image)?, of(|frame| &frame.labels)?);
        for ((frame, image), map) in self.frames.iter().zip(&images).zip(&labels) {
            ensure!(
                image == map,
                "{}: has {} x {} pixels, its image {} x {}; both need the same size",
                frame.labels.display(),
                map.0,
                map.1,
                image.0,
                image.1
            );
        }
        self.sizes = images;
        let pixels = self.sizes.iter();
        let pixels = pixels.map(|&(width, height)| u64::from(width) * u64::from(height));
        if pixels.sum::<u64>() <= CHECK_PIXELS {
            let checks: Vec<Result<(), DataError>> = (0..self.len())
                .into_par_iter()
                .map(|index| self.labels(index).map(|_| ()))
                .collect();
            checks.into_iter().collect::<Result<(), DataError>>()?;
        }
        Ok(self)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.frames.len()
    }

    /// Names of the classes, by train id.
    pub fn classes() -> Vec<String> {
        let names = CLASSES.iter().map(|(_, name, _)| (*name).to_string());
        names.collect()
    }

    /// Width and height of each image.
    pub fn sizes(&self) -> &[(u32, u32)] {
        &self.sizes
    }

    /// CITY_SEQ_FRAME of an image.
    pub fn id(&self, index: usize) -> &str {
        self.frames.get(index).map_or("", |frame| &frame.id)
    }

    /// An image.
    pub fn image(&self, index: usize) -> Result<Image, DataError> {
        read_upright(&self.frame(index)?.image)
    }

    /// Its map of train ids.
    pub fn labels(&self, index: usize) -> Result<LabelMap, DataError> {
        let file = &self.frame(index)?.labels;
        let name = file.display().to_string();
        let bytes = std::fs::read(file).map_err(|error| DataError::Read {
            name: name.clone(),
            reason: error.to_string(),
        })?;
        train_ids(&name, &bytes, self.sizes[index], CLASSES.len())
    }

    fn frame(&self, index: usize) -> Result<&Frame, DataError> {
        self.frames.get(index).ok_or_else(|| DataError::Index {
            name: self.name.clone(),
            index,
            last: self.len().saturating_sub(1),
        })
    }
}

/// The images of a split with their maps, by path.
fn frames(root: &Path, split: &str) -> Result<Vec<Frame>> {
    let needed = "Cityscapes' layout has leftImg8bit/SPLIT and gtFine/SPLIT";
    let all = folder(root.join("leftImg8bit"), needed)?;
    let images = all.join(split);
    if !images.is_dir() {
        let (images, splits) = (images.display(), splits(&all, ""));
        return Err(bad(format!(
            "there is no split {images}; there are {splits}"
        )));
    }
    let mut files = Vec::new();
    collect(&images, &mut files)?;
    files.sort();
    let maps = root.join("gtFine").join(split);
    let mut frames = Vec::new();
    for file in files {
        let relative = file.strip_prefix(&images).unwrap_or(&file);
        let relative = relative.to_string_lossy();
        let (Some(labels), Some(id)) = (labels_of(&relative), frame_of(&relative)) else {
            continue;
        };
        let labels = maps.join(labels);
        ensure!(
            labels.is_file(),
            "{} has no map {}; cityscapesscripts' createTrainIdLabelImgs makes maps of train ids",
            file.display(),
            labels.display()
        );
        frames.push(Frame {
            id: id.to_string(),
            image: file.clone(),
            labels,
        });
    }
    if frames.is_empty() {
        return Err(bad(format!(
            "{} has no image *_leftImg8bit.png",
            images.display()
        )));
    }
    let mut ids: Vec<&String> = frames.iter().map(|frame| &frame.id).collect();
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        anyhow::bail!("{}: two images are {}", images.display(), pair[0]);
    }
    Ok(frames)
}
