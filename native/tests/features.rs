//! `parallax features`, and `parallax knn` on its files, against torchvision's networks on Pillow's pixels.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Scratch, fail, parallax, succeed, tiny};
use safetensors::{Dtype, SafeTensors};
use serde_json::Value;

fn case(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/torchvision");
    folder.join(name)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    let (values, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    values
        .iter()
        .map(|&value| f32::from_le_bytes(value))
        .collect()
}

fn integers(bytes: &[u8]) -> Vec<i64> {
    let (values, rest) = bytes.as_chunks();
    assert!(rest.is_empty());
    values
        .iter()
        .map(|&value| i64::from_le_bytes(value))
        .collect()
}

/// A tensor of the reference.
fn expected(name: &str) -> Vec<f32> {
    let bytes = fs::read(case("expected.safetensors")).unwrap();
    floats(
        SafeTensors::deserialize(&bytes)
            .unwrap()
            .tensor(name)
            .unwrap()
            .data(),
    )
}

fn close(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let largest = expected
        .iter()
        .fold(0.0f32, |most, value| most.max(value.abs()));
    for (index, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!(
            (a - b).abs() <= 1e-4 * largest,
            "{what}[{index}]: {a} is not {b}"
        );
    }
}

/// Runs `parallax features` on the images of the case.
fn features(weights: &str, branch: &str, out: &Path) -> Value {
    let mut command = parallax(&["features", "--device", "cpu", "--json", "--branch", branch]);
    command.arg("--weights").arg(case(weights));
    command.arg("--data").arg(case("images"));
    let output = succeed(command.arg("--out").arg(out));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn features_are_torchvisions_in_every_layout() {
    let scratch = Scratch::new();
    for (weights, branch, name) in [
        ("torchvision.pth", "online", "resnet18"),
        ("moco.pth.tar", "online", "resnet18"),
        ("moco.pth.tar", "target", "target"),
        ("solo-learn.ckpt", "online", "resnet18"),
        ("solo-learn.ckpt", "target", "target"),
        ("lightly.pt", "online", "resnet18"),
        ("lightly.pt", "target", "target"),
        ("resnet50.pth", "online", "resnet50"),
    ] {
        let (what, out) = (format!("{weights} {branch}"), scratch.join("f.safetensors"));
        let report = features(weights, branch, &out);
        let bytes = fs::read(&out).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let (found, labels) = (
            file.tensor("features").unwrap(),
            file.tensor("labels").unwrap(),
        );
        close(&floats(found.data()), &expected(name), &what);
        let columns = expected(name).len() / 6;
        assert_eq!(
            (found.dtype(), found.shape()),
            (Dtype::F32, &[6, columns][..])
        );
        assert_eq!((labels.dtype(), labels.shape()), (Dtype::I64, &[6][..]));
        assert_eq!(integers(labels.data()), [0, 0, 0, 1, 1, 1]);
        assert_eq!(report["classes"], serde_json::json!(["cat", "dog"]));
        assert_eq!(report["columns"], columns);
    }
}

#[test]
fn numpys_files_hold_the_same() {
    let scratch = Scratch::new();
    let out = scratch.join("f.npy");
    let report = features("torchvision.pth", "online", &out);
    let labels = scratch.join("f.labels.npy");
    assert_eq!(report["labels"], labels.to_str().unwrap());
    let values = |path: &Path, header: &str| -> Vec<u8> {
        let bytes = fs::read(path).unwrap();
        let text = String::from_utf8_lossy(&bytes[10..128])
            .trim_end()
            .to_string();
        assert_eq!(text, header);
        bytes[128..].to_vec()
    };
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (6, 16, ), }";
    close(&floats(&values(&out, header)), &expected("resnet18"), "npy");
    let header = "{'descr': '<i8', 'fortran_order': False, 'shape': (6, ), }";
    assert_eq!(integers(&values(&labels, header)), [0, 0, 0, 1, 1, 1]);
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 2);
}

#[test]
fn knn_on_files_is_knn_on_images() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("byol", 3, &run));
    let files = ["train.npy", "test.safetensors"].map(|name| scratch.join(name));
    for (split, out) in ["train", "test"].into_iter().zip(&files) {
        let mut command = parallax(&["features", "--device", "cpu", "--data", "sample"]);
        command.args(["--split", split]).arg("--weights").arg(&run);
        succeed(command.arg("--out").arg(out));
    }
    let knn = [
        "knn",
        "--device",
        "cpu",
        "--json",
        "--k",
        "30",
        "--temperature",
        "0.1",
    ];
    let on_images = succeed(parallax(&knn).arg("--weights").arg(&run));
    let mut on_files = parallax(&knn);
    on_files.arg("--train-features").arg(&files[0]);
    let on_files = succeed(on_files.arg("--test-features").arg(&files[1]));
    assert_eq!(on_files.stdout, on_images.stdout);
    let report: Value = serde_json::from_slice(&on_files.stdout).unwrap();
    assert_eq!(
        (&report["train"], &report["test"]),
        (&2000.into(), &500.into())
    );
    assert_eq!(report["top1"], report["knn"]);
    assert!(report["top5"].as_f64().unwrap() > report["top1"].as_f64().unwrap());
}

#[test]
fn every_checkpoint_in_the_order_of_steps() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("byol", 12, &run));
    let every = |expected: &[u64]| {
        let knn = ["knn", "--every", "--json", "--device", "cpu", "--weights"];
        let output = succeed(parallax(&knn).arg(&run));
        let text = String::from_utf8(output.stdout.clone()).unwrap();
        let lines: Vec<Value> = text
            .lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect();
        let steps: Vec<u64> = lines.iter().map(|l| l["step"].as_u64().unwrap()).collect();
        assert_eq!(steps, expected);
        assert_eq!(lines[0]["epoch"], 3.0 * 8.0 / 2000.0);
        common::stderr(&output)
    };
    every(&[3, 6, 9, 12]);
    let damaged = run.join("checkpoints/step-9/weights.safetensors");
    fs::write(&damaged, "cut").unwrap();
    let log = every(&[3, 6, 12]);
    assert!(log.contains("step-9 is left out"), "{log}");
    let mut file = parallax(&["knn", "--every", "--weights"]);
    fail(
        file.arg(run.join("recipe.toml")),
        2,
        &["--every", "a run's folder"],
    );
}

#[test]
fn wrong_input_says_what_to_do() {
    let scratch = Scratch::new();
    let out = scratch.join("f.safetensors");
    let features = |weights: &str, more: &[&str]| {
        let mut command = parallax(&["features", "--device", "cpu", "--weights"]);
        command.arg(case(weights)).arg("--data").arg(case("images"));
        command.args(more);
        if !more.contains(&"--out") {
            command.arg("--out").arg(&out);
        }
        command
    };
    let target = &["--branch", "target"];
    fail(
        &mut features("torchvision.pth", target),
        1,
        &["no target network", "--branch"],
    );
    fail(
        &mut features("torchvision.pth", &["--out", "f.csv"]),
        2,
        &[".safetensors or .npy"],
    );
    fail(
        &mut features("expected.safetensors", &[]),
        1,
        &["expected.safetensors", "ResNet"],
    );
    let nowhere = ["--out", "/nowhere/f.npy"];
    fail(
        &mut features("torchvision.pth", &nowhere),
        1,
        &["/nowhere", "cannot be written"],
    );
    assert!(!out.exists());

    let knn = |more: &[&str]| {
        let mut command = parallax(&["knn", "--device", "cpu"]);
        command.args(more);
        command
    };
    fail(
        &mut knn(&["--weights", "w", "--k", "0"]),
        2,
        &["--k", "1 or more"],
    );
    for bad in ["0", "-1", "nan", "inf"] {
        let temperature = format!("--temperature={bad}");
        fail(
            &mut knn(&["--weights", "w", &temperature]),
            2,
            &["--temperature", "above 0"],
        );
    }
    fail(&mut knn(&[]), 2, &["--weights"]);

    // Features of different encoders, and of different classes.
    let file = |name: &str, weights: &str, data: &str| -> String {
        let out = scratch.join(name);
        let mut command = parallax(&["features", "--device", "cpu", "--data", data, "--weights"]);
        succeed(command.arg(case(weights)).arg("--out").arg(&out));
        out.to_str().unwrap().to_string()
    };
    let images = case("images").to_str().unwrap().to_string();
    let narrow = file("18.safetensors", "torchvision.pth", &images);
    let wide = file("50.safetensors", "resnet50.pth", &images);
    let files = ["--train-features", &narrow, "--test-features", &wide];
    fail(&mut knn(&files), 2, &["16 features", "64", "same encoder"]);
    let others = scratch.join("others");
    for class in ["cat", "mouse"] {
        fs::create_dir_all(others.join(class)).unwrap();
        for number in 0..2 {
            let name = format!("{number}.png");
            fs::copy(
                case("images/cat").join(&name),
                others.join(class).join(&name),
            )
            .unwrap();
        }
    }
    let others = others.to_str().unwrap();
    let other = file("others.safetensors", "torchvision.pth", others);
    let files = ["--train-features", &narrow, "--test-features", &other];
    fail(&mut knn(&files), 2, &["differ", "has no 'dog'"]);
    let weights = case("torchvision.pth");
    let sources = ["--train", &images, "--test", others, "--weights"];
    fail(knn(&sources).arg(&weights), 2, &["differ", "has no 'dog'"]);
    let whole = fs::read(&narrow).unwrap();
    fs::write(&narrow, &whole[..whole.len() - 8]).unwrap();
    let files = ["--train-features", &narrow, "--test-features", &narrow];
    fail(&mut knn(&files), 1, &["18.safetensors", "cut off"]);
}
