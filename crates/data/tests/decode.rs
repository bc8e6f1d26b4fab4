//! Decoding compared with Pillow on the same files, and the files that are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use parallax_data::decode::{JPEG_DECODER, MAX_PIXELS, decode_by_image, dimensions};
use parallax_data::{DataError, decode};
use parallax_views::Image;

fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/images")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Decodes an image of the given size. Returns the largest and the mean difference to Pillow's values.
fn difference(
    decode: impl Fn(&[u8], &str) -> Result<Image, DataError>,
    name: &str,
    (width, height): (u32, u32),
) -> (u8, f64) {
    let image = decode(&file(name), name).unwrap();
    let expected = file(&format!("{name}.rgb"));
    let sides = (image.width, image.height, image.data.len());
    assert_eq!(sides, (width, height, expected.len()), "{name}");
    let found = dimensions(&file(name), name).unwrap();
    assert_eq!(found, (width, height), "{name}");
    let pairs = image.data.iter().zip(&expected);
    let differences = pairs.map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    (differences.max().unwrap(), sum / expected.len() as f64)
}

#[test]
fn lossless_files_are_read_exactly_as_pillow_reads_them() {
    let names = [
        "rgb",
        "rgba",
        "rgb-transparent",
        "grey",
        "grey-alpha",
        "one-bit",
        "two-bit",
        "palette",
        "palette-alpha",
        "rgb16",
        "grey16",
        "grey-alpha16",
    ];
    for name in names {
        let file = format!("{name}.png");
        assert_eq!(difference(decode, &file, (8, 6)).0, 0, "{name}");
    }
    assert_eq!(difference(decode, "lossless-alpha.webp", (8, 6)).0, 0);
}

/// Tolerances of the crate `image` for the largest and the mean difference; see the documentation of `decode`.
#[test]
fn lossy_files_are_read_closely_and_by_libjpeg_turbo_exactly() {
    for (name, sides, most, mean) in [
        ("rgb.jpg", (8, 6), 1, 0.05),
        ("grey.jpg", (8, 6), 1, 0.05),
        ("progressive.jpg", (8, 6), 3, 0.7),
        ("cmyk.jpg", (8, 6), 0, 0.0),
        ("lossy.webp", (8, 6), 0, 0.0),
        ("photo-444.jpg", (67, 53), 2, 0.02),
        ("photo-422.jpg", (67, 53), 3, 0.2),
        ("photo-420.jpg", (67, 53), 3, 0.35),
        ("photo-even-422.jpg", (74, 64), 8, 0.15),
        ("photo-even-420.jpg", (44, 56), 9, 0.3),
        ("photo-progressive.jpg", (67, 53), 3, 0.35),
        ("photo-grey.jpg", (67, 53), 1, 0.02),
        ("photo-cmyk.jpg", (67, 53), 1, 0.02),
        ("photo-ycck.jpg", (67, 53), 2, 0.02),
        // Its EXIF orientation is not applied, nor is it by Pillow.
        ("photo-turned.jpg", (67, 53), 2, 0.02),
        ("photo.webp", (67, 53), 0, 0.0),
    ] {
        let found = difference(decode_by_image, name, sides);
        assert!(found.0 <= most && found.1 <= mean, "{name}: {found:?}");
        if JPEG_DECODER == "libjpeg-turbo" {
            assert_eq!(difference(decode, name, sides).0, 0, "{name}");
        }
    }
}

#[test]
fn a_truncated_file_is_refused_at_every_length() {
    for name in [
        "rgb.jpg",
        "progressive.jpg",
        "rgb.png",
        "lossless-alpha.webp",
        "lossy.webp",
    ] {
        let whole = file(name);
        // A PNG may lose its end chunk, and a WebP its padding, without losing a pixel.
        let spare = if name.ends_with("jpg") { 1 } else { 13 };
        for length in 0..=whole.len() - spare {
            match decode(&whole[..length], name) {
                Err(DataError::Decode { name: named, .. }) => assert_eq!(named, name),
                Err(other) => panic!("{name} cut to {length}: {other}"),
                Ok(_) => panic!(
                    "{name} cut to {length} of {} bytes was accepted",
                    whole.len()
                ),
            }
        }
    }
}

#[test]
fn trailing_bytes_are_ignored() {
    for name in ["rgb.jpg", "rgb.png"] {
        let mut bytes = file(name);
        bytes.extend_from_slice(b"camera maker's notes");
        assert_eq!(decode(&bytes, name), decode(&file(name), name));
    }
}

#[test]
fn other_files_are_refused_by_name() {
    let text = |bytes: &[u8]| decode(bytes, "cats/7.jpg").unwrap_err().to_string();
    assert_eq!(
        text(b""),
        "cats/7.jpg: not a valid JPEG, PNG or WebP image: the file is empty"
    );
    assert!(
        text(b"<html>not found</html>").contains("its first bytes belong to none of these formats")
    );
    assert!(text(b"GIF89a\x01\0\x01\0\0\0\0;").contains("it is a GIF file"));
}

#[test]
fn damage_inside_a_png_is_seen() {
    let mut bytes = file("rgb.png");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    assert!(matches!(
        decode(&bytes, "x.png"),
        Err(DataError::Decode { .. })
    ));
}

#[test]
fn absurd_sizes_are_refused_by_the_header() {
    // 100,000 x 100,000: 30 GB if anything were allocated.
    let mut bytes = file("rgb.png");
    bytes[16..20].copy_from_slice(&100_000u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&100_000u32.to_be_bytes());
    let crc = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&crc.to_be_bytes());
    let expected = DataError::TooLarge {
        name: "bomb".into(),
        width: 100_000,
        height: 100_000,
        limit: MAX_PIXELS,
    };
    assert_eq!(decode(&bytes, "bomb"), Err(expected.clone()));
    assert_eq!(dimensions(&bytes, "bomb"), Err(expected));

    // A JPEG of 65,500 x 65,500, the largest that libjpeg accepts.
    let mut bytes = file("rgb.jpg");
    let frame = bytes
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .unwrap();
    bytes[frame + 5..frame + 9].copy_from_slice(&[0xFF, 0xDC, 0xFF, 0xDC]);
    assert!(matches!(
        decode(&bytes, "bomb"),
        Err(DataError::TooLarge {
            width: 65500,
            height: 65500,
            ..
        })
    ));
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
        }
    }
    !crc
}
