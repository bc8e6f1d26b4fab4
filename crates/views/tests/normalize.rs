//! The numbers a network sees.

#![allow(clippy::unwrap_used, missing_docs)]

use parallax_views::{Image, MEAN, STD, write_normalized};

#[test]
fn normalized_values_are_planar() {
    let image = Image {
        width: 2,
        height: 1,
        data: vec![0, 128, 255, 10, 20, 30],
    };
    let mut out = [0.0; 6];
    write_normalized(&image, &mut out).unwrap();
    let expected = |value: f32, c: usize| (value / 255.0 - MEAN[c]) / STD[c];
    let values = [
        (0.0, 0),
        (10.0, 0),
        (128.0, 1),
        (20.0, 1),
        (255.0, 2),
        (30.0, 2),
    ];
    assert_eq!(out, values.map(|(value, c)| expected(value, c)));
    let error = write_normalized(&image, &mut out[..5]).unwrap_err();
    assert_eq!(error.values, 5);
    let empty = Image {
        width: 0,
        height: 1,
        data: vec![],
    };
    assert!(write_normalized(&empty, &mut []).is_ok());
}

/// All 256 values of each channel, against PyTorch: `((torch.arange(256, dtype=torch.uint8).float().div(255)
/// - mean[c]) / std[c])` as little-endian bytes, channel after channel.
#[test]
fn normalized_values_are_those_of_pytorch() {
    let image = Image {
        width: 256,
        height: 1,
        data: (0..=255).flat_map(|v| [v; 3]).collect(),
    };
    let mut out = [0.0; 768];
    write_normalized(&image, &mut out).unwrap();
    let bytes: Vec<u8> = out.iter().flat_map(|value| value.to_le_bytes()).collect();
    assert_eq!(crc32fast::hash(&bytes), PYTORCH);
}

const PYTORCH: u32 = 0xbd18_b1b8;
