//! Runs of detection and segmentation on a few drawn images.
#![allow(clippy::unwrap_used, clippy::panic)]

#[path = "common/annotated.rs"]
mod annotated;
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use annotated::{boxes, maps};
use common::{Scratch, fail, parallax, stderr, succeed};
use serde_json::Value;

/// A run of a network that takes milliseconds a step.
fn tiny(task: &str, recipe: &str, data: [&str; 2], out: &Path, values: &[&str]) -> Command {
    let mut command = parallax(&[task, "train", "--recipe", recipe, "--device", "cpu"]);
    command
        .args(["--train", data[0], "--test", data[1], "--out"])
        .arg(out);
    let common = [
        "run.batch_size=2",
        "run.total_steps=4",
        "model.width=4",
        "schedule.warmup_steps=2",
        "augment.short_sides=[40, 48]",
        "augment.max_side=72",
        "augment.test_side=48",
        "precise_bn.batches=2",
        "checkpoint.every=2",
    ];
    for value in common.iter().chain(values) {
        command.args(["--set", value]);
    }
    command
}

const DETECTOR: [&str; 9] = [
    "model.arch=resnet18",
    "model.classes=2",
    "optimizer.base_lr=0.005",
    "schedule.milestones=[3]",
    "detector.rpn_batch=16",
    "detector.roi_batch=8",
    "detector.pre_nms=[50, 50]",
    "detector.post_nms=[20, 20]",
    "detector.anchor_sizes=[8, 16, 24, 32, 48]",
];

fn checkpoint(run: &Path, step: u32) -> Vec<(String, Vec<u8>)> {
    let folder = run.join(format!("checkpoints/step-{step}"));
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read(path).unwrap())
        })
        .collect()
}

/// A copy of a run as if it had been killed after `step`.
fn killed(run: &Path, to: &Path, step: Option<u32>) {
    fs::create_dir_all(to.join("checkpoints")).unwrap();
    for name in ["transfer.toml", "recipe.toml", "run.json", "events.jsonl"] {
        fs::copy(run.join(name), to.join(name)).unwrap();
    }
    if let Some(step) = step {
        let folder = to.join(format!("checkpoints/step-{step}"));
        fs::create_dir_all(&folder).unwrap();
        for (name, content) in checkpoint(run, step) {
            fs::write(folder.join(name), content).unwrap();
        }
    }
}

fn resumes_to_the_bit(task: &str, run: &Path, scratch: &Scratch) {
    let whole = checkpoint(run, 4);
    assert!(whole.iter().any(|(name, _)| name == "precise_bn.json"));
    for (name, step) in [("from-2", Some(2)), ("from-0", None)] {
        let copy = scratch.join(name);
        killed(run, &copy, step);
        let mut command = parallax(&[task, "train", "--resume", "--device", "cpu", "--out"]);
        succeed(command.arg(&copy).args(["--loader-threads", "3"]));
        assert!(checkpoint(&copy, 4) == whole, "{name}");
        let scores = |run: &Path| result(run)["scores"].clone();
        assert_eq!(scores(&copy), scores(run));
    }
}

fn result(run: &Path) -> Value {
    serde_json::from_slice(&fs::read(run.join("result.json")).unwrap()).unwrap()
}

fn text(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}

#[test]
fn a_detector_is_trained_resumed_evaluated_and_shown() {
    let scratch = Scratch::new();
    boxes(&scratch.0);
    let [train, test] =
        ["train", "test"].map(|split| format!("voc:{}:{split}", scratch.0.display()));
    let run = scratch.join("run");
    let output = succeed(&mut tiny(
        "detect",
        "voc07-c4",
        [&train, &test],
        &run,
        &DETECTOR,
    ));
    let message = stderr(&output);
    assert!(message.contains("begins with random ones"), "{message}");
    // All that depends on the batch was given.
    assert!(!message.contains("scaled for"), "{message}");
    let table = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(table.contains("AP50") && table.contains("green"), "{table}");
    let shown = table
        .lines()
        .filter(|line| !line.contains("voc:") && !line.contains("run:"));
    assert!(shown.clone().all(|line| line.len() <= 80), "{table}");
    let events = fs::read_to_string(run.join("events.jsonl")).unwrap();
    let step: Value = serde_json::from_str(events.lines().nth(1).unwrap()).unwrap();
    for key in ["loss", "loss_rpn_cls", "loss_box_reg", "roi_fg", "lr"] {
        assert!(step[key].is_number(), "{key} in {step}");
    }
    assert_eq!(result(&run)["classes"], serde_json::json!(["green", "red"]));
    resumes_to_the_bit("detect", &run, &scratch);

    // The run's folder is its last checkpoint, and its detections score as `score` scores them.
    let arguments = ["detect", "eval", "--json", "--device", "cpu", "--weights"];
    let mut eval = parallax(&arguments);
    let found = scratch.join("found");
    let output = succeed(eval.arg(&run).args(["--test", &test, "--out"]).arg(&found));
    let scores: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(scores["scores"], result(&run)["scores"]);
    let mut score = parallax(&["score", "--task", "voc07", "--json", "--gt"]);
    score
        .arg(&scratch.0)
        .arg("--detections")
        .arg(found.join("detections.json"));
    let again: Value = serde_json::from_slice(&succeed(&mut score).stdout).unwrap();
    // Only classes of these three images are scored there.
    assert_eq!(
        again["per_class"]["red"],
        scores["scores"]["voc07"]["per_class"]["red"]
    );

    let drawing = scratch.join("drawing.png");
    let mut show = parallax(&[
        "detect", "show", "--score", "0", "--device", "cpu", "--input",
    ]);
    show.arg(scratch.join("JPEGImages/000000.jpg"));
    succeed(show.arg("--weights").arg(&run).arg("--out").arg(&drawing));
    let drawn = image::open(&drawing).unwrap();
    assert_eq!((drawn.width(), drawn.height()), (512, 384));
}

#[test]
fn a_detector_with_masks_is_trained_on_coco() {
    let scratch = Scratch::new();
    boxes(&scratch.0);
    let root = scratch.0.display();
    let data = format!("coco:{root}/JPEGImages:{root}/instances.json");
    let run = scratch.join("run");
    let small = ["detector.channels=8", "detector.hidden=16"];
    let values: Vec<&str> = DETECTOR.iter().chain(&small).copied().collect();
    succeed(&mut tiny(
        "detect",
        "coco-fpn",
        [&data, &data],
        &run,
        &values,
    ));
    let scores = &result(&run)["scores"]["coco"];
    assert!(
        scores["bbox"]["AP"].is_number() && scores["segm"].is_object(),
        "{scores}"
    );
    resumes_to_the_bit("detect", &run, &scratch);
}

#[test]
fn a_segmenter_is_trained_resumed_evaluated_and_shown() {
    let scratch = Scratch::new();
    maps(&scratch.0);
    let data = format!("cityscapes:{}:train", scratch.0.display());
    let run = scratch.join("run");
    let values = [
        "model.arch=resnet18",
        "segmenter.crop=[32, 32]",
        "segmenter.channels=8",
        "segmenter.pool=global",
    ];
    succeed(&mut tiny(
        "segment",
        "cityscapes",
        [&data, &data],
        &run,
        &values,
    ));
    assert!(result(&run)["scores"]["cityscapes"]["IoU"].is_number());
    resumes_to_the_bit("segment", &run, &scratch);
    let mut eval = parallax(&["segment", "eval", "--json", "--device", "cpu", "--weights"]);
    let output = succeed(eval.arg(&run).args(["--test", &data]));
    let scores: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(scores["scores"], result(&run)["scores"]);
    let map = run.join("eval/predictions/ulm_000000_000019_pred.png");
    assert_eq!(image::open(map).unwrap().width(), 64);
    let drawing = scratch.join("drawing.png");
    let mut show = parallax(&["segment", "show", "--device", "cpu", "--input"]);
    show.arg(scratch.join("leftImg8bit/train/ulm/ulm_000000_000019_leftImg8bit.png"));
    succeed(show.arg("--weights").arg(&run).arg("--out").arg(&drawing));
    assert!(image::open(&drawing).unwrap().height() > 384);
}

#[test]
fn bad_arguments_say_what_to_do() {
    let scratch = Scratch::new();
    boxes(&scratch.0);
    let data = format!("voc:{}:train", scratch.0.display());
    let none: PathBuf = scratch.join("none");
    let train = |recipe: &str, values: &[&str], code: i32, texts: &[&str]| {
        let out = scratch.join("run");
        fail(
            &mut tiny("detect", recipe, [&data, &data], &out, values),
            code,
            texts,
        );
        assert!(!out.exists(), "{texts:?}");
    };
    train(
        "voc",
        &[],
        2,
        &["'voc' is neither a file nor a recipe", "voc07-c4"],
    );
    train("voc07-c4", &["detector.speed=1"], 2, &["speed"]);
    train("cityscapes", &[], 2, &["detector", "parallax segment"]);
    train(
        "voc07-c4",
        &DETECTOR[2..],
        2,
        &["2 classes, the recipe's model 20", "model.classes=2"],
    );
    let mut command = parallax(&["detect", "train", "--recipe", "voc07-c4"]);
    fail(&mut command, 2, &["--train"]);
    let mut command = parallax(&["detect", "train", "--resume", "--out", &text(&none)]);
    fail(&mut command, 2, &["holds no run to resume"]);
    let weights =
        ["detect", "eval", "--test", &data, "--weights", &text(&none)].map(str::to_string);
    let mut command = parallax(&weights.each_ref().map(String::as_str));
    fail(&mut command, 2, &["none does not exist"]);
}

#[test]
fn the_parts_of_a_step_are_timed() {
    let stages = ["stem", "res2", "res3", "res4"];
    let head = ["proposal network", "RoIAlign", "box head"];
    let c4 = [&stages[..], &head].concat();
    let fpn = [&stages[..], &["res5", "pyramid"], &head, &["mask branch"]].concat();
    for (recipe, expected) in [("bccd-c4-small", c4), ("coco128-fpn-small", fpn)] {
        let mut command = parallax(&["bench", "detect", "--recipe", recipe, "--device", "cpu"]);
        command.args(["--height", "64", "--width", "64", "--steps", "1"]);
        command.args(["--parts", "--json", "--set", "model.width=4"]);
        let found: Value = serde_json::from_slice(&succeed(&mut command).stdout).unwrap();
        let parts = found["parts"].as_array().unwrap().iter();
        let learned = parts.filter(|part| part["backward_seconds"].as_f64().unwrap() > 0.0);
        let names: Vec<_> = learned.map(|part| part["name"].as_str().unwrap()).collect();
        assert_eq!(names, expected);
        if cfg!(target_os = "linux") {
            assert!(found["peak_bytes"].as_u64().unwrap() > 10 << 20);
        }
    }
}
