//! Data sets for semantic segmentation in the layout of Cityscapes: an image and a map of train ids each.

use crate::error::DataError;
use crate::label_map::LabelMap;

/// The train id of pixels that are ignored.
pub const IGNORED: u8 = 255;

const IMAGE: &str = "_leftImg8bit.png";
const LABELS: &str = "_gtFine_labelTrainIds.png";

/// Of a path below `leftImg8bit/SPLIT`, that of its map of train ids below `gtFine/SPLIT`; `None` where the name is not
/// `*_leftImg8bit.png`.
pub fn labels_of(image: &str) -> Option<String> {
    image
        .strip_suffix(IMAGE)
        .map(|start| format!("{start}{LABELS}"))
}

/// CITY_SEQ_FRAME of an image's file name, by which predictions are found.
pub fn frame_of(image: &str) -> Option<&str> {
    let name = image.rsplit(['/', '\\']).next()?;
    name.strip_suffix(IMAGE)
}

/// Decodes a map of train ids for an image of this width and height.
///
/// # Errors
/// When it is not a label map ([`LabelMap::decode`]), has another size, or an id is neither below `classes` nor [`IGNORED`].
pub fn train_ids(
    name: &str,
    bytes: &[u8],
    (width, height): (u32, u32),
    classes: usize,
) -> Result<LabelMap, DataError> {
    let wrong = |reason: String| DataError::Annotation {
        name: name.to_string(),
        reason,
    };
    let map = LabelMap::decode(name, bytes)?;
    if (map.width, map.height) != (width, height) {
        return Err(wrong(format!(
            "has {} x {} pixels, its image {width} x {height}; both need the same size",
            map.width, map.height
        )));
    }
    let bad = |id: &&u8| usize::from(**id) >= classes && **id != IGNORED;
    match map.ids.iter().find(bad) {
        Some(id) => Err(wrong(format!(
            "has the id {id}; train ids are 0 to {} and {IGNORED} for ignored pixels",
            classes.saturating_sub(1)
        ))),
        None => Ok(map),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn png(width: u32, ids: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, ids.len() as u32 / width);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(ids).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn names_belong_together() {
        let image = "ulm/ulm_000003_000019_leftImg8bit.png";
        assert_eq!(
            labels_of(image).unwrap(),
            "ulm/ulm_000003_000019_gtFine_labelTrainIds.png"
        );
        assert_eq!(frame_of(image), Some("ulm_000003_000019"));
        assert_eq!((labels_of("a.png"), frame_of("a.png")), (None, None));
    }

    #[test]
    fn maps_are_checked() {
        let bytes = png(3, &[0, 18, 255, 1, 2, 3]);
        let map = train_ids("m.png", &bytes, (3, 2), 19).unwrap();
        assert_eq!(map.ids, [0, 18, 255, 1, 2, 3]);
        let of = |size, classes| {
            let error = train_ids("m.png", &bytes, size, classes);
            error.unwrap_err().to_string()
        };
        let found = of((2, 3), 19);
        assert_eq!(
            found,
            "m.png: has 3 x 2 pixels, its image 2 x 3; both need the same size"
        );
        let found = of((3, 2), 18);
        assert_eq!(
            found,
            "m.png: has the id 18; train ids are 0 to 17 and 255 for ignored pixels"
        );
    }
}
