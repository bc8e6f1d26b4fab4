//! Operations of detectors on tensors in files.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Scratch, fail, parallax, succeed};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors, serialize_to_file};
use serde_json::{Value, json};

/// Cases computed by torch, torchvision and pycocotools.
fn case(name: &str) -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/boxes/tests/reference");
    let text = fs::read_to_string(folder.join("boxes.json")).unwrap();
    serde_json::from_str::<Value>(&text).unwrap()[name].clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    let values = value.as_array().unwrap().iter();
    values.map(|value| value.as_f64().unwrap()).collect()
}

/// A tensor: name, type, shape, bytes.
type Given = (&'static str, Dtype, Vec<usize>, Vec<u8>);

fn floats(name: &'static str, shape: &[usize], values: &[f64]) -> Given {
    let bytes = values
        .iter()
        .flat_map(|&value| (value as f32).to_le_bytes());
    (name, Dtype::F32, shape.to_vec(), bytes.collect())
}

fn integers(name: &'static str, shape: &[usize], values: &[f64]) -> Given {
    let bytes = values
        .iter()
        .flat_map(|&value| (value as i64).to_le_bytes());
    (name, Dtype::I64, shape.to_vec(), bytes.collect())
}

/// The command, and the file that it writes.
fn command(scratch: &Scratch, op: &str, given: &[Given], params: &Value) -> (Command, PathBuf) {
    let views = given.iter().map(|(name, dtype, shape, bytes)| {
        (
            *name,
            TensorView::new(*dtype, shape.clone(), bytes).unwrap(),
        )
    });
    let [inputs, parameters, out] = ["in", "params", "out"].map(|name| scratch.join(name));
    serialize_to_file(views, None, &inputs).unwrap();
    fs::write(&parameters, params.to_string()).unwrap();
    let mut command = parallax(&["transfer-op", op]);
    command
        .arg("--inputs")
        .arg(inputs)
        .arg("--params")
        .arg(parameters);
    command.arg("--out").arg(&out);
    (command, out)
}

/// The bytes of a tensor of the result.
fn result(out: &Path, name: &str) -> (Vec<usize>, Vec<u8>) {
    let bytes = fs::read(out).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = file.tensor(name).unwrap();
    (tensor.shape().to_vec(), tensor.data().to_vec())
}

#[test]
fn suppression_takes_tensors_and_gives_places() {
    let scratch = Scratch::new();
    let case = case("nms");
    let given = [
        floats("boxes", &[300, 4], &numbers(&case["boxes"])),
        floats("scores", &[300], &numbers(&case["scores"])),
        integers("groups", &[300], &numbers(&case["groups"])),
    ];
    let params = json!({ "threshold": case["threshold"] });
    let (mut run, out) = command(&scratch, "nms", &given, &params);
    succeed(&mut run);
    let expected = numbers(&case["kept"]);
    let bytes = expected
        .iter()
        .flat_map(|&place| (place as i64).to_le_bytes());
    assert_eq!(
        result(&out, "keep"),
        (vec![expected.len()], bytes.collect())
    );

    let (mut run, _) = command(&scratch, "nms", &given[..2], &params);
    fail(&mut run, 1, &["tensor 'groups' is missing"]);
    let (mut run, _) = command(&scratch, "nms", &given, &json!({}));
    fail(&mut run, 1, &["parameter 'threshold' is missing"]);
    let more = json!({ "threshold": 0.5, "top": 3 });
    let (mut run, _) = command(&scratch, "nms", &given, &more);
    fail(
        &mut run,
        1,
        &["parameter 'top' is not one of the operation's"],
    );
    let short = [floats("boxes", &[2, 3], &[0.0; 6])];
    let (mut run, _) = command(&scratch, "nms", &short, &params);
    fail(
        &mut run,
        1,
        &["'boxes' has the shape [2, 3], [*, 4] is needed"],
    );
}

#[test]
fn polygons_are_split_by_instance() {
    let scratch = Scratch::new();
    let case = case("targets");
    let (mut points, mut splits, mut boxes, mut expected) = (vec![], vec![], vec![], vec![]);
    for (instance, target) in case.as_array().unwrap().iter().enumerate() {
        for polygon in target["polygons"].as_array().unwrap() {
            let own = numbers(polygon);
            splits.extend([instance as f64, (own.len() / 2) as f64]);
            points.extend(own);
        }
        boxes.extend(numbers(&target["box"]));
        expected.extend(numbers(&target["target"]).iter().map(|&value| value as u8));
    }
    let doubles = points
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    let given = [
        ("polygons", Dtype::F64, vec![points.len() / 2, 2], doubles),
        integers("polygon_splits", &[splits.len() / 2, 2], &splits),
        floats("boxes", &[boxes.len() / 4, 4], &boxes),
    ];
    let (mut run, out) = command(&scratch, "rasterize", &given, &json!({ "size": 14 }));
    succeed(&mut run);
    assert_eq!(
        result(&out, "masks"),
        (vec![boxes.len() / 4, 14, 14], expected)
    );
    let image = json!({ "height": 9, "width": 12 });
    let (mut run, out) = command(&scratch, "rasterize", &given[..2], &image);
    succeed(&mut run);
    assert_eq!(result(&out, "masks").0, [boxes.len() / 4, 9, 12]);
    let (mut run, _) = command(&scratch, "rasterize", &given, &image);
    fail(&mut run, 1, &["'boxes' belong to 'size'"]);
}
