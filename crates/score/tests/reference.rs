//! Scores and masks equal to those of pycocotools, cityscapesScripts and a plain VOC scorer (`reference/generate.py`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use parallax_data::coco::{CocoDataset, CocoDetection, Segmentation};
use parallax_data::voc::{VocAnnotation, VocObject};
use parallax_score::cityscapes::Confusion;
use parallax_score::coco::{self, Task};
use parallax_score::voc::{self, VocDetection};
use parallax_score::{Rle, ScoreError, mask};
use serde_json::Value;

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str::<Value>(text)
        .unwrap()
        .as_array()
        .unwrap()
        .clone()
}

/// Compares two JSON values; numbers to 1e-10 of a percent.
fn assert_near(found: &Value, expected: &Value, at: &str) {
    match (found, expected) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            assert!((a - b).abs() < 1e-10, "{at}: {a} instead of {b}");
        }
        (Value::Object(a), Value::Object(b)) => {
            assert_eq!(a.len(), b.len(), "{at}");
            for (key, value) in b {
                assert_near(&a[key], value, &format!("{at} {key}"));
            }
        }
        _ => assert_eq!(found, expected, "{at}"),
    }
}

#[test]
fn polygons_are_rasterised_as_by_pycocotools() {
    for (number, case) in cases(include_str!("reference/polygons.json"))
        .iter()
        .enumerate()
    {
        let size = [0, 1].map(|at| case["size"][at].as_u64().unwrap() as u32);
        let polygons: Segmentation = serde_json::from_value(case["polygons"].clone()).unwrap();
        let found = mask(&polygons, size[0], size[1], String::new).unwrap();
        let expected = case["counts"].as_str().unwrap();
        assert_eq!(found.to_text(), expected, "case {number}");
        assert_eq!(Rle::from_text(expected, size[0], size[1]).unwrap(), found);
    }
}

fn read_coco(case: &Value) -> (CocoDataset, Vec<CocoDetection>) {
    let bytes = |value: &Value| serde_json::to_vec(value).unwrap();
    let truth = CocoDataset::parse("truth", &bytes(&case["truth"])).unwrap();
    let found = CocoDetection::parse("found", &bytes(&case["detections"])).unwrap();
    (truth, found)
}

#[test]
fn coco_scores_are_pycocotools() {
    for (number, case) in cases(include_str!("reference/coco.json"))
        .iter()
        .enumerate()
    {
        let (truth, found) = read_coco(case);
        for (task, name) in [(Task::Boxes, "bbox"), (Task::Masks, "segm")] {
            let scores = coco::score(&truth, &found, task).unwrap();
            let scores = serde_json::to_value(scores).unwrap();
            assert_near(&scores, &case[name], &format!("case {number} {name}"));
        }
    }
}

#[test]
fn unusable_coco_detections_are_errors() {
    let case = &cases(include_str!("reference/coco.json"))[0];
    let (truth, found) = read_coco(case);
    let error = |change: fn(&mut CocoDetection)| {
        let mut found = found.clone();
        change(&mut found[3]);
        coco::score(&truth, &found, Task::Masks).unwrap_err()
    };
    assert!(matches!(
        error(|d| d.image_id = 11),
        ScoreError::UnknownImage { index: 3, .. }
    ));
    assert!(matches!(
        error(|d| d.category_id = 1),
        ScoreError::UnknownCategory { index: 3, .. }
    ));
    assert!(matches!(
        error(|d| d.score = f64::NAN),
        ScoreError::NotFinite { index: 3 }
    ));
    assert!(matches!(
        error(|d| d.segmentation = None),
        ScoreError::Missing { index: 3, .. }
    ));
    let other_size = error(|d| {
        d.segmentation = Some(Segmentation::Runs {
            size: [2, 2],
            counts: vec![4],
        });
    });
    assert!(other_size.to_string().contains("2 x 2"), "{other_size}");
    // No detection at all is no error: every AP is zero.
    let none = coco::score(&truth, &[], Task::Boxes).unwrap();
    assert_eq!((none.ap, none.ar100), (Some(0.0), Some(0.0)));
}

#[test]
fn voc_scores_are_detectron2s() {
    for (number, case) in cases(include_str!("reference/voc.json")).iter().enumerate() {
        let text = |value: &Value| value.as_str().unwrap().to_string();
        let corners = |value: &Value| [0, 1, 2, 3].map(|at| value[at].as_f64().unwrap());
        let object = |object: &Value| VocObject {
            name: text(&object["name"]),
            corners: corners(&object["box"]),
            difficult: object["difficult"].as_bool().unwrap(),
        };
        let truth: Vec<(String, VocAnnotation)> = case["truth"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, objects)| {
                let objects = objects.as_array().unwrap().iter().map(object).collect();
                (
                    name.clone(),
                    VocAnnotation {
                        size: None,
                        objects,
                    },
                )
            })
            .collect();
        let found: Vec<VocDetection> = case["detections"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| {
                VocDetection::rounded(
                    text(&found["image_id"]),
                    text(&found["category"]),
                    corners(&found["box"]),
                    found["score"].as_f64().unwrap(),
                )
            })
            .collect();
        let classes = ["bird", "cat", "dog", "owl", "pig"].map(str::to_string);
        let scores = voc::score(&truth, &found, &classes).unwrap();
        let scores = serde_json::to_value(scores).unwrap();
        assert_near(&scores, &case["scores"], &format!("case {number}"));

        let mut unknown = found.clone();
        unknown[0].image = "000099".to_string();
        let error = voc::score(&truth, &unknown, &classes).unwrap_err();
        assert!(matches!(error, ScoreError::UnknownImage { index: 0, .. }));
        let error = voc::score(&truth, &found, &classes[..1]).unwrap_err();
        assert!(matches!(error, ScoreError::UnknownCategory { .. }));
    }
}

#[test]
fn cityscapes_scores_are_cityscapesscripts() {
    for (number, case) in cases(include_str!("reference/cityscapes.json"))
        .iter()
        .enumerate()
    {
        let mut confusion = Confusion::default();
        let map = |value: &Value| -> Vec<u8> {
            let ids = value.as_array().unwrap().iter();
            ids.map(|id| id.as_u64().unwrap() as u8).collect()
        };
        for pair in case["pairs"].as_array().unwrap() {
            let (truth, prediction) = (map(&pair["truth"]), map(&pair["prediction"]));
            let added = confusion.add((&truth, [17, 12]), (&prediction, [17, 12]));
            added.unwrap();
        }
        let scores = serde_json::to_value(confusion.scores()).unwrap();
        assert_near(&scores, &case["scores"], &format!("case {number}"));
    }
    let mut confusion = Confusion::default();
    let error = confusion.add((&[7, 40], [2, 1]), (&[7, 7], [2, 1]));
    assert!(matches!(error, Err(ScoreError::Label { value: 40, .. })));
    let error = confusion.add((&[7, 7], [2, 1]), (&[7, 7], [1, 2]));
    assert!(matches!(error, Err(ScoreError::Size { .. })));
}
