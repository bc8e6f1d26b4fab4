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

/// Cases computed by torch and torchvision, channels last.
fn device_cases() -> Value {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/kernels/tests/torch");
    serde_json::from_str(&fs::read_to_string(folder.join("spatial.json")).unwrap()).unwrap()
}

/// From channels last to channels first.
fn first([n, height, width, channels]: [usize; 4], values: &[f64]) -> Vec<f64> {
    let mut moved = Vec::new();
    for (image, channel) in (0..n).flat_map(|image| (0..channels).map(move |c| (image, c))) {
        let pixels = (0..height * width).map(|pixel| image * height * width + pixel);
        moved.extend(pixels.map(|pixel| values[pixel * channels + channel]));
    }
    moved
}

/// The cases' values between -1 and 1, channels first.
fn wave(name: &'static str, shape: [usize; 4], phase: f64, scale: f64) -> Given {
    let [n, height, width, channels] = shape;
    let count = shape.iter().product();
    let value = |i: usize| scale * ((i % 7919) as f64 * (0.61 + phase)).sin();
    let values: Vec<f64> = (0..count).map(value).collect();
    floats(name, &[n, channels, height, width], &first(shape, &values))
}

fn assert_near(out: &Path, name: &str, shape: [usize; 4], expected: &Value) {
    let [n, height, width, channels] = shape;
    let (found_shape, bytes) = result(out, name);
    assert_eq!(found_shape, [n, channels, height, width], "{name}");
    let found = bytes
        .chunks_exact(4)
        .map(|four| f32::from_le_bytes(four.try_into().unwrap()));
    let expected = first(shape, &numbers(expected));
    for (found, expected) in found.zip(expected) {
        let error = (f64::from(found) - expected).abs();
        assert!(
            error < 1e-5 * expected.abs().max(1.0),
            "{name}: {found}, not {expected}"
        );
    }
}

#[test]
fn regions_interpolation_and_hard_pixels_are_torchs_on_every_device() {
    let (scratch, cases) = (Scratch::new(), device_cases());
    for device in ["cpu", "vulkan"] {
        let on = |mut command: Command| {
            succeed(command.args(["--device", device]));
        };
        let case = &cases["roi_align"][0];
        let rows: Vec<f64> = cases["rois"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(numbers)
            .collect();
        let (map, regions) = ([2, 11, 13, 3], [10, 7, 7, 3]);
        let given = [
            wave("features", map, 0.0, 1.0),
            floats("rois", &[10, 5], &rows),
            wave("grad", regions, 0.29, 1.0),
        ];
        let params = json!({ "scale": 0.0625, "output": 7, "sampling_ratio": 0, "aligned": true });
        let (command_of, out) = command(&scratch, "roi-align", &given, &params);
        on(command_of);
        assert_near(&out, "pooled", regions, &case["output"]);
        assert_near(&out, "grad", map, &case["grad"]);

        let case = &cases["scale_bilinear"][3];
        let (x, y) = ([1, 6, 5, 4], [1, 10, 8, 4]);
        let given = [wave("x", x, 0.0, 1.0), wave("grad", y, 0.29, 1.0)];
        let (command_of, out) = command(&scratch, "bilinear", &given, &json!({ "scale": 1.7 }));
        on(command_of);
        assert_near(&out, "y", y, &case["output"]);
        assert_near(&out, "grad", x, &case["grad"]);

        let case = &cases["hard_pixels"][0];
        let label = |i: usize| {
            if (i * 7).is_multiple_of(11) {
                255
            } else {
                (i * i / 50 % 7) as u8
            }
        };
        let labels = (0..2 * 40 * 48).map(label).collect();
        let given = [
            wave("logits", [2, 5, 6, 7], 0.0, 3.0),
            ("labels", Dtype::U8, vec![2, 40, 48], labels),
        ];
        let params = json!({ "ignore": 255, "share": 0.2, "stride": 8 });
        let (command_of, out) = command(&scratch, "hard-pixels", &given, &params);
        on(command_of);
        let loss = f32::from_le_bytes(result(&out, "loss").1.try_into().unwrap());
        let expected = case["loss"].as_f64().unwrap();
        assert!(
            (f64::from(loss) - expected).abs() < 1e-5,
            "{loss}, not {expected}"
        );
        assert_near(&out, "grad", [2, 5, 6, 7], &case["grad"]);
    }
}

#[test]
fn operations_on_devices_refuse_what_they_cannot_compute() {
    let scratch = Scratch::new();
    let params = json!({ "scale": 1.0, "output": 1, "sampling_ratio": 0, "aligned": true });
    let align = |rois: &[f64], grad: [usize; 4]| {
        let given = [
            wave("features", [1, 2, 2, 3], 0.0, 1.0),
            floats("rois", &[rois.len() / 5, 5], rois),
            wave("grad", grad, 0.29, 1.0),
        ];
        command(&scratch, "roi-align", &given, &params)
    };
    let (mut run, _) = align(&[1.0, 0.0, 0.0, 1.0, 1.0], [1, 1, 1, 3]);
    fail(&mut run, 1, &["RoI 0 is of image 1, 'features' has 1"]);
    let (mut run, _) = align(&[0.0, f64::NAN, 0.0, 1.0, 1.0], [1, 1, 1, 3]);
    fail(&mut run, 1, &["RoI 0 has the corners"]);
    let (mut run, _) = align(&[0.0; 5], [1, 2, 1, 3]);
    fail(
        &mut run,
        1,
        &["'grad' has the shape [1, 3, 2, 1], [1, 3, 1, 1] is needed"],
    );
    let (mut run, out) = align(&[], [0, 1, 1, 3]);
    succeed(&mut run);
    assert_eq!(result(&out, "pooled").0, [0, 3, 1, 1]);
    assert_eq!(result(&out, "grad"), (vec![1, 3, 2, 2], vec![0; 48]));

    let hardest = |label: u8, share: f64| {
        let given = [
            wave("logits", [1, 2, 2, 3], 0.0, 1.0),
            ("labels", Dtype::U8, vec![1, 2, 2], vec![label; 4]),
        ];
        let params = json!({ "ignore": 255, "share": share, "stride": 1 });
        command(&scratch, "hard-pixels", &given, &params).0
    };
    fail(
        &mut hardest(3, 0.5),
        1,
        &["'labels' has 3, which is neither one of 3 classes nor 255"],
    );
    fail(
        &mut hardest(0, 0.2),
        1,
        &["a share of 0.2 of 4 pixels takes none"],
    );
    fail(
        hardest(0, 1.0).args(["--device", "nowhere"]),
        2,
        &["there is no device 'nowhere'"],
    );
}
