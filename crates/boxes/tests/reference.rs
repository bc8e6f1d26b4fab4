//! Box logic equal to torch, torchvision and pycocotools (`reference/generate.py`).
#![allow(clippy::unwrap_used)]

use parallax_boxes::{
    Corners, DetectionOptions, LevelOptions, Matcher, ProposalOptions, anchors, cell_anchors,
    decode, detections, encode, iou_matrix, level, mask_target, nms_by_group, paste, proposals,
};
use serde_json::Value;

fn case(name: &str) -> Value {
    let cases: Value = serde_json::from_str(include_str!("reference/boxes.json")).unwrap();
    cases[name].clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value)
        .into_iter()
        .map(|value| value as f32)
        .collect()
}

fn integers(value: &Value) -> Vec<i64> {
    numbers(value)
        .into_iter()
        .map(|value| value as i64)
        .collect()
}

fn fours(values: &[f32]) -> Vec<[f32; 4]> {
    values
        .chunks_exact(4)
        .map(|four| four.try_into().unwrap())
        .collect()
}

fn boxes(value: &Value) -> Vec<Corners> {
    fours(&floats(value))
}

fn size(value: &Value) -> [u32; 2] {
    [0, 1].map(|at| value[at].as_u64().unwrap() as u32)
}

fn float(value: &Value) -> f32 {
    value.as_f64().unwrap() as f32
}

fn assert_near(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (a, b) in found.iter().zip(expected) {
        assert!((a - b).abs() <= tolerance * b.abs().max(1.0), "{a} {b}");
    }
}

#[test]
fn anchors_are_detectron2s_to_the_bit() {
    let case = case("anchors");
    let ratios = numbers(&case["ratios"]);
    let mut found = Vec::new();
    for at in 0..2 {
        let cell = cell_anchors(&numbers(&case["sizes"][at]), &ratios);
        let grid = size(&case["grids"][at]).map(|side| side as usize);
        let stride = case["strides"][at].as_u64().unwrap() as u32;
        found.extend(anchors(grid, stride, &cell));
    }
    assert_eq!(found, boxes(&case["anchors"]));
}

#[test]
fn the_box_code() {
    let case = case("code");
    let (from, to) = (boxes(&case["from"]), boxes(&case["to"]));
    let weights: [f32; 4] = floats(&case["weights"]).try_into().unwrap();
    let pairs = from.iter().zip(&to);
    let encoded: Vec<f32> = pairs.flat_map(|(&a, &b)| encode(a, b, weights)).collect();
    assert_near(&encoded, &floats(&case["encoded"]), 1e-6);
    let deltas = floats(&case["deltas"]);
    let decoded: Vec<f32> = deltas
        .chunks_exact(8)
        .zip(&from)
        .flat_map(|(deltas, &from)| {
            let both = fours(deltas).into_iter();
            both.flat_map(move |deltas| decode(from, deltas, weights))
        })
        .collect();
    assert_near(&decoded, &floats(&case["decoded"]), 2e-6);
}

#[test]
fn overlaps_and_matches_are_exact() {
    let case_iou = case("iou");
    let found = iou_matrix(&boxes(&case_iou["a"]), &boxes(&case_iou["b"]));
    assert_eq!(found, floats(&case_iou["iou"]));
    for case in case("match").as_array().unwrap() {
        let matcher = Matcher {
            thresholds: floats(&case["thresholds"]),
            labels: integers(&case["labels"]),
            low_quality: case["low_quality"].as_bool().unwrap(),
        };
        let found = matcher.matches(&boxes(&case["objects"]), &boxes(&case["boxes"]));
        let places: Vec<i64> = found.iter().map(|found| found.object as i64).collect();
        let labels: Vec<i64> = found.iter().map(|found| found.label).collect();
        assert_eq!(places, integers(&case["places"]));
        assert_eq!(labels, integers(&case["found"]));
    }
    let nothing = Matcher::of_anchors().matches(&[], &[[0.0, 0.0, 1.0, 1.0]]);
    assert_eq!((nothing[0].object, nothing[0].label), (0, 0));
}

#[test]
fn suppression_is_torchvisions() {
    let case = case("nms");
    let found = nms_by_group(
        &boxes(&case["boxes"]),
        &floats(&case["scores"]),
        &integers(&case["groups"]),
        float(&case["threshold"]),
        usize::MAX,
    );
    let found: Vec<i64> = found.into_iter().map(|place| place as i64).collect();
    assert_eq!(found, integers(&case["kept"]));
}

#[test]
fn proposals_of_two_levels() {
    let case = case("proposals");
    let levels: Vec<(Vec<Corners>, Vec<f32>)> = case["levels"]
        .as_array()
        .unwrap()
        .iter()
        .map(|level| (boxes(&level[0]), floats(&level[1])))
        .collect();
    let mut views: Vec<(&[Corners], &[f32])> = levels
        .iter()
        .map(|(boxes, logits)| (&boxes[..], &logits[..]))
        .collect();
    let options = ProposalOptions {
        image: size(&case["image"]),
        pre_nms: case["pre_nms"].as_u64().unwrap() as usize,
        post_nms: case["post_nms"].as_u64().unwrap() as usize,
        threshold: float(&case["threshold"]),
    };
    let found = proposals(&views, &options, true).unwrap();
    let corners: Vec<Corners> = found.iter().map(|proposal| proposal.corners).collect();
    let logits: Vec<f32> = found.iter().map(|proposal| proposal.logit).collect();
    assert_eq!(corners, boxes(&case["boxes"]));
    assert_eq!(logits, floats(&case["logits"]));

    let mut broken = levels[0].0.clone();
    let best = (0..broken.len()).max_by(|&a, &b| views[0].1[a].total_cmp(&views[0].1[b]));
    broken[best.unwrap()][1] = f32::NAN;
    views[0].0 = &broken;
    assert!(proposals(&views, &options, true).is_err());
    assert!(proposals(&views, &options, false).is_ok());
}

#[test]
fn levels_of_a_pyramid() {
    let case = case("levels");
    let options = LevelOptions::default();
    let found = boxes(&case["boxes"])
        .into_iter()
        .map(|corners| level(corners, &options));
    assert_eq!(found.collect::<Vec<i64>>(), integers(&case["levels"]));
}

#[test]
fn detections_in_the_output_image() {
    let case = case("detections");
    let options = DetectionOptions {
        image: size(&case["image"]),
        output: size(&case["output"]),
        score: float(&case["score"]),
        nms: float(&case["nms"]),
        top: case["top"].as_u64().unwrap() as usize,
        weights: floats(&case["weights"]).try_into().unwrap(),
    };
    let found = detections(
        &boxes(&case["proposals"]),
        &floats(&case["logits"]),
        &floats(&case["deltas"]),
        &options,
    );
    let corners: Vec<f32> = found.iter().flat_map(|found| found.corners).collect();
    let scores: Vec<f32> = found.iter().map(|found| found.score).collect();
    let classes: Vec<i64> = found.iter().map(|found| found.class as i64).collect();
    assert_near(&corners, &floats(&case["boxes"]), 2e-6);
    assert_near(&scores, &floats(&case["scores"]), 2e-6);
    assert_eq!(classes, integers(&case["classes"]));
    assert!(detections(&[], &[], &[], &options).is_empty());
}

#[test]
fn masks_are_drawn_and_pasted() {
    for case in case("paste").as_array().unwrap() {
        let corners: Corners = floats(&case["box"]).try_into().unwrap();
        let side = case["side"].as_u64().unwrap() as usize;
        let threshold = float(&case["threshold"]);
        let found = paste(
            &floats(&case["mask"]),
            side,
            corners,
            size(&case["image"]),
            threshold,
        );
        let found: Vec<i64> = found.into_iter().map(i64::from).collect();
        assert_eq!(found, integers(&case["pasted"]), "{corners:?}");
    }
    for case in case("targets").as_array().unwrap() {
        let polygons: Vec<Vec<f64>> = case["polygons"]
            .as_array()
            .unwrap()
            .iter()
            .map(numbers)
            .collect();
        let corners: Corners = floats(&case["box"]).try_into().unwrap();
        let found = mask_target(&polygons, corners, case["size"].as_u64().unwrap() as u32);
        let found: Vec<i64> = found.unwrap().into_iter().map(i64::from).collect();
        assert_eq!(found, integers(&case["target"]), "{corners:?}");
    }
}
