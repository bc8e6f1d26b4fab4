//! Data sets for detection: images with boxes, classes and polygons, from the formats of VOC and COCO.

use std::collections::HashMap;

use crate::coco::{CocoAnnotation, CocoDataset, Segmentation};
use crate::error::DataError;
use crate::voc::VocAnnotation;

/// An object of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Instance {
    /// x1, y1, x2, y2 in pixels from the image's upper left corner, where a box from 0 to 1 is one pixel wide. It may reach
    /// beyond the image and may have no area: both are settled when an example is made.
    pub corners: [f64; 4],
    /// An index into [`DetectionSet::classes`].
    pub class: usize,
    /// Its mask is their union; each x, y, x, y, ..., at least three points. Empty where none is known.
    pub polygons: Vec<Vec<f64>>,
    /// Whether it is a group of objects that were not told apart. Nothing is trained on it.
    pub crowd: bool,
}

/// An image with its objects.
#[derive(Clone, Debug, PartialEq)]
pub struct AnnotatedImage {
    /// What detections name it by: the name in the list of VOC, the number of COCO.
    pub id: String,
    /// The image's file, relative to the data set's folder of images.
    pub file: String,
    /// Width and height in pixels, where the annotation says them.
    pub size: Option<(u32, u32)>,
    /// The objects in the order of the file.
    pub instances: Vec<Instance>,
}

/// A data set for detection.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionSet {
    /// For messages.
    pub name: String,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The images in the order of the file.
    pub images: Vec<AnnotatedImage>,
}

impl DetectionSet {
    /// Of the annotations of VOC. Each has the name of its image, from which those of the files in `Annotations` and
    /// `JPEGImages` follow. `classes` are those of a model; without them they are those of the annotations, sorted.
    ///
    /// VOC counts pixels from 1 with both ends inside: xmin and ymin become smaller by 1. Objects marked as difficult are kept.
    ///
    /// # Errors
    /// When a name occurs twice or leaves the folder, or an object's class is none of the given ones.
    pub fn of_voc(
        name: impl Into<String>,
        annotations: &[(String, VocAnnotation)],
        classes: Option<&[String]>,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let wrong = |image: &str, reason: String| DataError::Annotation {
            name: format!("{name}: {image}"),
            reason,
        };
        let names = annotations.iter().map(|(image, _)| image);
        if let Some(twice) = first_repeated(names) {
            return Err(wrong(twice, "is listed twice; list it once".to_string()));
        }
        let classes = match classes {
            Some(classes) => classes.to_vec(),
            None => {
                let objects = annotations.iter().flat_map(|(_, found)| &found.objects);
                let mut names: Vec<String> = objects.map(|object| object.name.clone()).collect();
                names.sort_unstable();
                names.dedup();
                names
            }
        };
        let mut images = Vec::with_capacity(annotations.len());
        for (image, annotation) in annotations {
            check_inside(image).map_err(|reason| wrong(image, reason))?;
            let instances = annotation.objects.iter().enumerate().map(|(at, object)| {
                let class = classes.iter().position(|class| *class == object.name);
                let [xmin, ymin, xmax, ymax] = object.corners;
                Ok(Instance {
                    corners: [xmin - 1.0, ymin - 1.0, xmax, ymax],
                    class: class.ok_or_else(|| {
                        let (at, class) = (at + 1, &object.name);
                        let known = classes.join(", ");
                        let reason = format!(
                            "object {at} has the class '{class}', which is none of the model's: {known}"
                        );
                        wrong(&format!("Annotations/{image}.xml"), reason)
                    })?,
                    polygons: Vec::new(),
                    crowd: false,
                })
            });
            images.push(AnnotatedImage {
                id: image.clone(),
                file: format!("JPEGImages/{image}.jpg"),
                size: annotation.size.map(|[width, height]| (width, height)),
                instances: instances.collect::<Result<_, DataError>>()?,
            });
        }
        Ok(Self {
            name,
            classes,
            images,
        })
    }

    /// Of a data set of COCO. Classes are its categories in the order of their ids. With `masks`, the polygons are kept and
    /// an object whose mask is given as run lengths is an error; crowds may be.
    ///
    /// An object whose polygons are all degenerate (fewer than three points, or an odd number of coordinates) is left out.
    ///
    /// # Errors
    /// When an image has no pixels, two of them have one file, a file leaves the folder, a box has a negative side, or a
    /// mask cannot be trained on.
    pub fn of_coco(
        name: impl Into<String>,
        dataset: &CocoDataset,
        masks: bool,
    ) -> Result<Self, DataError> {
        let name = name.into();
        let wrong = |reason: String| DataError::Annotation {
            name: name.clone(),
            reason,
        };
        let mut categories: Vec<_> = dataset.categories.iter().collect();
        categories.sort_by_key(|category| category.id);
        let class_of: HashMap<i64, usize> = categories
            .iter()
            .enumerate()
            .map(|(class, category)| (category.id, class))
            .collect();
        let files = dataset.images.iter().map(|image| &image.file_name);
        if let Some(twice) = first_repeated(files) {
            return Err(wrong(format!("two images have the file_name '{twice}'")));
        }
        let mut images = Vec::with_capacity(dataset.images.len());
        let mut place = HashMap::with_capacity(dataset.images.len());
        for image in &dataset.images {
            let of = |reason: String| wrong(format!("image {}: {reason}", image.id));
            if image.file_name.is_empty() {
                return Err(of("file_name is missing".to_string()));
            }
            check_inside(&image.file_name).map_err(|reason| of(format!("file_name {reason}")))?;
            if image.width == 0 || image.height == 0 {
                let (width, height) = (image.width, image.height);
                return Err(of(format!("width and height are {width} and {height}")));
            }
            place.insert(image.id, images.len());
            images.push(AnnotatedImage {
                id: image.id.to_string(),
                file: image.file_name.clone(),
                size: Some((image.width, image.height)),
                instances: Vec::new(),
            });
        }
        for annotation in &dataset.annotations {
            let of = |reason: String| wrong(format!("annotation {}: {reason}", annotation.id));
            let unknown = || of("its image_id or category_id is not listed".to_string());
            let image = place.get(&annotation.image_id).ok_or_else(unknown)?;
            let class = class_of.get(&annotation.category_id).ok_or_else(unknown)?;
            if let Some(instance) = instance(annotation, *class, masks).map_err(of)? {
                images[*image].instances.push(instance);
            }
        }
        let classes = categories.iter().map(|category| category.name.clone());
        Ok(Self {
            classes: classes.collect(),
            images,
            name,
        })
    }

    /// The part that can be trained on: images with at least one object that is no crowd, without their crowds. Boxes
    /// without area count here; they are dropped only when an example is made.
    pub fn for_training(mut self) -> Self {
        for image in &mut self.images {
            image.instances.retain(|instance| !instance.crowd);
        }
        self.images.retain(|image| !image.instances.is_empty());
        self
    }

    /// Objects of each class, crowds included, in the order of the classes.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        let instances = self.images.iter().flat_map(|image| &image.instances);
        instances.for_each(|instance| counts[instance.class] += 1);
        counts
    }
}

/// An object of COCO; nothing where its polygons are all degenerate.
fn instance(
    annotation: &CocoAnnotation,
    class: usize,
    masks: bool,
) -> Result<Option<Instance>, String> {
    let [x, y, width, height] = annotation.bbox;
    if width < 0.0 || height < 0.0 {
        return Err(format!(
            "bbox has the sides {width} and {height}; x, y, width, height are needed"
        ));
    }
    let mut kept = Vec::new();
    match &annotation.segmentation {
        // COCO's tools take an empty list for no mask.
        Some(Segmentation::Polygons(polygons)) if !polygons.is_empty() => {
            let whole = |points: &&Vec<f64>| points.len() >= 6 && points.len().is_multiple_of(2);
            kept = polygons.iter().filter(whole).cloned().collect();
            if kept.is_empty() {
                return Ok(None);
            }
        }
        Some(Segmentation::Runs { .. } | Segmentation::Compressed { .. })
            if masks && !annotation.iscrowd =>
        {
            return Err(
                "segmentation is given as run lengths; to train masks, polygons are needed for all but crowds"
                    .to_string(),
            );
        }
        _ => {}
    }
    if !masks {
        kept.clear();
    }
    Ok(Some(Instance {
        corners: [x, y, x + width, y + height],
        class,
        polygons: kept,
        crowd: annotation.iscrowd,
    }))
}

fn first_repeated<'a>(names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(name.as_str()))
}

/// Refuses a name that leads out of the folder it is looked up in.
fn check_inside(name: &str) -> Result<(), String> {
    let outside = name.starts_with(['/', '\\'])
        || name.contains(':')
        || name.split(['/', '\\']).any(|part| part == "..");
    match outside {
        true => Err(format!("'{name}' leads out of the data set's folder")),
        false => Ok(()),
    }
}

#[cfg(test)]
#[path = "detection_tests.rs"]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
mod tests;
