//! COCO's formats: the JSON file of a data set with boxes and masks, and that of detections.

use serde::Deserialize;

use crate::error::DataError;

/// A data set: images, annotations, categories.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct CocoDataset {
    /// The images.
    pub images: Vec<CocoImage>,
    /// The annotations, one an object.
    #[serde(default)]
    pub annotations: Vec<CocoAnnotation>,
    /// The categories; their ids may have gaps.
    pub categories: Vec<CocoCategory>,
}

/// An image.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CocoImage {
    /// What annotations name it by.
    pub id: i64,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Name in the folder of images.
    #[serde(default)]
    pub file_name: String,
}

/// A category.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct CocoCategory {
    /// What annotations name it by.
    pub id: i64,
    /// For people.
    pub name: String,
}

/// An object of an image.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CocoAnnotation {
    /// Its id.
    #[serde(default)]
    pub id: i64,
    /// The image that it is in.
    pub image_id: i64,
    /// What it is.
    pub category_id: i64,
    /// x, y, width, height in pixels from 0.
    pub bbox: [f64; 4],
    /// Pixels of the object.
    pub area: f64,
    /// Whether it is a group of objects that were not told apart.
    #[serde(default, deserialize_with = "flag")]
    pub iscrowd: bool,
    /// Its mask.
    #[serde(default)]
    pub segmentation: Option<Segmentation>,
}

/// A detection.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct CocoDetection {
    /// The image that it is in.
    pub image_id: i64,
    /// What it is.
    pub category_id: i64,
    /// x, y, width, height in pixels from 0.
    #[serde(default)]
    pub bbox: Option<[f64; 4]>,
    /// Its mask.
    #[serde(default)]
    pub segmentation: Option<Segmentation>,
    /// Its confidence.
    pub score: f64,
}

/// A mask in one of COCO's three forms.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Segmentation {
    /// Polygons, each x, y, x, y, ...; the mask is their union.
    Polygons(Vec<Vec<f64>>),
    /// Run lengths in column-major order, of zeros first.
    Runs {
        /// Height and width in pixels.
        size: [u32; 2],
        /// The lengths.
        counts: Vec<u32>,
    },
    /// Run lengths as pycocotools writes them into a string.
    Compressed {
        /// Height and width in pixels.
        size: [u32; 2],
        /// The string.
        counts: String,
    },
}

/// 0, 1, false or true.
fn flag<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Flag {
        Bool(bool),
        Number(i64),
    }
    Ok(match Flag::deserialize(deserializer)? {
        Flag::Bool(flag) => flag,
        Flag::Number(number) => number != 0,
    })
}

impl CocoDataset {
    /// Reads a JSON file; `name` is the file's in errors.
    ///
    /// # Errors
    /// When the text is not JSON of this form, an id occurs twice, or an annotation names an image or a category that is not
    /// in the file.
    pub fn parse(name: &str, text: &[u8]) -> Result<Self, DataError> {
        let wrong = |reason: String| DataError::Annotation {
            name: name.to_string(),
            reason,
        };
        let dataset: Self = serde_json::from_slice(text)
            .map_err(|error| wrong(format!("not a COCO data set: {error}")))?;
        let images = ids(dataset.images.iter().map(|image| image.id));
        let categories = ids(dataset.categories.iter().map(|category| category.id));
        for (what, ids) in [("image", &images), ("category", &categories)] {
            if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
                return Err(wrong(format!("{what} {} occurs twice", pair[0])));
            }
        }
        for annotation in &dataset.annotations {
            let CocoAnnotation {
                id,
                image_id,
                category_id,
                ..
            } = annotation;
            for (what, found, known) in [
                ("image_id", image_id, &images),
                ("category_id", category_id, &categories),
            ] {
                if known.binary_search(found).is_err() {
                    return Err(wrong(format!(
                        "annotation {id} has the {what} {found}, which the file does not list"
                    )));
                }
            }
        }
        Ok(dataset)
    }
}

impl CocoDetection {
    /// Reads a JSON list of detections; `name` is the file's in errors.
    ///
    /// # Errors
    /// When the text is not JSON of this form, or a score is not finite.
    pub fn parse(name: &str, text: &[u8]) -> Result<Vec<Self>, DataError> {
        let wrong = |reason: String| DataError::Annotation {
            name: name.to_string(),
            reason,
        };
        let detections: Vec<Self> = serde_json::from_slice(text)
            .map_err(|error| wrong(format!("not a list of COCO detections: {error}")))?;
        Ok(detections)
    }
}

fn ids(ids: impl Iterator<Item = i64>) -> Vec<i64> {
    let mut ids: Vec<i64> = ids.collect();
    ids.sort_unstable();
    ids
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn parse(annotation: &str) -> Result<CocoDataset, DataError> {
        let text = format!(
            r#"{{"info": {{}}, "images": [{{"id": 7, "width": 4, "height": 3, "file_name": "a.jpg"}}],
                "categories": [{{"id": 18, "name": "dog", "supercategory": "animal"}}], "annotations": [{annotation}]}}"#
        );
        CocoDataset::parse("instances.json", text.as_bytes())
    }

    #[test]
    fn masks_come_in_three_forms() {
        let with = |segmentation: &str| {
            let found = parse(&format!(
                r#"{{"id": 1, "image_id": 7, "category_id": 18, "bbox": [0, 1, 2, 2.5], "area": 4, "iscrowd": 0,
                    "segmentation": {segmentation}}}"#
            ));
            found.unwrap().annotations[0].segmentation.clone().unwrap()
        };
        let square = vec![vec![0.0, 0.0, 2.0, 0.0, 2.0, 2.0]];
        assert_eq!(with("[[0, 0, 2, 0, 2, 2]]"), Segmentation::Polygons(square));
        let (size, counts) = ([3, 4], vec![0, 12]);
        assert_eq!(
            with(r#"{"size": [3, 4], "counts": [0, 12]}"#),
            Segmentation::Runs { size, counts }
        );
        let counts = "0<".to_string();
        assert_eq!(
            with(r#"{"size": [3, 4], "counts": "0<"}"#),
            Segmentation::Compressed { size, counts }
        );
    }

    #[test]
    fn an_error_names_file_and_field() {
        let message = |annotation: &str| parse(annotation).unwrap_err().to_string();
        let found =
            message(r#"{"id": 4, "image_id": 8, "category_id": 18, "bbox": [0,0,1,1], "area": 1}"#);
        assert_eq!(
            found,
            "instances.json: annotation 4 has the image_id 8, which the file does not list"
        );
        let found = message(r#"{"id": 4, "image_id": 7, "category_id": 18, "bbox": [0,0,1,1]}"#);
        assert!(found.contains("missing field `area`"), "{found}");
    }
}
