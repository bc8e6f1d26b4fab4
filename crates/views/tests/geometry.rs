//! Replays what Pillow and numpy computed for images with boxes, polygons and label maps: `detectron2/generate.py` says how
//! `detectron2/cases.json` was made.

#![allow(clippy::unwrap_used, missing_docs)]

use parallax_views::{Image, Moved, Op, apply_all, has_sides, move_labels, shortest_edge};
use serde::Deserialize;

#[derive(Deserialize)]
struct File {
    pillow: String,
    cases: Vec<Case>,
    lines: Vec<Line>,
    sizes: Vec<[u32; 6]>,
}

#[derive(Deserialize)]
struct Case {
    seed: u32,
    width: u32,
    height: u32,
    short: u32,
    longest: u32,
    ops: Vec<Op>,
    pixels: u32,
    labels: u32,
    boxes: Vec<[f64; 4]>,
    moved: Vec<[f32; 4]>,
    keep: Vec<bool>,
    polygons: Vec<Vec<f64>>,
    /// As text: parsers of JSON may be off by the last bit.
    moved_polygons: Vec<Vec<String>>,
}

#[derive(Deserialize)]
struct Line {
    old: u32,
    new: u32,
    labels: u32,
}

fn file() -> File {
    serde_json::from_str(include_str!("detectron2/cases.json")).unwrap()
}

/// The same images as `image` of `generate.py`.
fn image(seed: u32, width: u32, height: u32) -> Image {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12_345);
    let data = (0..width * height * 3)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    Image {
        width,
        height,
        data,
    }
}

#[test]
fn pixels_and_label_maps_are_pillows() {
    let File { pillow, cases, .. } = file();
    for case in &cases {
        let (seed, size) = (case.seed, (case.width, case.height));
        let at = format!("seed {seed}, Pillow {pillow}");
        let pixels = apply_all(&image(seed, size.0, size.1), &case.ops).unwrap();
        assert_eq!(crc32fast::hash(&pixels.data), case.pixels, "{at}");
        let ids: Vec<u8> = (0..size.1)
            .flat_map(|y| (0..size.0).map(move |x| (x * 7 + y * 13 + x * y + seed) as u8))
            .collect();
        let (moved, ids) = move_labels(&case.ops, size, &ids).unwrap();
        assert_eq!(moved, (pixels.width, pixels.height), "{at}");
        assert_eq!(crc32fast::hash(&ids), case.labels, "{at}");
    }
}

#[test]
fn boxes_and_polygons_are_numpys_to_the_bit() {
    for case in file().cases {
        let moved = Moved::by(&case.ops, (case.width, case.height)).unwrap();
        let expected = case.moved.iter().zip(&case.keep);
        for (corners, (expected, keep)) in case.boxes.iter().zip(expected) {
            let found = moved.corners(*corners).map(|value| value as f32);
            assert_eq!(&found, expected, "seed {}", case.seed);
            assert_eq!(has_sides(found), *keep, "seed {}: {found:?}", case.seed);
        }
        for (polygon, expected) in case.polygons.iter().zip(&case.moved_polygons) {
            let expected: Vec<f64> = expected.iter().map(|text| text.parse().unwrap()).collect();
            assert_eq!(moved.polygon(polygon), expected, "seed {}", case.seed);
        }
    }
}

#[test]
fn lines_of_labels_are_pillows() {
    for Line { old, new, labels } in file().lines {
        let ids: Vec<u8> = (0..old).map(|x| (x % 251) as u8).collect();
        let resize = Op::Resize {
            width: new,
            height: 1,
        };
        let (_, ids) = move_labels(&[resize], (old, 1), &ids).unwrap();
        assert_eq!(crc32fast::hash(&ids), labels, "{old} to {new}");
    }
}

#[test]
fn sizes_are_those_of_the_definition() {
    let file = file();
    for [w, h, short, longest, width, height] in file.sizes {
        assert_eq!(shortest_edge((w, h), short, longest), (width, height));
    }
    for case in file.cases {
        let size = shortest_edge((case.width, case.height), case.short, case.longest);
        if let Some(Op::Resize { width, height }) = case.ops.first() {
            assert_eq!((*width, *height), size, "seed {}", case.seed);
        }
    }
}
