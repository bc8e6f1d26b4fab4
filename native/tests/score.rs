//! Scores on the command line: files in, JSON out, and what it says of unusable files.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::Path;

use common::{Scratch, fail, parallax, succeed};
use serde_json::Value;

/// Cases with the scores of the original tools.
fn cases(name: &str) -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/score/tests/reference");
    let text = fs::read_to_string(folder.join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn scores(task: &str, gt: &Path, detections: &Path) -> Value {
    let (gt, detections) = (text(gt), text(detections));
    let arguments = [
        "score",
        "--task",
        task,
        "--gt",
        gt,
        "--detections",
        detections,
        "--json",
    ];
    serde_json::from_slice(&succeed(&mut parallax(&arguments)).stdout).unwrap()
}

fn near(found: &Value, expected: &Value) -> bool {
    (found.as_f64().unwrap() - expected.as_f64().unwrap()).abs() < 1e-9
}

#[test]
fn coco_files_are_scored() {
    let scratch = Scratch::new();
    let case = &cases("coco.json")[0];
    let [truth, found] = ["truth", "detections"].map(|name| {
        let path = scratch.join(name);
        fs::write(&path, case[name].to_string()).unwrap();
        path
    });
    for (task, name) in [("coco-bbox", "bbox"), ("coco-segm", "segm")] {
        assert!(near(&scores(task, &truth, &found)["AP"], &case[name]["AP"]));
    }
    let mut other = case["detections"].clone();
    other[2]["image_id"] = 5.into();
    fs::write(&found, other.to_string()).unwrap();
    let arguments = [
        "score",
        "--task",
        "coco-bbox",
        "--gt",
        text(&truth),
        "--detections",
        text(&found),
    ];
    fail(&mut parallax(&arguments), 1, &["detection 2", "image '5'"]);
}

#[test]
fn a_voc_folder_is_scored_from_json_and_from_the_devkits_files() {
    let scratch = Scratch::new();
    let case = &cases("voc.json")[0];
    for folder in ["Annotations", "ImageSets/Main", "found"] {
        fs::create_dir_all(scratch.join(folder)).unwrap();
    }
    let mut names = String::new();
    for (name, objects) in case["truth"].as_object().unwrap() {
        names += &format!("{name}\n");
        let objects = objects.as_array().unwrap().iter().map(|object| {
            let corner = |at: usize| object["box"][at].as_f64().unwrap();
            format!(
                "<object><name>{}</name><difficult>{}</difficult><bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax>\
                 <ymax>{}</ymax></bndbox></object>",
                object["name"].as_str().unwrap(),
                u8::from(object["difficult"].as_bool().unwrap()),
                corner(0), corner(1), corner(2), corner(3),
            )
        });
        let xml = format!("<annotation>{}</annotation>", objects.collect::<String>());
        fs::write(scratch.join(&format!("Annotations/{name}.xml")), xml).unwrap();
    }
    fs::write(scratch.join("ImageSets/Main/test.txt"), names).unwrap();
    let found = scratch.join("found.json");
    // "owl" has detections but no object: it must be named.
    fs::write(&found, case["detections"].to_string()).unwrap();
    let arguments = [
        "score",
        "--task",
        "voc07",
        "--gt",
        text(&scratch.0),
        "--detections",
        text(&found),
    ];
    fail(&mut parallax(&arguments), 1, &["category 'owl'"]);
    let mut command = parallax(&arguments);
    command.args(["--classes", "bird,cat,dog,owl,pig", "--json"]);
    let json: Value = serde_json::from_slice(&succeed(&mut command).stdout).unwrap();
    for key in ["AP", "AP50", "AP75"] {
        assert!(near(&json[key], &case["scores"][key]), "{key}");
    }

    // The devkit's files hold what was rounded already.
    for class in ["bird", "cat", "dog"] {
        let own = case["detections"].as_array().unwrap().iter();
        let lines = own.filter(|found| found["category"] == class).map(|found| {
            let corner = |at: usize| found["box"][at].as_f64().unwrap() as f32;
            format!(
                "{} {:.3} {:.1} {:.1} {:.1} {:.1}\n",
                found["image_id"].as_str().unwrap(),
                found["score"].as_f64().unwrap(),
                corner(0) + 1.0,
                corner(1) + 1.0,
                corner(2),
                corner(3),
            )
        });
        let path = scratch.join(&format!("found/comp4_det_test_{class}.txt"));
        fs::write(path, lines.collect::<String>()).unwrap();
    }
    let json = scores("voc07", &scratch.0, &scratch.join("found"));
    for class in ["bird", "cat", "dog"] {
        let expected = &case["scores"]["per_class"][class]["AP50"];
        assert!(near(&json["per_class"][class]["AP50"], expected), "{class}");
    }
}

#[test]
fn missing_files_are_named() {
    let scratch = Scratch::new();
    let none = scratch.join("none.json");
    for (task, what) in [
        ("coco-bbox", "none.json does not exist"),
        ("voc07", "there is no folder"),
    ] {
        let arguments = [
            "score",
            "--task",
            task,
            "--gt",
            text(&none),
            "--detections",
            text(&none),
        ];
        fail(&mut parallax(&arguments), 2, &[what]);
    }
    let here = text(&scratch.0);
    let arguments = [
        "score",
        "--task",
        "cityscapes",
        "--gt",
        here,
        "--detections",
        here,
    ];
    fail(
        &mut parallax(&arguments),
        2,
        &["holds no file *_gtFine_labelIds.png"],
    );
}
