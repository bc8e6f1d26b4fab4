//! Weights of other tools: in, out, and where they do not fit.
#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};

use common::{Scratch, fail, parallax, succeed, tiny};
use serde_json::Value;

/// A file that PyTorch wrote.
fn fixture(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/weights/tests/pytorch");
    folder.join(name).to_str().unwrap().to_string()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(arguments: &[&str]) -> Value {
    let output = succeed(parallax(arguments).arg("--json"));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn count(report: &Value, key: &str) -> usize {
    report[key].as_array().unwrap().len()
}

#[test]
fn every_tensor_is_accounted_for() {
    let scratch = Scratch::new();
    let out = scratch.join("out.safetensors");
    let report = json(&["convert", &fixture("paper.pth.tar"), text(&out)]);
    let counts = ["tensors", "skipped", "missing", "unused"].map(|key| count(&report, key));
    assert_eq!(counts, [164, 0, 0, 1]);
    assert_eq!(
        report["unused"][0]["name"],
        "optimizer.state.0.momentum_buffer"
    );

    let out = scratch.join("out.pkl");
    let report = json(&[
        "convert",
        text(&scratch.join("out.safetensors")),
        text(&out),
        "--branch",
        "target",
    ]);
    let counts = ["tensors", "skipped", "missing", "unused"].map(|key| count(&report, key));
    assert_eq!(counts, [72, 92, 0, 0]);
    let names = report["tensors"].as_array().unwrap().iter();
    let first = names
        .clone()
        .find(|tensor| tensor["to"] == "stem.conv1.weight")
        .unwrap();
    assert_eq!(first["from"], "target_encoder.conv1.weight");
    assert_eq!(first["shape"].to_string(), "[1,3,7,7]");

    // The summary says the same in words, and --verbose lists every tensor.
    let summary = "0 taken, 72 renamed, 0 skipped, 0 missing, 0 unused";
    let back = scratch.join("out.pth");
    let print = |more: &[&str]| {
        let arguments = [&["convert", text(&out), text(&back)], more].concat();
        String::from_utf8(succeed(&mut parallax(&arguments)).stdout).unwrap()
    };
    let short = print(&[]);
    assert!(
        short.contains(summary) && !short.contains("conv1"),
        "{short}"
    );
    assert!(short.lines().count() <= 4, "{short}");
    let table = print(&["--verbose"]);
    for line in [
        "renamed  model.stem.conv1.weight -> online_encoder.conv1.weight [1, 3, 7, 7]",
        summary,
    ] {
        assert!(table.contains(line), "{table}");
    }
}

#[test]
fn arguments_that_make_no_sense_exit_with_two() {
    let scratch = Scratch::new();
    let from = fixture("torchvision.pth");
    let out = |name: &str| text(&scratch.join(name)).to_string();
    let convert = |arguments: &[&str]| {
        let mut command = parallax(&["convert", &from]);
        command.args(arguments);
        command
    };
    fail(
        &mut convert(&[&out("out.bin")]),
        2,
        &["out.bin", ".safetensors"],
    );
    fail(
        &mut convert(&[&out("out.pkl"), "--to", "torchvision"]),
        2,
        &["out.pkl", "--to"],
    );
    fail(
        &mut convert(&[&out("out.pth"), "--to", "caffe"]),
        2,
        &["caffe", "detectron2"],
    );
    let missing = out("missing.pth");
    fail(
        &mut parallax(&["convert", &missing, &out("o.pth")]),
        2,
        &["missing.pth", "not exist"],
    );
    let rescale = |arguments: &[&str]| {
        let mut command = parallax(&["norm-rescale", "--weights", &from, "--out", &out("r.pth")]);
        command.args(arguments);
        command
    };
    fail(&mut rescale(&[]), 2, &["--anchor", "--constant"]);
    fail(&mut rescale(&["--constant", "0"]), 2, &["positive"]);
    fail(
        &mut rescale(&["--constant", "1", "--anchor", &from]),
        2,
        &["--anchor"],
    );
    assert_eq!(fs::read_dir(&scratch.0).unwrap().count(), 0);
}

#[test]
fn what_is_read_is_never_written_over() {
    let scratch = Scratch::new();
    let own = scratch.join("own.pth");
    fs::copy(fixture("torchvision.pth"), &own).unwrap();
    let before = fs::read(&own).unwrap();
    let other = scratch.join("./own.pth");
    fail(
        &mut parallax(&["convert", text(&own), text(&other)]),
        2,
        &["overwritten"],
    );
    #[cfg(unix)]
    {
        let link = scratch.join("link.pth");
        std::os::unix::fs::symlink(&own, &link).unwrap();
        fail(
            &mut parallax(&["convert", text(&own), text(&link)]),
            2,
            &["overwritten"],
        );
    }
    let constant = [
        "norm-rescale",
        "--constant",
        "2",
        "--weights",
        text(&own),
        "--out",
        text(&own),
    ];
    fail(&mut parallax(&constant), 2, &["overwritten"]);
    assert_eq!(fs::read(&own).unwrap(), before);
}

#[test]
fn a_failure_leaves_what_was_there() {
    let scratch = Scratch::new();
    let out = scratch.join("out.pth");
    fs::write(&out, "older").unwrap();
    let mut damaged = fs::read(fixture("paper.pth.tar")).unwrap();
    damaged.truncate(20_000);
    let cut = scratch.join("cut.pth");
    fs::write(&cut, damaged).unwrap();
    fail(
        &mut parallax(&["convert", text(&cut), text(&out)]),
        1,
        &["cut.pth", "cut off"],
    );
    for name in ["evil.pth", "evil-legacy.pth", "evil-4.pkl"] {
        let mut convert = parallax(&["convert", &fixture(name), text(&out)]);
        fail(
            convert.current_dir(&scratch.0),
            1,
            &[name, "posix.system", "refused"],
        );
    }
    let mut target = parallax(&[
        "convert",
        &fixture("torchvision.pth"),
        text(&out),
        "--branch",
        "target",
    ]);
    fail(&mut target, 1, &["torchvision.pth", "target"]);
    let nowhere = scratch.join("nowhere/out.pth");
    fail(
        &mut parallax(&["convert", &fixture("torchvision.pth"), text(&nowhere)]),
        1,
        &["nowhere"],
    );
    assert_eq!(fs::read_to_string(&out).unwrap(), "older");
    let mut left: Vec<_> = fs::read_dir(&scratch.0)
        .unwrap()
        .map(|e| e.unwrap().file_name())
        .collect();
    left.sort();
    assert_eq!(left, ["cut.pth", "out.pth"]);
}

#[test]
fn a_checkpoint_as_pytorchs_file_is_worth_the_same() {
    let scratch = Scratch::new();
    let run = scratch.join("run");
    succeed(&mut tiny("moco-v2-plus", 3, &run));
    let checkpoint: PathBuf = run.join("checkpoints/step-3");
    let knn = |weights: &Path, branch: &str| -> Value {
        let recipe = run.join("recipe.toml");
        json(&[
            "knn",
            "--device",
            "cpu",
            "--weights",
            text(weights),
            "--recipe",
            text(&recipe),
            "--branch",
            branch,
        ])
    };
    let all = scratch.join("all.pth");
    succeed(&mut parallax(&["convert", text(&checkpoint), text(&all)]));
    for branch in ["online", "target"] {
        assert_eq!(knn(&all, branch), knn(&checkpoint, branch));
        let one = scratch.join("one.pkl");
        succeed(&mut parallax(&[
            "convert",
            text(&checkpoint),
            text(&one),
            "--branch",
            branch,
        ]));
        assert_eq!(knn(&one, "online"), knn(&checkpoint, branch));
    }
    let back = scratch.join("back.safetensors");
    let report = json(&["convert", text(&all), text(&back)]);
    assert!(
        report["tensors"]
            .as_array()
            .unwrap()
            .iter()
            .all(|t| t["from"] == t["to"])
    );

    // A factor on the weights alone changes nothing that batch norm follows.
    let scaled = scratch.join("scaled.safetensors");
    let report = json(&[
        "norm-rescale",
        "--constant",
        "0.5",
        "--weights",
        text(&checkpoint),
        "--out",
        text(&scaled),
    ]);
    assert!(count(&report, "rescaled") > 10 && count(&report, "out_of_scope") > 10);
    assert_eq!(
        json(&["convert", text(&scaled), text(&scratch.join("s.pth"))])["missing"].to_string(),
        "[]"
    );
}

#[test]
fn weights_that_do_not_fit_are_named_with_both_shapes() {
    let mut knn = parallax(&["knn", "--device", "cpu", "--recipe", "demo", "--weights"]);
    knn.arg(fixture("torchvision.pth"));
    fail(
        &mut knn,
        1,
        &[
            "torchvision.pth",
            "conv1.weight",
            "[1, 3, 7, 7]",
            "[32, 3, 3, 3]",
        ],
    );
    // Without a recipe the shapes speak, and one block a stage is nobody's ResNet.
    let mut knn = parallax(&["knn", "--device", "cpu", "--weights"]);
    fail(
        knn.arg(fixture("torchvision.pth")),
        1,
        &["torchvision.pth", "[1, 1, 1, 1]"],
    );
}
