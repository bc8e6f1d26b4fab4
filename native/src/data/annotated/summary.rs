//! What annotated images hold, for `parallax data inspect`.

use std::fmt::{self, Write as _};

use anyhow::Result;
use serde_json::{Value, json};

use super::{AnnotatedSpec, DetectionFolder, Purpose, SegmentationFolder};
use crate::data::progress::{Progress, Unit};
use crate::data::sides::Sides;

/// What images hold of each class.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Numbers of objects.
    Objects,
    /// Numbers of pixels.
    Pixels,
}

/// A summary of annotated images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    name: String,
    images: usize,
    /// Images that a detector is not trained on, and objects that are crowds.
    untrained: [usize; 2],
    of: Of,
    classes: Vec<(String, u64)>,
    /// Smallest and largest width, and height.
    sides: [Sides; 2],
}

/// Whether an argument names annotated images.
pub fn is_annotated(argument: &str) -> bool {
    ["voc:", "coco:", "cityscapes:"]
        .iter()
        .any(|layout| argument.starts_with(layout))
}

impl Summary {
    /// Opens what an argument names, decodes every image, and counts.
    pub fn of(argument: &str, progress: &Progress) -> Result<Self> {
        match AnnotatedSpec::parse(argument)? {
            AnnotatedSpec::Cityscapes { .. } => Self::of_maps(argument, progress),
            _ => Self::of_boxes(argument, progress),
        }
    }

    fn of_boxes(argument: &str, progress: &Progress) -> Result<Self> {
        let opened = DetectionFolder::open(argument, Purpose::Test { classes: None })?;
        read(&opened.name, opened.images.len(), progress, |index| {
            Ok(opened.image(index).map(|_| ())?)
        })?;
        let mut counts = vec![0; opened.classes.len()];
        let instances = opened.images.iter().flat_map(|image| &image.instances);
        instances
            .clone()
            .for_each(|instance| counts[instance.class] += 1);
        let crowds = instances.filter(|instance| instance.crowd).count();
        let empty = opened.images.iter();
        let empty = empty.filter(|image| image.instances.iter().all(|found| found.crowd));
        Ok(Self {
            images: opened.images.len(),
            untrained: [empty.count(), crowds],
            of: Of::Objects,
            classes: opened.classes.iter().cloned().zip(counts).collect(),
            sides: Sides::ranges(opened.sizes()).unwrap_or_default(),
            name: opened.name,
        })
    }

    fn of_maps(argument: &str, progress: &Progress) -> Result<Self> {
        let opened = SegmentationFolder::open(argument)?;
        let mut names = SegmentationFolder::classes();
        let classes = names.len();
        names.push("ignored".to_string());
        let counts = read(&opened.name, opened.len(), progress, |index| {
            opened.image(index)?;
            let mut counts = vec![0u64; classes + 1];
            for id in opened.labels(index)?.ids {
                counts[usize::from(id).min(classes)] += 1;
            }
            Ok(counts)
        })?;
        let sum = |class: usize| counts.iter().map(|counts| counts[class]).sum();
        let classes = names.into_iter().enumerate();
        Ok(Self {
            images: opened.len(),
            untrained: [0; 2],
            of: Of::Pixels,
            classes: classes.map(|(class, name)| (name, sum(class))).collect(),
            sides: Sides::ranges(opened.sizes()).unwrap_or_default(),
            name: opened.name,
        })
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        let counted = match self.of {
            Of::Objects => "objects",
            Of::Pixels => "pixels",
        };
        let classes = self.classes.iter();
        let classes = classes.map(|(name, count)| json!({"name": name, counted: count}));
        let [width, height] = self.sides;
        json!({
            "name": self.name,
            "pictures": self.images,
            "classes": classes.collect::<Vec<_>>(),
            "width": width,
            "height": height,
            "without_objects": self.untrained[0],
            "crowds": self.untrained[1],
        })
    }
}

/// Calls `visit` for each image, on several threads.
fn read<T: Send>(
    name: &str,
    images: usize,
    progress: &Progress,
    visit: impl Fn(usize) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let found = progress.map(&format!("Reading {name}"), images, Unit::Images, visit);
    found.into_iter().collect()
}

/// Columns of a line.
const COLUMNS: usize = 80;

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all: u64 = self.classes.iter().map(|(_, count)| count).sum();
        let what = match self.of {
            Of::Objects => format!("{all} objects"),
            Of::Pixels => format!("{:.1} million pixels", all as f64 / 1e6),
        };
        writeln!(f, "{}\n  {} images, {what}", self.name, self.images)?;
        let [empty, crowds] = self.untrained;
        if empty + crowds > 0 {
            writeln!(
                f,
                "  not trained on: {empty} images without objects, {crowds} crowds"
            )?;
        }
        let [width, height] = self.sides;
        writeln!(f, "  {width} x {height} pixels")?;
        let present = self.classes.iter().filter(|(_, count)| *count > 0);
        let entries = present.map(|(name, count)| match self.of {
            Of::Objects => format!("{name} {count}"),
            Of::Pixels => format!("{name} {:.1} %", 100.0 * *count as f64 / all.max(1) as f64),
        });
        let mut line = String::from(" ");
        for entry in entries {
            if line.len() + entry.len() + 2 > COLUMNS && line.len() > 1 {
                writeln!(f, "{line}")?;
                line = String::from(" ");
            }
            write!(line, " {entry},")?;
        }
        writeln!(f, "{}", line.trim_end_matches(','))
    }
}
