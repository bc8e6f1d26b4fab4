//! `parallax study` as a user calls it, on runs that take a second.
#![allow(clippy::unwrap_used)]

#[path = "common/annotated.rs"]
#[allow(dead_code)]
mod annotated;
mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Scratch, fail, parallax, stderr, succeed, weights};
use serde_json::Value;

/// Overrides that make a step take milliseconds.
const SET: &str = "
[set]
run.batch_size = 8
views.size = 16
model.width = 4
method.hidden = 16
method.out = 8
method.queue = 24
schedule.warmup_steps = 2
probe.knn_every = 0
probe.table = false
checkpoint.every_steps = 3
";
const KNN: &str = "
[[evaluate]]
task = 'knn'
k = 5
";

fn study(scratch: &Scratch, text: &str) -> PathBuf {
    let path = scratch.join("tiny.toml");
    fs::write(&path, text).unwrap();
    path
}

fn call(file: &Path, out: &Path, more: &[&str]) -> Command {
    let mut command = parallax(&["study", "--device", "cpu"]);
    command.arg(file).arg("--out").arg(out).args(more);
    command
}

fn jobs(output: &[u8]) -> Vec<(String, String)> {
    let value: Value = serde_json::from_slice(output).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let jobs = value["jobs"].as_array().unwrap().iter();
    jobs.map(|job| (text(&job["job"]), text(&job["state"])))
        .collect()
}

#[test]
fn a_grid_is_run_evaluated_and_not_repeated() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let every = "[[evaluate]]\ntask = 'knn'\nname = 'course'\nevery = true\n";
    let grid = "[[grid]]\nrecipe = 'demo'\nmethod.name = ['byol', 'moco-v2-plus']\nrun.total_steps = 6\nrun.seed = [0, 1]\n";
    let file = study(&scratch, &format!("{grid}{SET}{KNN}{every}"));
    let first = succeed(&mut call(&file, &out, &["--json"]));
    let done = jobs(&first.stdout);
    assert_eq!(done.len(), 12);
    assert!(done.iter().all(|(_, state)| state == "done"), "{done:?}");
    assert_eq!(done[0].0, "demo-name-byol-seed-0: pretrain");
    let messages = stderr(&first);
    assert!(
        messages.contains("run 4 of 4, demo-name-moco-v2-plus-seed-1: knn"),
        "{messages}"
    );

    let run = out.join("demo-name-byol-seed-1");
    let result: Value =
        serde_json::from_slice(&fs::read(run.join("evaluations/knn/result.json")).unwrap())
            .unwrap();
    assert_eq!(
        (&result["task"], &result["step"]),
        (&"knn".into(), &6.into())
    );
    let course = run.join("evaluations/course/step-3/result.json");
    assert!(course.is_file());

    fail(&mut call(&file, &out, &[]), 2, &["--resume", "--out"]);
    // What is missing is made again, and nothing else.
    fs::remove_file(&course).unwrap();
    let again = succeed(&mut call(&file, &out, &["--resume"]));
    let messages = stderr(&again);
    assert!(
        messages.contains("seed-1: course") && !messages.contains("pretrain"),
        "{messages}"
    );
    assert!(course.is_file());

    let report = out.join("report");
    let mut command = parallax(&["report"]);
    let printed = succeed(command.arg(&out).arg("--out").arg(&report).arg("--json"));
    let printed: Value = serde_json::from_slice(&printed.stdout).unwrap();
    assert_eq!(printed["results"][0]["top1"]["knn"]["n"], 2);
    for figure in ["norms.png", "checkpoints-knn.svg", "loss-byol.svg"] {
        assert!(report.join(figure).is_file(), "{figure}");
    }

    // Another recipe in the same folders is refused.
    let other = study(&scratch, &format!("{}{SET}", grid.replace("= 6", "= 7")));
    fail(
        &mut call(&other, &out, &["--resume"]),
        2,
        &["another recipe", "--out"],
    );
}

#[test]
fn a_failure_is_reported_and_the_rest_goes_on() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let grid = "[[grid]]\nrecipe = 'demo'\noptimizer.base_lr = [1e30, 0.1]\nrun.total_steps = 6\n";
    let file = study(&scratch, &format!("{grid}{SET}{KNN}"));
    let texts = ["1 of 4 jobs failed", "1 that need them", "--resume"];
    fail(&mut call(&file, &out, &[]), 1, &texts);
    let output = call(&file, &out, &["--resume", "--json", "--jobs", "2"])
        .output()
        .unwrap();
    let states: Vec<String> = jobs(&output.stdout)
        .into_iter()
        .map(|(_, state)| state)
        .collect();
    assert_eq!(states, ["failed", "skipped", "done", "done"]);
    let value: Value = serde_json::from_slice(&output.stdout).unwrap();
    let message = value["jobs"][0]["error"].as_str().unwrap();
    assert!(message.contains("training diverged"), "{message}");
}

#[test]
fn rescaled_weights_are_evaluated() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let grid = "[[grid]]\nrecipe = ['demo', 'page/byol-tiny']\nrun.total_steps = 3\n";
    let rescale = "recipes = 'demo'\nrescale = ['none', 'constant:0.5', 'page/byol-tiny']\n";
    let finetune = "[[evaluate]]\ntask = 'finetune'\nrecipes = 'demo'\nrescale = 'none'\nepochs = 1\n\
        [[evaluate]]\ntask = 'linear-eval'\nepochs = 1\naugment = 'none'\n";
    let file = study(&scratch, &format!("{grid}{SET}{KNN}{rescale}{finetune}"));
    succeed(&mut call(&file, &out, &[]));
    let run = out.join("demo");
    let top1 = |anchor: &str| -> f64 {
        let path = run.join(format!("evaluations/knn-{anchor}/result.json"));
        serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap()["top1"]
            .as_f64()
            .unwrap()
    };
    let found = run.join("evaluations/finetune-none/result.json");
    let found: Value = serde_json::from_slice(&fs::read(found).unwrap()).unwrap();
    assert_eq!(found["task"], "finetune");
    // Batch norm undoes a constant in front of it.
    assert!((top1("none") - top1("constant-0.5")).abs() < 2.0);
    top1("byol-tiny");
    assert!(run.join("rescaled/constant-0.5.safetensors").is_file());
}

/// A detector begins with the run's weights, rescaled ones, and random ones, has its network and seed, and is reported.
#[test]
fn detectors_are_trained_on_a_run() {
    let scratch = Scratch::new();
    annotated::boxes(&scratch.0);
    let root = scratch.0.display();
    let out = scratch.join("out");
    let grid = "[[grid]]\nrecipe = 'demo'\nrun.total_steps = 2\nrun.seed = 3\nmodel.arch = 'resnet18'\nmodel.stem = 'imagenet'\n";
    let detect = |test: &str| {
        format!(
            "[[evaluate]]\ntask = 'detect'\nrecipe = 'bccd-c4-small'\ntrain = 'voc:{root}:train'\ntest = 'voc:{root}:{test}'\n\
             rescale = ['random', 'none', 'constant:0.5']\n\
             set = ['run.total_steps=2', 'schedule.warmup_steps=1', 'schedule.milestones=[1]', 'precise_bn.batches=1', \
             'model.classes=2', 'augment.short_sides=[48]', 'augment.max_side=72', 'augment.test_side=48', \
             'detector.post_nms=[20, 20]']\n"
        )
    };
    let file = study(&scratch, &format!("{grid}{SET}{}", detect("test")));
    succeed(&mut call(&file, &out, &[]));
    let read = |anchor: &str| -> Value {
        let folder = format!("demo/evaluations/detect-bccd-c4-small-{anchor}");
        let result = fs::read(out.join(folder).join("result.json")).unwrap();
        serde_json::from_slice(&result).unwrap()
    };
    assert!(read("random")["weights"].is_null());
    assert_eq!(read("none")["seed"], 3);
    let rescaled = read("constant-0.5")["weights"].to_string();
    assert!(rescaled.contains("constant-0.5.safetensors"), "{rescaled}");
    let settings = out.join("demo/evaluations/detect-bccd-c4-small-none/transfer.toml");
    let settings = fs::read_to_string(settings).unwrap();
    assert!(settings.contains("width = 4") && settings.contains("arch = \"resnet18\""));

    let report = scratch.join("report");
    let mut command = parallax(&["report"]);
    let printed = succeed(command.arg(&out).arg("--out").arg(&report)).stdout;
    let printed = String::from_utf8(printed).unwrap();
    for text in [
        "Random weights",
        "rescaled: constant-0.5",
        "bccd-c4-small AP50",
    ] {
        assert!(printed.contains(text), "{printed}");
    }
    assert!(
        printed.lines().all(|line| line.chars().count() <= 80),
        "{printed}"
    );
    let table = fs::read_to_string(report.join("table4.md")).unwrap();
    assert!(table.contains("ours: bccd-c4-small AP75"), "{table}");

    // Found before anything is trained.
    let other = scratch.join("other");
    let file = study(&scratch, &format!("{grid}{SET}{}", detect("nowhere")));
    fail(
        &mut call(&file, &other, &[]),
        2,
        &["nowhere", "detect-bccd-c4-small"],
    );
    assert!(!other.exists());
}

/// The study, and its run, are killed or interrupted at a checkpoint, and end with the bits of one that was not.
#[test]
#[cfg(unix)]
fn killed_and_interrupted_studies_go_on() {
    let scratch = Scratch::new();
    let grid = "[[grid]]\nrecipe = 'demo'\nrun.total_steps = 240\nrun.seed = [0, 1]\n";
    let file = study(&scratch, &format!("{grid}{SET}"));
    let whole = scratch.join("whole");
    succeed(&mut call(&file, &whole, &[]));
    let out = scratch.join("out");
    for (signal, code) in [("-KILL", None), ("-INT", Some(0))] {
        let mut command = call(&file, &out, &["--resume"]);
        let child = command
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let saved = || {
            fs::read_dir(out.join("demo-seed-0/checkpoints")).map_or(0, |entries| entries.count())
        };
        let (began, before) = (Instant::now(), saved());
        while saved() < before + 3 && began.elapsed() < Duration::from_secs(60) {
            sleep(Duration::from_millis(2));
        }
        let pid = child.id().to_string();
        assert!(
            Command::new("kill")
                .args([signal, &pid])
                .status()
                .unwrap()
                .success()
        );
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), code);
        if signal == "-INT" {
            let messages = stderr(&ended);
            assert!(messages.contains("--resume --out"), "{messages}");
        }
        assert!(saved() < 80, "the run was over before it could be stopped");
    }
    succeed(&mut call(&file, &out, &["--resume"]));
    for run in ["demo-seed-0", "demo-seed-1"] {
        assert!(
            weights(&out.join(run), 240) == weights(&whole.join(run), 240),
            "{run}"
        );
    }
}

#[test]
fn mistakes_are_named_before_anything_runs() {
    let scratch = Scratch::new();
    let out = scratch.join("out");
    let check = |text: &str, texts: &[&str]| {
        let file = study(&scratch, text);
        fail(&mut call(&file, &out, &[]), 2, texts);
        assert!(!out.exists());
    };
    let grid = "[[grid]]\nrecipe = 'demo'\n";
    check("[[grid]]\nrecipe = 'demmo'\n", &["demmo", "demo"]);
    check(
        &format!("{grid}[set]\nrun.epohcs = 3\n"),
        &["epohcs", "epochs"],
    );
    check(&format!("{grid}speed = 3\n"), &["speed"]);
    check(&format!("colour = 3\n{grid}"), &["colour", "grid"]);
    check(
        &format!("{grid}[[evaluate]]\ntask = 'knn'\nneighbours = 3\n"),
        &["neighbours", "knn"],
    );
    check("title = \n", &["title"]);
    let mut unknown = parallax(&["study", "fig9"]);
    fail(&mut unknown, 2, &["fig9", "fig3-small", "table4"]);
}
