//! Examples of detection and segmentation as a network takes them: pixels with what is known of them, moved together.

use parallax_views::{Canvas, Image, Moved, Op, OpError, has_sides, move_labels};

use crate::detection::AnnotatedImage;
use crate::label_map::LabelMap;

/// An image for a detector.
#[derive(Clone, Debug, PartialEq)]
pub struct DetectionExample {
    /// What detections name it by.
    pub id: String,
    /// The pixels after resize and flip.
    pub image: Image,
    /// Width and height of the image in its file, upright.
    pub original: (u32, u32),
    /// x1, y1, x2, y2 in pixels of `image`.
    pub boxes: Vec<[f32; 4]>,
    /// The class of each box.
    pub classes: Vec<usize>,
    /// The polygons of each box, each x, y, x, y, ...; not clipped. Empty where the set has no masks.
    pub polygons: Vec<Vec<Vec<f64>>>,
}

impl DetectionExample {
    /// Of an image and what is known of it. Crowds are left out, and boxes with a side of at most 1e-5 pixels after clipping
    /// to the image; with `masks` objects without a polygon as well.
    ///
    /// # Errors
    /// When an operation does not fit the image.
    pub fn new(
        image: &Image,
        annotation: &AnnotatedImage,
        ops: &[Op],
        masks: bool,
        canvas: &mut Canvas,
    ) -> Result<Self, OpError> {
        let original = (image.width, image.height);
        let moved = Moved::by(ops, original)?;
        canvas.apply(image, ops)?;
        let mut example = Self {
            id: annotation.id.clone(),
            image: canvas.to_image(),
            original,
            boxes: Vec::new(),
            classes: Vec::new(),
            polygons: Vec::new(),
        };
        for instance in annotation.instances.iter().filter(|found| !found.crowd) {
            let corners = moved.corners(instance.corners).map(|value| value as f32);
            if !has_sides(corners) || (masks && instance.polygons.is_empty()) {
                continue;
            }
            example.boxes.push(corners);
            example.classes.push(instance.class);
            if masks {
                let polygons = instance.polygons.iter();
                let polygons = polygons.map(|points| moved.polygon(points)).collect();
                example.polygons.push(polygons);
            }
        }
        Ok(example)
    }
}

/// An image for semantic segmentation.
#[derive(Clone, Debug, PartialEq)]
pub struct SegmentationExample {
    /// CITY_SEQ_FRAME.
    pub id: String,
    /// The pixels after resize, crop and flip.
    pub image: Image,
    /// The train id of each pixel, 255 where it is ignored; row by row.
    pub labels: Vec<u8>,
}

impl SegmentationExample {
    /// Of an image and its map of train ids.
    ///
    /// # Errors
    /// When an operation does not fit the image, or the map is of another size.
    pub fn new(
        id: String,
        image: &Image,
        map: &LabelMap,
        ops: &[Op],
        canvas: &mut Canvas,
    ) -> Result<Self, OpError> {
        canvas.apply(image, ops)?;
        let (_, labels) = move_labels(ops, (image.width, image.height), &map.ids)?;
        Ok(Self {
            id,
            image: canvas.to_image(),
            labels,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::detection::Instance;

    fn image() -> Image {
        Image {
            width: 10,
            height: 8,
            data: (0..240).map(|v| v as u8).collect(),
        }
    }

    fn instance(corners: [f64; 4], polygons: Vec<Vec<f64>>) -> Instance {
        Instance {
            corners,
            class: 3,
            polygons,
            crowd: false,
        }
    }

    #[test]
    fn boxes_outside_or_without_area_crowds_and_missing_masks_are_left_out() {
        let triangle = vec![vec![0.0, 0.0, 12.0, 0.0, 4.0, 4.0]];
        let crowd = Instance {
            crowd: true,
            ..instance([1.0, 1.0, 2.0, 2.0], triangle.clone())
        };
        let annotation = AnnotatedImage {
            id: "7".to_string(),
            file: String::new(),
            size: None,
            instances: vec![
                instance([-1.0, 2.0, 12.0, 4.0], triangle.clone()),
                instance([11.0, 2.0, 12.0, 4.0], triangle.clone()),
                instance([3.0, 3.0, 3.0, 4.0], triangle.clone()),
                crowd,
                instance([1.0, 1.0, 2.0, 2.0], vec![]),
            ],
        };
        let ops = [
            Op::Resize {
                width: 20,
                height: 16,
            },
            Op::Hflip {},
        ];
        let of = |masks| {
            DetectionExample::new(&image(), &annotation, &ops, masks, &mut Canvas::default())
        };
        let found = of(true).unwrap();
        assert_eq!(found.boxes, [[0.0, 4.0, 20.0, 8.0]]);
        assert_eq!(
            found.polygons,
            [vec![vec![20.0, 0.0, -4.0, 0.0, 12.0, 8.0]]]
        );
        assert_eq!((found.image.width, found.original), (20, (10, 8)));
        let found = of(false).unwrap();
        assert_eq!(found.boxes[1], [16.0, 2.0, 18.0, 4.0]);
        assert_eq!((found.classes, found.polygons.len()), (vec![3, 3], 0));
    }

    #[test]
    fn label_maps_follow_their_pixels() {
        let map = LabelMap {
            width: 10,
            height: 8,
            ids: (0..80).collect(),
        };
        let ops = [Op::Hflip {}];
        let of = |map| {
            SegmentationExample::new("a".to_string(), &image(), map, &ops, &mut Canvas::default())
        };
        let found = of(&map).unwrap();
        assert_eq!(found.labels[..3], [9, 8, 7]);
        assert_eq!(found.image.data[..3], [27, 28, 29]);
        let other = LabelMap {
            width: 10,
            height: 7,
            ids: vec![0; 70],
        };
        assert!(of(&other).is_err());
    }
}
