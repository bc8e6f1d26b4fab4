//! A run that is stopped, killed and resumed ends with the bits of one that was not.
#![allow(clippy::unwrap_used)]

mod common;

use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use common::{Scratch, fail, parallax, stderr, succeed, tiny, weights};

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
    let diverge = |rate: &str, out: &std::path::Path, texts: &[&str]| {
        let mut command = tiny("byol", 40, out);
        command.args(["--set", &format!("optimizer.base_lr={rate}")]);
        command.args(["--set", "checkpoint.every_steps=1000"]);
        let message = ["the loss became NaN at step 3", "diverged", "base_lr"];
        fail(&mut command, 1, &[&message, texts].concat());
    };
    // What was before the step is saved, and can be read.
    let out = scratch.join("run");
    diverge("1e20", &out, &["saved as", "step-2"]);
    assert_eq!(
        std::fs::read_dir(out.join("checkpoints")).unwrap().count(),
        1
    );
    let copy = scratch.join("copy.pth");
    succeed(
        parallax(&["convert"])
            .arg(out.join("checkpoints/step-2"))
            .arg(copy),
    );
    // Weights that are NaN or infinite are not.
    let out = scratch.join("beyond");
    diverge("1e30", &out, &["not finite any more"]);
    assert_eq!(
        std::fs::read_dir(out.join("checkpoints")).unwrap().count(),
        0
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
    // A run's folder stands for its newest checkpoint.
    let mut knn = parallax(&["knn", "--json", "--device", "cpu", "--weights"]);
    assert_eq!(succeed(knn.arg(&out)).stdout, output.stdout);
}
