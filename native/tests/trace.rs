//! `parallax trace` against PyTorch's figures, and what it says of files that do not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "common/case.rs"]
mod case_files;
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use case_files::{bytes, put};
use common::{Scratch, fail, parallax, succeed};
use parallax_parity::{CASES, LINEAR_CASES, LinearCase, TraceCase, trace_case};
use parallax_weights::{NamedTensor, WeightFile};

const STEPS: usize = 10;

fn case(name: &str) -> TraceCase {
    let (_, text) = CASES.into_iter().find(|(other, _)| *other == name).unwrap();
    pollster::block_on(trace_case(name, text, STEPS)).unwrap()
}

/// The files of a case in a folder, and the command.
fn command(folder: &Path, case: &TraceCase) -> Command {
    let mut command = parallax(&["trace", "--device", "cpu"]);
    command.args(put(folder, case));
    command
}

fn lines(path: &Path) -> Vec<serde_json::Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn every_system_is_traced_as_pytorch_has_it() {
    let scratch = Scratch::new();
    for (name, _) in CASES {
        let case = case(name);
        let folder = scratch.join(name);
        let (out, saved) = (folder.join("t.jsonl"), folder.join("after.safetensors"));
        let mut command = command(&folder, &case);
        command
            .arg("--out")
            .arg(&out)
            .arg("--save-weights")
            .arg(&saved);
        succeed(command.args(["--steps", "10"]));
        let lines = lines(&out);
        assert_eq!(lines.len(), STEPS);
        for (k, (line, expected)) in lines.iter().zip(&case.losses).enumerate() {
            assert_eq!(line["step"], k as u64 + 1);
            let loss = line["loss"].as_f64().unwrap();
            assert!(
                (loss - expected).abs() < 1e-4 * expected,
                "{name}: {loss} is not {expected}"
            );
            for key in ["lr", "grad_norm", "param_norm"] {
                assert!(line[key].as_f64().unwrap() > 0.0, "{name}: {line}");
            }
            assert_eq!(line["momentum"].is_null(), name.starts_with("supervised"));
        }
        let first = lines[0]["grad_norm"].as_f64().unwrap();
        assert!(
            (first - case.first_gradient).abs() < 1e-4 * case.first_gradient,
            "{name}: {first}"
        );
        // The saved weights are the names that it began with, moved.
        let after = WeightFile::from_bytes("after", &fs::read(&saved).unwrap()).unwrap();
        assert!(
            after.tensors.keys().eq(case.weights.tensors.keys()),
            "{name}"
        );
        let moved = |name: &str| after.tensors[name] != case.weights.tensors[name];
        assert!(moved("online_encoder.conv1.weight"), "{name}");
        // The norm of the last line is that of the saved parameters.
        let online = after.tensors.values().filter(|tensor| {
            tensor.name.starts_with("online_encoder.") && !tensor.name.contains("running_")
        });
        let squares = online
            .flat_map(|tensor| &tensor.values)
            .map(|v| f64::from(*v).powi(2));
        let (norm, last) = (squares.sum::<f64>().sqrt(), &lines[STEPS - 1]["param_norm"]);
        assert!(
            (norm - last.as_f64().unwrap()).abs() < 1e-5 * norm,
            "{name}: {norm}, {last}"
        );
    }
}

#[test]
fn a_missing_target_is_a_copy_and_other_spellings_are_understood() {
    let scratch = Scratch::new();
    let mut case = case("moco-v1");
    let plain = scratch.join("plain");
    succeed(command(&plain, &case).arg("--out").arg(plain.join("t")));
    let renamed = case
        .weights
        .tensors
        .values()
        .filter(|tensor| !tensor.name.starts_with("target"));
    let renamed = renamed.map(|tensor| NamedTensor {
        name: format!("module.{}", tensor.name.replace("fc.0.", "fc.")),
        ..tensor.clone()
    });
    case.weights = WeightFile::new("weights", renamed.collect());
    let other = scratch.join("other");
    succeed(command(&other, &case).arg("--out").arg(other.join("t")));
    assert_eq!(lines(&plain.join("t")), lines(&other.join("t")));
}

#[test]
fn files_that_do_not_fit_are_named() {
    let scratch = Scratch::new();
    let good = || case("moco-v2-plus");
    let refuse = |name: &str, change: &dyn Fn(&mut TraceCase), texts: &[&str]| {
        let mut case = good();
        change(&mut case);
        fail(&mut command(&scratch.join(name), &case), 1, texts);
    };
    let remove = |file: &'static str| {
        move |case: &mut TraceCase| {
            case.weights.tensors.remove(file);
            case.batches.tensors.remove(file);
        }
    };
    refuse(
        "a",
        &remove("online_encoder.fc.3.bias"),
        &["online_encoder.fc.3.bias", "missing"],
    );
    refuse(
        "b",
        &remove("target_encoder.bn1.weight"),
        &["target_encoder.bn1.weight"],
    );
    refuse("c", &remove("queue"), &["'queue' is missing"]);
    refuse("d", &remove("queue_ptr"), &["'queue_ptr' is missing"]);
    refuse(
        "e",
        &remove("view2"),
        &["'view2' is missing", "b.safetensors"],
    );
    refuse("f", &remove("enqueue_view"), &["'enqueue_view' is missing"]);
    let reshape = |name: &'static str, shape: &'static [usize]| {
        move |case: &mut TraceCase| {
            for file in [&mut case.weights, &mut case.batches] {
                if let Some(tensor) = file.tensors.get_mut(name) {
                    tensor.shape = shape.to_vec();
                }
            }
        }
    };
    refuse("g", &reshape("queue", &[12, 40]), &["[12, 40]", "[40, 12]"]);
    refuse(
        "h",
        &reshape("view1", &[20, 8, 3, 8, 8]),
        &["8 images", "run.batch_size = 16"],
    );
    refuse(
        "i",
        &reshape("online_encoder.conv1.weight", &[3, 4, 3, 3]),
        &["[3, 4, 3, 3]"],
    );
    let third = |case: &mut TraceCase| {
        if let Some(tensor) = case.batches.tensors.get_mut("enqueue_view") {
            tensor.values[0] = 3.0;
        }
    };
    refuse("j", &third, &["enqueue_view", "3"]);
    let case = good();
    fail(
        command(&scratch.join("k"), &case).args(["--steps", "11"]),
        2,
        &["--steps 11", "10 steps"],
    );
}

#[test]
fn linear_evaluation_is_traced_as_pytorch_has_it() {
    let scratch = Scratch::new();
    for (name, text) in LINEAR_CASES {
        let case = LinearCase::read(name, text).unwrap();
        let steps = case.losses.len();
        let [weights, batches] = pollster::block_on(case.files(steps)).unwrap();
        let put = |name: String, file: &WeightFile| -> PathBuf {
            let path = scratch.join(&name);
            fs::write(&path, bytes(file)).unwrap();
            path
        };
        let trace = |weights: &WeightFile, out: &str, extra: &[&str]| {
            let out = scratch.join(&format!("{name}-{out}"));
            let mut command = parallax(&["trace", "--device", "cpu", "--recipe", "linear-eval"]);
            command.args(["--preset", case.preset.name(), "--weights"]);
            command.arg(put(format!("{name}-w.safetensors"), weights));
            command.arg("--batches");
            command.arg(put(format!("{name}-b.safetensors"), &batches));
            for (key, value) in [
                ("run.total_steps", steps.to_string()),
                ("run.epochs", case.epochs.to_string()),
                ("optimizer.base_lr", case.base_lr.to_string()),
            ] {
                command.args(["--set", &format!("{key}={value}")]);
            }
            succeed(command.args(extra).arg("--out").arg(&out));
            lines(&out)
        };
        let traced = trace(&weights, "zeros", &["--init", "zeros"]);
        assert_eq!(traced.len(), steps);
        for (k, line) in traced.iter().enumerate() {
            assert_eq!(line["step"], k as u64 + 1);
            for (key, expected, near) in [
                ("loss", &case.losses, 1e-5),
                ("lr", &case.rates, 1e-12),
                ("grad_norm", &case.gradients, 1e-4),
                ("weight_norm", &case.weights, 1e-4),
                ("param_norm", &case.parameters, 1e-4),
            ] {
                let (found, expected) = (line[key].as_f64().unwrap(), expected[k]);
                assert!((found - expected).abs() <= near * expected, "{name} {line}");
            }
            let apart = line["accuracy"].as_f64().unwrap() - case.accuracies[k];
            assert!(apart.abs() < 1e-4, "{name}: {line}");
        }
        // Given weights are taken: zeros in the file are those of --init.
        let mut with = weights.clone();
        let classes = batches.tensors["labels"]
            .values
            .iter()
            .fold(0.0f32, |a, &b| a.max(b));
        let classes = classes as usize + 1;
        let features = traced_features(&weights);
        for (name, shape) in [
            ("classifier.weight", vec![classes, features]),
            ("classifier.bias", vec![classes]),
        ] {
            let values = vec![0.0; shape.iter().product()];
            let tensor = NamedTensor::new(name, shape, values);
            with.tensors.insert(name.to_string(), tensor);
        }
        assert_eq!(trace(&with, "given", &[]), traced);
        let drawn = trace(&weights, "drawn", &[]);
        assert_ne!(drawn[0]["loss"], traced[0]["loss"]);
        let other = trace(&weights, "seed", &["--set", "run.seed=1"]);
        assert_ne!(drawn[0]["loss"], other[0]["loss"]);
    }
}

/// Width of the last convolution's output.
fn traced_features(weights: &WeightFile) -> usize {
    let convolutions = weights
        .tensors
        .values()
        .filter(|tensor| tensor.shape.len() == 4);
    convolutions.map(|tensor| tensor.shape[0]).max().unwrap()
}
