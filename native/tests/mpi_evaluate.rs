//! Evaluations on several ranks by `mpirun`: equal to one process.
#![cfg(feature = "mpi")]
#![allow(clippy::unwrap_used, clippy::panic, dead_code)]

mod common;
mod ranks;

use common::{Scratch, parallax, succeed, tiny};
use ranks::mpirun;
use serde_json::Value;

#[test]
fn a_linear_evaluation_has_the_bits_of_one_process() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("byol", 3, &run));
    for augment in ["none", "standard"] {
        let evaluate = |size: usize| {
            let out = scratch.join(&format!("{augment}-{size}"));
            let mut command =
                parallax(&["linear-eval", "--device", "cpu", "--json", "--epochs", "1"]);
            command.args(["--batch-size", "100", "--augment", augment, "--weights"]);
            command.arg(&run).arg("--out").arg(&out);
            let mut command = match size {
                1 => command,
                size => mpirun(size, &command),
            };
            let output = succeed(&mut command);
            let outcome: Value = serde_json::from_slice(&output.stdout).unwrap();
            let last = ranks::saved(&out).pop().unwrap();
            let classifier = out.join(format!("checkpoints/step-{last}/classifier.safetensors"));
            (outcome["top1"].clone(), std::fs::read(classifier).unwrap())
        };
        let (one, two) = (evaluate(1), evaluate(2));
        assert_eq!(one.0, two.0, "{augment}");
        assert!(one.0.as_f64().unwrap() > 0.0 && one.1 == two.1, "{augment}");
    }
}

#[test]
fn checkpoints_are_evaluated_as_by_one_process() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("byol", 6, &run));
    let knn = [
        "knn",
        "--k",
        "5",
        "--every",
        "--device",
        "cpu",
        "--json",
        "--weights",
    ];
    let linear = [
        "linear-eval",
        "--epochs",
        "1",
        "--augment",
        "none",
        "--every",
        "--device",
        "cpu",
        "--json",
        "--weights",
    ];
    for arguments in [&knn[..], &linear] {
        let evaluate = |size: usize| {
            let mut command = parallax(arguments);
            command.arg(&run);
            if arguments[0] != "knn" {
                command
                    .arg("--out")
                    .arg(scratch.join(&format!("linear-{size}")));
            }
            let mut command = match size {
                1 => command,
                size => mpirun(size, &command),
            };
            let output = succeed(&mut command).stdout;
            let lines = String::from_utf8(output).unwrap();
            let of = |line: &str| {
                let found: Value = serde_json::from_str(line).unwrap();
                [&found["step"], &found["top1"], &found["top5"]].map(Value::to_string)
            };
            lines.lines().map(of).collect::<Vec<_>>()
        };
        let one = evaluate(1);
        assert!(one.len() > 1, "{one:?}");
        assert_eq!(one, evaluate(2), "{arguments:?}");
        assert_eq!(one, evaluate(3), "{arguments:?}");
    }
}
