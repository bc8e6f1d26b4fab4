//! JPEG files of every kind, decoded to the bytes of Pillow; and damaged ones.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![cfg(libjpeg)]

use parallax_data::decode::dimensions;
use parallax_data::{DataError, decode, encode_jpeg};
use parallax_views::Image;

/// A file that `tests/jpeg/make.py` wrote, and what Pillow makes of it.
struct Case {
    name: String,
    bytes: Vec<u8>,
    sides: (u32, u32),
    crc: u32,
}

fn cases() -> Vec<Case> {
    let mut rest: &[u8] = include_bytes!("jpeg/files.bin");
    let cases = include_str!("jpeg/cases.txt").lines().map(|line| {
        let words: Vec<&str> = line.split(' ').collect();
        let (bytes, after) = rest.split_at(words[1].parse().unwrap());
        rest = after;
        Case {
            name: words[0].to_string(),
            bytes: bytes.to_vec(),
            sides: (words[2].parse().unwrap(), words[3].parse().unwrap()),
            crc: u32::from_str_radix(words[4], 16).unwrap(),
        }
    });
    cases.collect()
}

#[test]
fn every_kind_of_file_decodes_to_the_bytes_of_pillow() {
    let cases = cases();
    assert!(cases.len() >= 200);
    let differ = cases.iter().filter(|case| {
        let image = decode(&case.bytes, &case.name).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(dimensions(&case.bytes, &case.name).unwrap(), case.sides);
        assert_eq!((image.width, image.height), case.sides, "{}", case.name);
        crc32fast::hash(&image.data) != case.crc
    });
    let differ: Vec<&str> = differ.map(|case| case.name.as_str()).collect();
    assert!(differ.is_empty(), "{} differ: {differ:?}", differ.len());
}

#[test]
fn a_truncated_file_of_any_kind_is_an_error() {
    for case in cases()
        .iter()
        .filter(|case| !case.name.contains("trailing"))
    {
        for tenth in 0..10 {
            let length = case.bytes.len() * tenth / 10;
            match decode(&case.bytes[..length], &case.name) {
                Err(DataError::Decode { name, .. }) => assert_eq!(name, case.name),
                other => panic!("{} cut to {length}: {other:?}", case.name),
            }
        }
    }
}

/// Whatever a file holds, decoding it ends in an image or an error.
#[test]
fn damaged_files_neither_panic_nor_take_a_wrong_size() {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(747_796_405).wrapping_add(2_891_336_453);
        state >> 8
    };
    let (mut decoded, mut refused) = (0, 0);
    for case in cases() {
        for _ in 0..20 {
            let mut bytes = case.bytes.clone();
            for _ in 0..1 + random() % 4 {
                let at = random() as usize % bytes.len();
                bytes[at] = random() as u8;
            }
            // Sizes that would take long are left to the test of the limit.
            if dimensions(&bytes, "x").is_ok_and(|(width, height)| width * height > 1 << 22) {
                continue;
            }
            match decode(&bytes, &case.name) {
                Ok(image) => {
                    let pixels = image.width as usize * image.height as usize;
                    assert_eq!(image.data.len(), 3 * pixels);
                    decoded += 1;
                }
                Err(error) => {
                    assert!(error.to_string().starts_with(&case.name));
                    refused += 1;
                }
            }
        }
    }
    assert!(decoded > 500 && refused > 500, "{decoded} {refused}");
}

#[test]
fn errors_of_the_decoder_are_told_in_its_words() {
    let whole = &cases()[0].bytes;
    let marker = whole
        .windows(2)
        .position(|pair| pair == [0xFF, 0xC0])
        .unwrap();
    let mut bytes = whole.clone();
    bytes[marker + 4] = 12;
    let error = decode(&bytes, "x.jpg").unwrap_err().to_string();
    assert_eq!(
        error,
        "x.jpg: not a valid JPEG, PNG or WebP image: Unsupported JPEG data precision 12"
    );
    bytes[marker + 1] = 0xC3;
    let error = decode(&bytes, "x.jpg").unwrap_err().to_string();
    assert!(error.contains("Unsupported JPEG process"), "{error}");
}

#[test]
fn encoded_files_are_those_of_pillow() {
    let cases = cases();
    let last = cases.last().unwrap();
    let image = decode(&last.bytes, &last.name).unwrap();
    for line in include_str!("jpeg/encoded.txt").lines() {
        let (quality, crc) = line.split_once(' ').unwrap();
        let file = encode_jpeg(&image, quality.parse().unwrap(), "x").unwrap();
        let crc = u32::from_str_radix(crc, 16).unwrap();
        assert_eq!(crc32fast::hash(&file), crc, "quality {quality}");
    }
    let empty = Image {
        width: 0,
        height: 1,
        data: Vec::new(),
    };
    assert_eq!(
        encode_jpeg(&empty, 90, "x.jpg").unwrap_err().to_string(),
        "x.jpg: cannot be encoded: it is 0 x 1 pixels"
    );
}
