//! The arguments that name annotated images.

use std::path::PathBuf;

use crate::data::bad;

/// The forms of the argument, for help and errors.
pub const ACCEPTED: &str = "voc:DIR:SPLIT[,DIR:SPLIT], coco:IMAGES:JSON or cityscapes:DIR:SPLIT";

/// Annotated images by layout.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AnnotatedSpec {
    /// Folders with `JPEGImages`, `Annotations` and `ImageSets/Main/SPLIT.txt`, each with its split.
    Voc(Vec<(PathBuf, String)>),
    /// A folder of images and a JSON file.
    Coco {
        /// The folder.
        images: PathBuf,
        /// The file.
        json: PathBuf,
    },
    /// A folder with `leftImg8bit/SPLIT` and `gtFine/SPLIT`.
    Cityscapes {
        /// The folder.
        folder: PathBuf,
        /// The split.
        split: String,
    },
}

impl AnnotatedSpec {
    /// Reads an argument.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let wrong = || bad(format!("'{text}' names no annotated images: {ACCEPTED}"));
        let (layout, rest) = text.split_once(':').ok_or_else(wrong)?;
        match layout {
            "voc" => {
                let parts = rest.split(',').map(|part| {
                    let (folder, split) = last_colon(part)?;
                    Some((PathBuf::from(folder), split.to_string()))
                });
                let parts: Option<Vec<_>> = parts.collect();
                Ok(Self::Voc(parts.ok_or_else(wrong)?))
            }
            "coco" => {
                let (images, json) = last_colon(rest).ok_or_else(wrong)?;
                Ok(Self::Coco {
                    images: images.into(),
                    json: json.into(),
                })
            }
            "cityscapes" => {
                let (folder, split) = last_colon(rest).ok_or_else(wrong)?;
                Ok(Self::Cityscapes {
                    folder: folder.into(),
                    split: split.to_string(),
                })
            }
            _ => Err(wrong()),
        }
    }
}

/// What stands before and behind the last colon that is not a drive's; neither is empty.
fn last_colon(text: &str) -> Option<(&str, &str)> {
    let (mut before, mut behind) = text.rsplit_once(':')?;
    let is_drive = |before: &str| {
        let name = before.rsplit(':').next().unwrap_or_default();
        name.len() == 1 && name.chars().all(|letter| letter.is_ascii_alphabetic())
    };
    if cfg!(windows) && behind.starts_with(['\\', '/']) && is_drive(before) {
        let colon = before.rfind(':')?;
        (before, behind) = (&text[..colon], &text[colon + 1..]);
    }
    (!before.is_empty() && !behind.is_empty()).then_some((before, behind))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn arguments_name_a_layout_and_its_parts() {
        let of = |text: &str| AnnotatedSpec::parse(text).unwrap();
        assert_eq!(
            of("voc:a/VOC2007:trainval,b:x"),
            AnnotatedSpec::Voc(vec![
                ("a/VOC2007".into(), "trainval".into()),
                ("b".into(), "x".into())
            ])
        );
        let (images, json) = ("val:2".into(), "a.json".into());
        assert_eq!(
            of("coco:val:2:a.json"),
            AnnotatedSpec::Coco { images, json }
        );
        let (folder, split) = ("c".into(), "val".into());
        assert_eq!(
            of("cityscapes:c:val"),
            AnnotatedSpec::Cityscapes { folder, split }
        );
    }

    #[test]
    fn other_arguments_are_refused() {
        for text in [
            "",
            "voc",
            "voc:",
            "voc:a",
            "voc:a:",
            "voc::b",
            "voc:a:b,c",
            "imagenet:a:b",
            "coco:a",
            "cityscapes:a",
        ] {
            let error = AnnotatedSpec::parse(text).unwrap_err().to_string();
            assert!(error.contains("voc:DIR:SPLIT"), "{text}: {error}");
        }
    }
}
