//! EXIF orientations against Pillow: `images/turned/make.py` wrote the files.

#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;

use parallax_data::{decode, decode_upright, upright_dimensions};

#[test]
fn every_orientation_is_applied_as_by_pillow() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images/turned");
    for orientation in 1..=8 {
        let bytes = fs::read(format!("{folder}/{orientation}.png")).unwrap();
        let expected = fs::read(format!("{folder}/{orientation}.rgb")).unwrap();
        let image = decode_upright(&bytes, "x").unwrap();
        assert_eq!(image.data, expected, "orientation {orientation}");
        let size = if orientation > 4 { (2, 3) } else { (3, 2) };
        assert_eq!((image.width, image.height), size);
        assert_eq!(upright_dimensions(&bytes, "x").unwrap(), size);
    }
}

#[test]
fn photos_in_jpeg_are_turned_and_others_are_not() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/images");
    let turned = fs::read(format!("{folder}/photo-turned.jpg")).unwrap();
    let (lying, upright) = (
        decode(&turned, "x").unwrap(),
        decode_upright(&turned, "x").unwrap(),
    );
    assert_eq!((lying.width, lying.height), (upright.height, upright.width));
    let plain = fs::read(format!("{folder}/photo-444.jpg")).unwrap();
    assert_eq!(decode(&plain, "x"), decode_upright(&plain, "x"));
}
