//! A run that is stopped, killed and resumed ends with the bits of one that was not.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use common::{Scratch, fail, parallax, stderr, succeed, tiny, training, weights};

/// Methods and overrides: queue, coin, velocity with the rate inside, classifier, devices of their own. Every system at
/// every step is resumed in `crates/train/tests/run.rs`.
const SYSTEMS: [(&str, &[&str]); 3] = [
    ("byol", &["optimizer.name=lars", "probe.online=true"]),
    ("moco-v2-plus", &["probe.online=true"]),
    ("moco-v1", &["method.bn_groups=2"]),
];
/// Steps of the runs that are killed.
const STEPS: u32 = 300;

#[test]
fn kills_at_any_moment_change_nothing() {
    let scratch = Scratch::new();
    for (method, overrides) in SYSTEMS {
        let tiny = |out: &std::path::Path| {
            let mut command = tiny(method, STEPS, out);
            for value in overrides {
                command.args(["--set", value]);
            }
            command
        };
        let whole = scratch.join(&format!("{method}-whole"));
        let began = Instant::now();
        succeed(&mut tiny(&whole));
        let duration = began.elapsed();
        let killed = scratch.join(&format!("{method}-killed"));
        let (mut kills, mut part) = (0, 40);
        loop {
            let mut command = tiny(&killed);
            if killed.exists() {
                command.arg("--resume");
            }
            let mut child = command
                .stderr(Stdio::null())
                .stdout(Stdio::null())
                .spawn()
                .unwrap();
            // From a fiftieth to a third of the run: delays that meet the start, steps and saves, on slow
            // machines and on fast ones, without a source of chance.
            part = (part * 73 + 31) % 320;
            sleep(duration * (20 + part) / 1000);
            if kills < 10 && child.try_wait().unwrap().is_none() {
                child.kill().unwrap();
                kills += 1;
            }
            if child.wait().unwrap().success() {
                break;
            }
        }
        assert!(kills >= 3, "only {kills} kills met a running process");
        assert_eq!(
            weights(&whole, STEPS),
            weights(&killed, STEPS),
            "{method} after {kills} kills"
        );
        assert_eq!(
            training(&whole, STEPS),
            training(&killed, STEPS),
            "{method} after {kills} kills"
        );
        let steps = |run: &std::path::Path| {
            let text = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
            let lines = text
                .lines()
                .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
            let steps = lines.filter(|event| event["event"] == "step");
            steps
                .map(|event| (event["step"].clone(), event["loss"].clone()))
                .collect::<Vec<_>>()
        };
        assert_eq!(
            steps(&whole),
            steps(&killed),
            "{method}: the log holds every step once"
        );
    }
}

#[test]
fn loader_threads_change_nothing() {
    let scratch = Scratch::new();
    let run = |threads: &str| {
        let out = scratch.join(threads);
        succeed(tiny("byol", 6, &out).args(["--loader-threads", threads]));
        weights(&out, 6)
    };
    assert_eq!(run("1"), run("5"));
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_after_the_step() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let child = tiny("byol", 100_000, &out)
        .args([
            "--set",
            "checkpoint.every_steps=0",
            "--set",
            "checkpoint.every=0",
        ])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = out.join("events.jsonl");
    while !std::fs::read_to_string(&log).is_ok_and(|text| text.lines().count() > 4) {
        sleep(Duration::from_millis(20));
    }
    let interrupt = std::process::Command::new("kill")
        .args(["-INT", &child.id().to_string()])
        .status();
    assert!(interrupt.unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("--resume"), "{}", stderr(&output));
    let saved = std::fs::read_dir(out.join("checkpoints")).unwrap().count();
    assert_eq!(saved, 1);
}

#[test]
fn a_run_that_diverges_says_where() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    let mut command = tiny("byol", 40, &out);
    command.args(["--set", "optimizer.base_lr=1e30"]);
    fail(
        &mut command,
        1,
        &["the loss became", "at step", "diverged", "base_lr"],
    );
}

#[test]
fn knn_reads_what_the_run_saved() {
    let scratch = Scratch::new();
    let out = scratch.join("run");
    succeed(&mut tiny("moco-v2-plus", 3, &out));
    let mut knn = parallax(&["knn", "--json", "--device", "cpu", "--weights"]);
    let output = succeed(knn.arg(out.join("checkpoints/step-3")));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let accuracy = report["knn"].as_f64().unwrap();
    assert!((10.0..60.0).contains(&accuracy), "{accuracy}");
}
