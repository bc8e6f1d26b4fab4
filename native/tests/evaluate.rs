//! `parallax linear-eval` and `parallax finetune`: results, resumption with the same bits, and what they refuse.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use common::{Scratch, fail, parallax, stderr, succeed, tiny};
use serde_json::Value;

/// A run of 6 steps with checkpoints at 3 and 6, made once.
fn encoder() -> PathBuf {
    static RUN: OnceLock<Scratch> = OnceLock::new();
    let run = RUN.get_or_init(|| {
        let scratch = Scratch::new();
        succeed(&mut tiny("moco-v2-plus", 6, &scratch.join("run")));
        scratch
    });
    run.join("run")
}

/// Of the encoder, on six epochs of 31 batches.
fn command(task: &str, out: &Path) -> Command {
    let mut command = with(task, &encoder(), out);
    command.args(["--batch-size", "64", "--epochs", "6", "--eval-every", "2"]);
    command
}

fn with(task: &str, weights: &Path, out: &Path) -> Command {
    let mut command = parallax(&[task, "--device", "cpu", "--json", "--weights"]);
    command.arg(weights).arg("--out").arg(out);
    command
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

fn result(out: &Path) -> Value {
    json(&fs::read(out.join("result.json")).unwrap())
}

fn check(result: &Value, task: &str, steps: u64) {
    assert_eq!(result["task"], task);
    assert_eq!(
        (&result["step"], &result["epochs"]),
        (&Value::from(6), &Value::from(6))
    );
    assert_eq!(
        (&result["train"], &result["test"]),
        (&Value::from(2000), &Value::from(500))
    );
    assert!(result["epoch"].as_f64().unwrap() > 0.0);
    let number = |value: &Value| value.as_f64().unwrap();
    let (top1, top5) = (number(&result["top1"]), number(&result["top5"]));
    assert!(top1 > 12.0 && top5 > top1, "{result}");
    let per_class = result["per_class"].as_array().unwrap();
    assert_eq!(
        (per_class.len(), result["classes"].as_array().unwrap().len()),
        (10, 10)
    );
    // The test images are balanced.
    let mean = per_class.iter().map(number).sum::<f64>() / 10.0;
    assert!((mean - top1).abs() < 1e-9, "{mean} {top1}");
    let right = (0..10)
        .map(|class| number(&result["confusion"][class][class]))
        .sum::<f64>();
    assert!((right / 5.0 - top1).abs() < 1e-9, "{right} {top1}");
    let curve = result["curve"].as_array().unwrap();
    let epochs: Vec<f64> = curve.iter().map(|point| number(&point["epoch"])).collect();
    assert_eq!(epochs.len(), 3, "{result}");
    let best = curve
        .iter()
        .map(|point| number(&point["top1"]))
        .fold(0.0, f64::max);
    assert_eq!(number(&result["best_top1"]), best);
    assert_eq!(number(&curve[2]["top1"]), top1);
    assert_eq!(curve[2]["step"], steps);
}

/// Every file of the last checkpoint but its state, which holds the same checksums.
fn last(out: &Path, step: u64) -> Vec<(String, Vec<u8>)> {
    let folder = out.join(format!("checkpoints/step-{step}"));
    let mut files: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// Kills the command when it has logged so many lines.
fn kill_after(command: &mut Command, out: &Path, lines: usize) {
    let mut child = command
        .stderr(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let log = out.join("events.jsonl");
    while !fs::read_to_string(&log).is_ok_and(|text| text.lines().count() > lines) {
        assert!(
            child.try_wait().unwrap().is_none(),
            "it ended before the kill"
        );
        sleep(Duration::from_micros(200));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

/// A whole evaluation, and one that is killed twice: the same result and the same bits.
fn killed_and_resumed(task: &str, extra: &[&str], steps: u64, kills: [usize; 2]) -> Value {
    let scratch = Scratch::new();
    let (whole, broken) = (scratch.join("whole"), scratch.join("broken"));
    let make = |out: &Path| {
        let mut command = with(task, &encoder(), out);
        command.args(["--batch-size", "64"]).args(extra);
        command
    };
    let printed = json(&succeed(&mut make(&whole)).stdout);
    assert_eq!(printed, result(&whole));
    for (number, lines) in kills.into_iter().enumerate() {
        let mut command = make(&broken);
        if number > 0 {
            command.arg("--resume");
        }
        kill_after(&mut command, &broken, lines);
    }
    succeed(make(&broken).arg("--resume"));
    assert!(last(&whole, steps) == last(&broken, steps), "other bits");
    let (mut a, mut b) = (result(&whole), result(&broken));
    (a["seconds"], b["seconds"]) = (Value::Null, Value::Null);
    assert_eq!(a, b);
    // What is over is printed again.
    let again = json(&succeed(make(&broken).arg("--resume")).stdout);
    assert_eq!(again, result(&broken));
    assert!(fs::read_dir(whole.join("tensorboard")).unwrap().count() > 0);
    printed
}

#[test]
fn linear_evaluation_on_augmented_views() {
    // 2,000 images: 31 batches of 64 an epoch.
    let text = "--epochs 6 --eval-every 2 --checkpoint-every 1 --base-lr 0.3 --milestones 4,5";
    let extra: Vec<&str> = text.split(' ').collect();
    let result = killed_and_resumed("linear-eval", &extra, 186, [50, 120]);
    check(&result, "linear-eval", 186);
    assert_eq!(result["preset"], "sgd");
}

#[test]
fn linear_evaluation_on_features_that_are_computed_once() {
    let extra = [
        "--augment",
        "none",
        "--preset",
        "large-norm",
        "--epochs",
        "300",
        "--eval-every",
        "100",
    ];
    let result = killed_and_resumed("linear-eval", &extra, 9300, [2000, 5000]);
    assert_eq!(result["curve"].as_array().unwrap().len(), 3);
    assert!(result["top1"].as_f64().unwrap() > 12.0, "{result}");
}

#[test]
fn fine_tuning() {
    let extra = [
        "--epochs",
        "6",
        "--eval-every",
        "2",
        "--checkpoint-every",
        "1",
        "--base-lr",
        "0.4",
    ];
    let result = killed_and_resumed("finetune", &extra, 186, [40, 110]);
    check(&result, "finetune", 186);
}

#[test]
fn every_checkpoint_of_a_run_is_evaluated() {
    let scratch = Scratch::new();
    let out = scratch.join("all");
    let run = |extra: &[&str]| {
        let mut command = command("linear-eval", &out);
        command.args(["--every", "--augment", "none", "--preset", "large-norm"]);
        succeed(command.args(extra)).stdout
    };
    let printed = run(&[]);
    let lines: Vec<Value> = printed
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(json)
        .collect();
    assert_eq!(lines.len(), 2);
    for (line, step) in lines.iter().zip([3, 6]) {
        assert_eq!(line["step"], step);
        assert_eq!(line, &result(&out.join(format!("step-{step}"))));
    }
    // A folder that is gone is made again, the other is left as it is.
    fs::remove_dir_all(out.join("step-6")).unwrap();
    let again = run(&["--resume"]);
    let again: Vec<Value> = again
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(json)
        .collect();
    assert_eq!(again[0], lines[0]);
    assert_eq!(again[1]["top1"], lines[1]["top1"]);
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let mut command = with("linear-eval", &encoder(), &out);
    let text = "--preset large-norm --epochs 100000 --checkpoint-every 0 --batch-size 64";
    command.args(text.split(' '));
    let mut child = command
        .stderr(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let log = out.join("events.jsonl");
    while !fs::read_to_string(&log).is_ok_and(|text| text.lines().count() > 4) {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        sleep(Duration::from_millis(5));
    }
    let kill = Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(kill.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("--resume --out"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_dir(out.join("checkpoints")).unwrap().count(), 1);
    assert!(!out.join("result.json").exists());
}

#[test]
fn what_does_not_fit_is_refused() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let refused = |weights: &Path, arguments: &[&str], code: i32, texts: &[&str]| {
        fail(
            with("linear-eval", weights, &out).args(arguments),
            code,
            texts,
        );
        assert!(!out.exists(), "what cannot begin leaves nothing");
    };
    let too_few = ["2000 training images", "--batch-size 2000"];
    refused(&encoder(), &["--batch-size", "2001"], 2, &too_few);
    fail(
        with("finetune", &encoder(), &out).args(["--batch-size", "2001"]),
        2,
        &too_few,
    );
    refused(
        &encoder(),
        &["--base-lr=-1"],
        2,
        &["--base-lr must be above 0"],
    );
    refused(
        &encoder(),
        &["--preset", "large-norm", "--milestones", "1,2"],
        2,
        &["--milestones", "sgd"],
    );
    refused(&scratch.join("none"), &[], 2, &["does not exist"]);
    // A file without a network.
    let empty = scratch.join("empty.safetensors");
    let tensor = parallax_weights::NamedTensor::new("pos_embed", vec![1], vec![0.0]);
    let file = parallax_weights::WeightFile::new("empty", vec![tensor]);
    fs::write(&empty, file.to_bytes().unwrap()).unwrap();
    refused(&empty, &[], 1, &["ResNet"]);
    // Sources of other classes.
    for class in ["cat", "unicorn"] {
        let folder = scratch.join("images").join(class);
        fs::create_dir_all(&folder).unwrap();
        for number in 0..3 {
            let image = image::RgbImage::from_pixel(16, 16, image::Rgb([number * 40; 3]));
            image.save(folder.join(format!("{number}.png"))).unwrap();
        }
    }
    let images = scratch.join("images");
    let sources = ["--train", "sample", "--test", images.to_str().unwrap()];
    refused(&encoder(), &sources, 2, &["classes", "airplane"]);
    // A folder that is taken, and other settings.
    let small = |weights: &Path, extra: &[&str]| {
        let mut command = with("linear-eval", weights, &out);
        command
            .args(["--augment", "none", "--epochs", "3", "--milestones", "1,2"])
            .args(extra);
        command
    };
    fail(
        small(&encoder(), &["--resume"]).env("COLUMNS", "80"),
        2,
        &["holds no evaluation"],
    );
    succeed(&mut small(&encoder(), &[]));
    fail(&mut small(&encoder(), &[]), 2, &["--resume"]);
    fail(
        &mut small(&encoder(), &["--resume", "--seed", "3"]),
        2,
        &["seed was 0, not 3"],
    );
    let first = encoder().join("checkpoints/step-3");
    fail(&mut small(&first, &["--resume"]), 2, &["weights"]);
}

#[test]
fn a_recipe_evaluates_linearly_during_and_after_a_run() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let run = |extra: &[&str]| {
        // Two classes of the ten: an epoch has 50 steps.
        let mut command = tiny("byol", 60, &out);
        for value in [
            "data.class_ratio=0.2",
            "probe.knn_every=1",
            "probe.linear_eval.every=1",
            "probe.linear_eval.preset=large-norm",
            "probe.linear_eval.epochs=5",
            "probe.table=true",
            "probe.pixels=true",
            "probe.evaluators=['knn', 'linear-eval']",
        ]
        .iter()
        .chain(extra)
        {
            command.args(["--set", value]);
        }
        command
    };
    let printed = succeed(&mut run(&[])).stdout;
    let printed = String::from_utf8(printed).unwrap();
    assert!(
        printed.contains("lin.eval") && printed.contains('-'),
        "{printed}"
    );
    let log = fs::read_to_string(out.join("events.jsonl")).unwrap();
    let events: Vec<Value> = log.lines().map(|line| json(line.as_bytes())).collect();
    let probe = events
        .iter()
        .find(|event| event["event"] == "probe")
        .unwrap();
    assert_eq!(probe["step"], 50);
    for key in ["knn", "linear_eval", "linear_eval_top5"] {
        assert!(probe[key].as_f64().unwrap() > 10.0, "{probe}");
    }
    let table = events.last().unwrap()["table"].as_array().unwrap();
    assert_eq!(table.len(), 3);
    for row in &table[..2] {
        let (top1, top5) = (
            row["linear_eval"].as_f64().unwrap(),
            row["linear_eval_top5"].as_f64().unwrap(),
        );
        assert!(
            top1 > 10.0 && top5 > top1 && row["linear"].is_null(),
            "{row}"
        );
    }
    assert!(table[2]["linear_eval"].is_null());
    // What cannot be evaluated at the end is refused at the beginning.
    fs::remove_dir_all(&out).unwrap();
    fail(
        &mut run(&["probe.linear_eval.batch_size=2001"]),
        2,
        &["2000 training images", "probe.linear_eval.batch_size=2000"],
    );
    fail(&mut run(&["probe.linear_eval.base_lr=0"]), 2, &["base_lr"]);
}
