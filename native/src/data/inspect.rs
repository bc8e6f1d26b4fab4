//! `parallax data inspect`: a summary of a data set, for which every image is read.

use std::collections::BTreeSet;
use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use super::progress::{Progress, Unit};
use super::sides::Sides;
use super::{Split, listing, splits};

/// The summary of a split.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The split; `None` where there is only one.
    pub split: Option<Split>,
    /// The name of the source.
    pub name: String,
    /// Number of images, damaged ones included.
    pub images: usize,
    /// Each class with its number of images.
    pub classes: Vec<(String, usize)>,
    /// The distinct sizes, (width, height).
    pub sides: BTreeSet<(u32, u32)>,
    /// Bytes of all decoded images.
    pub bytes: u64,
    /// The error of each damaged image, which names the file.
    pub broken: Vec<String>,
    /// A description of the files that are not images by their extension.
    pub ignored: Option<String>,
}

/// Reads all splits of a data set.
pub fn inspect(spec: &str, progress: &Progress) -> anyhow::Result<Vec<Report>> {
    splits(spec)
        .into_iter()
        .map(|split| part(spec, split, progress))
        .collect()
}

fn part(spec: &str, split: Option<Split>, progress: &Progress) -> anyhow::Result<Report> {
    let side = split.unwrap_or(Split::Train);
    // Files are only listed: all damaged images are reported below.
    let listing = listing(spec, side, progress)?;
    let ignored = listing.ignored().map(String::from);
    let source = listing.into_source();
    let title = format!("Reading {}", source.name());
    let found = progress.map(&title, source.len(), Unit::Images, |index| {
        let image = source.image(index);
        image
            .map(|image| (image.width, image.height))
            .map_err(|error| error.to_string())
    });
    Ok(Report {
        split,
        name: source.name().into(),
        images: source.len(),
        classes: source
            .classes()
            .iter()
            .cloned()
            .zip(source.class_counts())
            .collect(),
        sides: found.iter().flatten().copied().collect(),
        bytes: found
            .iter()
            .flatten()
            .map(|&(w, h)| 3 * u64::from(w) * u64::from(h))
            .sum(),
        broken: found.into_iter().filter_map(Result::err).collect(),
        ignored,
    })
}

impl Report {
    /// The summary as JSON.
    pub fn json(&self) -> Value {
        let sides = Sides::ranges(&self.sides);
        json!({
            "split": self.split.map(|split| split.to_string()),
            "name": self.name,
            "pictures": self.images,
            "classes": self.classes.iter().map(|(name, count)| json!({"name": name, "pictures": count})).collect::<Vec<_>>(),
            "width": sides.map(|[width, _]| width),
            "height": sides.map(|[_, height]| height),
            "sizes": self.sides.len(),
            "decoded_bytes": self.bytes,
            "broken": self.broken,
            "ignored": self.ignored,
        })
    }
}

/// How many classes are listed as text.
const LISTED: usize = 20;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let split = self
            .split
            .map(|split| format!(" ({split})"))
            .unwrap_or_default();
        writeln!(
            f,
            "{}{split}: {} images of {} classes",
            self.name,
            self.images,
            self.classes.len()
        )?;
        if let Some([width, height]) = Sides::ranges(&self.sides) {
            let mib = self.bytes as f64 / f64::from(1 << 20);
            writeln!(
                f,
                "  size     {width} x {height} pixels, {mib:.1} MiB once decoded"
            )?;
        }
        let mut line = String::new();
        for (name, count) in self.classes.iter().take(LISTED) {
            write!(
                line,
                "{}{name} {count}",
                if line.is_empty() { "" } else { ", " }
            )?;
        }
        if self.classes.len() > LISTED {
            write!(line, ", and {} more", self.classes.len() - LISTED)?;
        }
        writeln!(f, "  classes  {line}")?;
        if let Some(ignored) = &self.ignored {
            writeln!(f, "  ignored  {ignored}")?;
        }
        if !self.broken.is_empty() {
            writeln!(f, "  broken   {}", self.broken.len())?;
            self.broken
                .iter()
                .try_for_each(|broken| writeln!(f, "    {broken}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::data::tests::{TempDir, image};

    #[test]
    fn the_sample() {
        let reports = inspect("sample", &Progress::hidden()).unwrap();
        assert_eq!(
            reports
                .iter()
                .map(|report| report.images)
                .collect::<Vec<_>>(),
            [2000, 500]
        );
        let text = reports[1].to_string();
        assert!(
            text.starts_with(
                "sample (test): 500 images of 10 classes\n  size     32 x 32 pixels, 1.5 MiB"
            ),
            "{text}"
        );
        assert_eq!(
            reports[0].json()["classes"][9],
            json!({"name": "truck", "pictures": 200})
        );
    }

    #[test]
    fn a_folder_with_a_broken_image() {
        let dir = TempDir::new("inspect");
        dir.write("a/1.png", &image(image::ImageFormat::Png, 1));
        dir.write("a/2.jpg", b"broken");
        dir.write("a/3.gif", b"");
        let reports = inspect(dir.spec(), &Progress::hidden()).unwrap();
        assert_eq!(
            (reports.len(), reports[0].images, reports[0].broken.len()),
            (1, 2, 1)
        );
        let text = reports[0].to_string();
        assert!(
            text.contains("2.jpg") && text.contains("1 file (.gif)") && text.contains("9 x 7"),
            "{text}"
        );
        assert_eq!(reports[0].json()["split"], Value::Null);
    }
}
